"""Whether what came in is too little or too much: told once for each news. Pure."""

from engine.payment.fold import EventBuilder
from engine.payment.model import EventType, Status

__all__ = ["emit_sums"]

_SUMS_ARE_TOLD = {Status.CONFIRMING, Status.EXPIRED}


def emit_sums(builder: EventBuilder) -> None:
    """After a receipt came in or was lost."""
    payment = builder.payment
    asked = payment.terms.amount_sat
    counts_as_paid = payment.counts_as_paid
    if asked is None or not (counts_as_paid or payment.status in _SUMS_ARE_TOLD):
        return
    received = payment.received_sat
    if not payment.is_paid and not counts_as_paid:
        assert received < asked, payment.id
        builder.emit(EventType.UNDERPAID, short_sat=asked - received)
    elif received > asked + payment.terms.tolerance_sat:
        builder.emit(EventType.OVERPAID, excess_sat=received - asked)
