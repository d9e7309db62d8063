"""The ledger of a database, for reading alone, beside a running node or without one.

For `paybell ledger check` and `paybell export`; all that one asks is of one moment.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from engine.errors import OlderSchema
from engine.store.ledger_port import PostingRecord
from engine.store.sqlite import ledger, ledger_check
from engine.store.sqlite.trouble import unreadable

__all__ = ["LedgerFile", "open_ledger"]


class LedgerFile:
    """Made by `open_ledger` only."""

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql

    def sizes(self) -> tuple[int, int]:
        """Postings and accounts."""
        return ledger_check.sizes(self._sql)

    def findings(self) -> Iterator[str]:
        """A line for each thing that is wrong."""
        return ledger_check.findings(self._sql)

    def postings(
        self, merchant: str, user: str | None, after: int, limit: int
    ) -> list[PostingRecord]:
        """As `LedgerReader.postings`."""
        return ledger.postings(self._sql, merchant, user, after, limit)


@contextmanager
def open_ledger(path: str | Path) -> Iterator[LedgerFile]:
    """Raises `OlderSchema` or `StoreUnreadable`, also while it is read."""
    try:
        with closing(
            sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        ) as sql:
            sql.isolation_level = None
            sql.execute("BEGIN")
            yield LedgerFile(sql)
    except sqlite3.Error as error:
        if "no such table" in str(error):
            raise OlderSchema(str(error)) from error
        raise unreadable(error) from error
