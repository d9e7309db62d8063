"""Replay: a payment rebuilt from its events, whatever store they come from.

`evolve` over the events of a payment gives the payment. A running node does not do so
at a start: it reads the projection, which each store writes in the transaction of the
events. This is how the two are compared (`paybell replay --check`), and how the
projection is made anew. Pure.
"""

import msgspec

from engine.errors import BrokenSequence, IllegalTransition
from engine.payment.events import Event
from engine.payment.fold import evolve
from engine.payment.model import EventType, Payment

__all__ = ["UNFOLDABLE", "Difference", "fold"]

UNFOLDABLE = (
    BrokenSequence,
    IllegalTransition,
    msgspec.MsgspecError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What events that somebody changed can do to rules that never met such ones."""


class Difference(msgspec.Struct, frozen=True):
    """A payment whose projection is not the fold of its events, or has no such fold.

    `rebuilt` is what the projection should be; None if the events cannot be folded.
    """

    payment_id: str
    detail: str
    events: int
    rebuilt: Payment | None = None


def fold(events: list[Event]) -> Payment:
    """A payment from all its events, in order.

    Raises `BrokenSequence` or `IllegalTransition`, or what else `UNFOLDABLE` names.
    """
    first = events[0]
    if first.type is not EventType.CREATED or first.data.terms is None:
        raise BrokenSequence(f"the first event is {first.type}, not payment.created")
    if first.seq != 1:
        raise BrokenSequence(f"the first event has seq {first.seq}, not 1")
    payment = Payment(terms=first.data.terms, seq=1)
    for event in events[1:]:
        payment = evolve(payment, event)
        said = event.status, event.received_sat
        if said != (payment.status, payment.received_sat):
            raise BrokenSequence(
                f"event {event.seq} says {event.received_sat} sat, {event.status},"
                f" but the events up to it come to {payment.received_sat} sat,"
                f" {payment.status}"
            )
    return payment
