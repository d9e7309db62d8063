"""Rows of money on its way out: parts of `engine.store.writes`.

What stands in the way of one is a `Conflict` whose `what` is "outgoing".
"""

import msgspec

from engine.wallet.outgoing import Outgoing, OutgoingState

__all__ = ["MoveOutgoing", "NewOutgoing", "PauseForwarding", "QueueForward", "Unqueue"]


class NewOutgoing(msgspec.Struct, frozen=True):
    """A signed transaction, and its claim on its coins: a coin that a living one has is
    a conflict. One that `replaces` another takes its coins over: the other one must be
    living, and is `replaced` from now on."""

    outgoing: Outgoing


class MoveOutgoing(msgspec.Struct, frozen=True):
    """It is as this after a step, from this state only: of any number of hands that
    would take it, one does. When it dies its coins are free; when it comes to life
    again it must get them."""

    outgoing: Outgoing
    before: OutgoingState


class QueueForward(msgspec.Struct, frozen=True):
    """The forwarder is to look at this payment from then on (ms). One that is queued
    already is looked at then, and no sooner or later."""

    payment_id: str
    merchant: str
    seq: int
    at: int = 0


class Unqueue(msgspec.Struct, frozen=True):
    """The forwarder has looked at the payment, as it was with this `seq`. If events
    have come since that concern it, it stays in the queue."""

    payment_id: str
    seq: int


class PauseForwarding(msgspec.Struct, frozen=True):
    """Nothing new is sent on from now on, also after a restart; or again (`at` 0)."""

    at: int  # ms
    by: str = ""
