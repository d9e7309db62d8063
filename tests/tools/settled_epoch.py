"""The same epoch for every database of a test: what is written can be compared."""

from engine.store.sqlite.checksum import row_crc
from engine.store.sqlite.journal import Journal

__all__ = ["EPOCH", "settle_epoch"]

EPOCH = "simulate"


def settle_epoch(journal: Journal) -> None:
    """In the place of the one that a new database drew."""
    values = (1, 1, EPOCH)
    sql = journal.connection
    sql.execute("DELETE FROM epochs")
    sql.execute("INSERT INTO epochs VALUES (?, ?, ?, ?)", (*values, row_crc(values)))
    journal.epoch = EPOCH
