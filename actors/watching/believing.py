"""What a watcher has committed before it believes it, and the log's line after.

No actor: in the watcher's turn.
"""

import logging

from engine.payment.events import Event
from engine.payment.losses import blocks_lost
from engine.payment.model import Payment
from engine.payment.notes import Note
from engine.store.writes import Entry, ReadAgain, Row, Write

__all__ = ["as_write", "log_notes", "log_status"]

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


def log_status(before: Payment, after: Payment) -> None:
    """One line if the status changed."""
    if before.status is not after.status:
        log.info("payment.%s payment=%s seq=%d received=%d confirmations=%d",
                 after.status, after.id, after.seq, after.received_sat,
                 after.confirmations)  # fmt: skip


def log_notes(payment_id: str, notes: list[Note]) -> None:
    """What a decision left out, of a payment without a chain."""
    for note in notes:
        log.warning("payment.left_out payment=%s what=%s %s",
                    payment_id, note.why, note.detail)  # fmt: skip
