"""What a watcher has committed before it believes it, and the log's line after.

No actor: in the watcher's turn.
"""

import logging
from collections.abc import Sequence

from actors.facts.counters import Counters
from actors.node import Node
from engine.money.amount import sat_to_btc
from engine.payment.events import Event
from engine.payment.forwarding import Forwarding
from engine.payment.losses import blocks_lost
from engine.payment.model import WAITED_FOR, Payment, Status
from engine.payment.notes import Note
from engine.store.writes import Entry, ReadAgain, Row, Write

__all__ = ["as_write", "log_notes", "note_created", "note_status"]

log = logging.getLogger("paybell.payment")


def as_write(
    before: Payment, after: Payment, events: list[Event], rows: tuple[Row, ...]
) -> Write:
    """The events with the rows that belong to them, in one commit. The blocks of
    receipts that were taken away are to be read again, also after a restart."""
    entries = (Entry(after, tuple(events)),) if events else ()
    lost = blocks_lost(before, events)
    again = (ReadAgain(height, block) for height, block in lost)
    return Write(entries=entries, rows=(*rows, *again))


def note_created(counters: Counters, payments: Sequence[Payment]) -> None:
    """Counts; and a line for each that will credit an account."""
    counters.add("payments.created", len(payments))
    for payment in payments:
        if (credit := payment.terms.credit) is not None:
            btc = sat_to_btc(payment.terms.amount_sat or 0)
            log.info("payment.created payment=%s account=%s detail=Created Bitcoin"
                     " payment %s for user %s: %s BTC", payment.id, credit.account,
                     payment.id, credit.account, btc)  # fmt: skip


def note_status(node: Node, before: Payment, after: Payment) -> None:
    """A line and a count if the status changed."""
    if before.status is after.status:
        return
    counters = node.counters
    node.statuses.gone(before.status)
    node.statuses.come(after.status)
    log.info("payment.%s payment=%s seq=%d received=%d confirmations=%d",
             after.status, after.id, after.seq, after.received_sat,
             after.confirmations)  # fmt: skip
    if after.status not in WAITED_FOR:
        counters.add(f"payments.{after.status}")
    if after.status is Status.CONFIRMED and not before.counts_as_paid:
        took_ms = (after.confirmed_at or 0) - after.terms.created_at
        counters.add("payments.confirmation_seconds", max(took_ms, 0) // 1000)
        _log_credited(after)
    elif after.status is Status.FAILED and after.counts_as_paid:
        counters.add("payments.forward_failed")
    if after.forward is not None:
        _log_forward(after, after.forward)


def _log_credited(payment: Payment) -> None:
    """With the sentence that the document of automatic processing logs, as below
    (docs/seeds.md)."""
    if (credit := payment.terms.credit) is not None:
        log.info("payment.credited payment=%s account=%s credits=%d detail="
                 "Auto-processed payment %s: Added %d credits to user %s",
                 payment.id, credit.account, credit.credits,
                 payment.id, credit.credits, credit.account)  # fmt: skip


def _log_forward(payment: Payment, forward: Forwarding) -> None:
    if payment.status is Status.FORWARDED:
        left_sat, fee_sat = forward.arrived_sat
        log.info("payment.sent_on payment=%s txid=%s detail="
                 "Successfully forwarded %s BTC. TX: %s", payment.id, forward.txid,
                 sat_to_btc(left_sat - fee_sat), forward.txid)  # fmt: skip
    elif payment.status is Status.FAILED:
        why = [part.failed for part in forward.parts if part.failed]
        log.error("payment.forward_failed payment=%s detail="
                  "Error processing payment %s: %s", payment.id, payment.id,
                  why[-1] if why else "not sent on")  # fmt: skip


def log_notes(payment_id: str, notes: list[Note]) -> None:
    """What a decision left out, of a payment without a chain."""
    for note in notes:
        log.warning("payment.left_out payment=%s why=%s detail=%s",
                    payment_id, note.why, note.detail)  # fmt: skip
