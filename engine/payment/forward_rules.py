"""What the forwarder's word about a payment's money makes of the payment. Pure.

The same word twice changes nothing. A payment that is paid is `forwarded` when all of
its parts have arrived, `failed` when one never will and none is on its way, and else
`confirmed`. In all three it counts as paid: for its payer, its shop, its credit, and
for the watch for reorganisations. One that is not paid (any more) keeps its status: its
receipts decide about it.
"""

from engine.payment.events import Event, iso
from engine.payment.fold import EventBuilder
from engine.payment.forwarding import Forwarding, ForwardPart, known_as
from engine.payment.model import PAID_ONCE, EventType, Payment, Status

__all__ = ["concerns_forwarder", "take_forward"]

_OF_RECEIPTS = {EventType.CONFIRMING, EventType.REORGED, EventType.REPLACED}


def concerns_forwarder(event: Event) -> bool:
    """Whether there may be coins to send on after it, or what was sent is to be looked
    at again. Of a payment whose terms name a destination; a store queues it then."""
    if event.type in {EventType.CONFIRMED, EventType.REVERSED}:
        return True
    return event.type in _OF_RECEIPTS and event.status in PAID_ONCE


def take_forward(builder: EventBuilder, part: ForwardPart) -> None:
    """Tell what is new. `swept_sat` and `swept_fee_sat` say what it changes in the sums
    that have left our addresses for good."""
    payment = builder.payment
    before = payment.forward or Forwarding(())
    known, after = before.part(part.outgoing), before.with_part(part)
    status = _status(payment, after)
    is_news = known is None or known_as(known) != known_as(part)
    if not is_news and status is payment.status:
        return
    if part.failed and (known is None or not payment.counts_as_paid):
        # Nobody was told that it is on its way, or its money is gone: not a failure.
        return
    swept, fee = (
        now - then
        for now, then in zip(after.arrived_sat, before.arrived_sat, strict=True)
    )
    done = part.completed_at
    builder.emit(
        _event_type(part),
        status=status,
        txid=part.txid,
        forward=part,
        forwarding_tx_hash=part.txid,
        completed_at=None if done is None else iso(done),
        swept_sat=swept or None,
        swept_fee_sat=fee or None,
        reason=part.failed or None,
    )


def _event_type(part: ForwardPart) -> EventType:
    if part.failed:
        return EventType.FAILED
    is_on_its_way = part.completed_at is None
    return EventType.FORWARDING if is_on_its_way else EventType.FORWARDED


def _status(payment: Payment, forward: Forwarding) -> Status:
    if not payment.counts_as_paid:
        return payment.status
    if forward.has_failed:
        return Status.FAILED
    is_done = forward.completed_at is not None
    return Status.FORWARDED if is_done else Status.CONFIRMED
