"""`LedgerReader` over SQLite: part of `SqliteReads`."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from engine.store.ledger_port import LedgerBalance, PostingRecord
from engine.store.sqlite import ledger

__all__ = ["SqliteLedgerReads"]

Asked = TypeVarTuple("Asked")
T = TypeVar("T")


class SqliteLedgerReads(ABC):
    """Implements `engine.store.ledger_port.LedgerReader`."""

    @abstractmethod
    def _ask(
        self, query: Callable[[sqlite3.Connection, *Asked], T], *args: *Asked
    ) -> T: ...

    def balance(self, merchant: str, unit: str, account: str) -> int | None:
        return self._ask(ledger.balance, merchant, unit, account)

    def balances(
        self, merchant: str, after: tuple[str, str], limit: int
    ) -> list[LedgerBalance]:
        return self._ask(ledger.balances, merchant, after, limit)

    def postings(
        self, merchant: str, user: str | None, after: int, limit: int
    ) -> list[PostingRecord]:
        return self._ask(ledger.postings, merchant, user, after, limit)

    def postings_before(
        self, merchant: str, user: str, before: int | None, limit: int
    ) -> list[PostingRecord]:
        return self._ask(ledger.postings_before, merchant, user, before, limit)

    def postings_of(self, payment_id: str, cause: str = "") -> list[PostingRecord]:
        return self._ask(ledger.postings_of, payment_id, cause)
