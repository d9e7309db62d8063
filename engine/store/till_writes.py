"""Rows of forwards of tills: parts of `engine.store.writes`.

What stands in the way of one is a `Conflict` whose `what` is "till".
"""

import msgspec

from engine.lightning.till import TillForward

__all__ = ["MoveTill", "NewTill", "UnqueueTill"]


class NewTill(msgspec.Struct, frozen=True):
    """The intent to send on what a payment brought. A second one of the same payment is
    a conflict."""

    forward: TillForward


class MoveTill(msgspec.Struct, frozen=True):
    """It is as this, from this step only: of any number of hands that would take it on,
    one does. An invoice that another one pays is a conflict."""

    forward: TillForward
    before: int  # `TillForward.step`


class UnqueueTill(msgspec.Struct, frozen=True):
    """The till has looked at the payment, as it was with this `seq`. If events have
    come since that concern it, it stays in the queue."""

    payment_id: str
    seq: int
