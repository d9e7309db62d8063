"""What a checkout page is about: one stage for each thing a payer may have to know.

Coarser than a payment's status and flags in some places, finer in others. Pure; called
by transport/pages/checkout.py.
"""

from enum import StrEnum

from engine.payment.model import Flag, Payment, Status

__all__ = ["Stage", "stage_of"]


class Stage(StrEnum):
    """What the page is about. The style sheet and the tests know these words."""

    WAITING = "waiting"
    ANNOUNCED = "announced"  # a webhook says so; the chain does not show it yet
    SEEN = "seen"
    CONFIRMING = "confirming"
    UNDERPAID = "underpaid"
    REPLACED = "replaced"  # it was there, and is gone; waiting again
    REVERSED = "reversed"  # it was confirmed, and is not any more
    PAID = "paid"
    LATE = "late"  # all of it came, after the deadline: the shop decides
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


def stage_of(payment: Payment, *, was_confirmed: bool) -> Stage:
    """The stage. `was_confirmed`: its story tells of a `payment.reversed`."""
    status = payment.status
    ended = {
        Status.EXPIRED: Stage.EXPIRED,
        Status.CANCELLED: Stage.CANCELLED,
        Status.FAILED: Stage.FAILED,
    }
    if payment.counts_as_paid:
        is_late = Flag.LATE in payment.flags and not payment.is_by_hand
        return Stage.LATE if is_late else Stage.PAID
    if status in ended:
        return ended[status]
    if was_confirmed and (payment.is_paid or not payment.receipts):
        return Stage.REVERSED
    if status is Status.PENDING:
        if payment.claims:
            return Stage.ANNOUNCED
        gone = {Flag.REPLACED, Flag.REORGED} & set(payment.flags)
        return Stage.REPLACED if gone else Stage.WAITING
    if not payment.is_paid:
        return Stage.UNDERPAID
    return Stage.CONFIRMING if payment.confirmations else Stage.SEEN
