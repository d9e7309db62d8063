"""The same epoch for every database of a test: what is written can be compared."""

from engine.store.sqlite.checksum import row_crc
from engine.store.sqlite.journal import Journal

__all__ = ["EPOCH", "settle_epoch"]

EPOCH = "simulate"


def settle_epoch(journal: Journal, epoch: str = EPOCH) -> None:
    """From the next event on, in the place of the one that a new database drew."""
    values = (journal.last_offset + 1, 1, epoch, 1)
    sql = journal.connection
    sql.execute("DELETE FROM epochs")
    sql.execute(
        "INSERT INTO epochs (first_offset, number, epoch, began_at, crc)"
        " VALUES (?, ?, ?, ?, ?)",
        (*values, row_crc(values)),
    )
    journal.epoch = epoch
