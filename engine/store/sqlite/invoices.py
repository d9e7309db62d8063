"""Lightning invoices and accounts in SQLite: how rows are written, and read.

An invoice's row only finds its payment: what is agreed stands in the payment, which
must say the same. A row of an account carries a checksum.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, TypeVarTuple

from engine.errors import StoreDamaged
from engine.payment.lightning_terms import Invoice
from engine.payment.model import Payment
from engine.store.lightning_port import OpenInvoice
from engine.store.lightning_writes import UpstreamCursor
from engine.store.sqlite.checksum import checked, row_crc
from engine.store.sqlite.listing_rows import payment_of
from engine.store.sqlite.multi_insert import Many

__all__ = [
    "INVOICE_COLUMNS",
    "LightningReads",
    "close",
    "create",
    "create_ends",
    "insert",
    "move",
    "values_of",
]

Asked = TypeVarTuple("Asked")
T = TypeVar("T")

INVOICE_COLUMNS = 5

_INVOICES = Many("INSERT INTO invoices VALUES", INVOICE_COLUMNS)


def create(sql: Any) -> None:
    """The tables, as m028 makes them. `settled` is NULL of an invoice of which nobody
    has said how it ended, so that the index holds those only."""
    for statement in (
        """CREATE TABLE invoices (
            payment_hash TEXT PRIMARY KEY, payment_id TEXT NOT NULL,
            node TEXT NOT NULL, expires_at INTEGER NOT NULL, settled INTEGER
        ) WITHOUT ROWID""",
        "CREATE INDEX invoices_open ON invoices (node, payment_hash)"
        " WHERE settled IS NULL",
        """CREATE TABLE upstreams (
            name TEXT PRIMARY KEY, cursor TEXT NOT NULL, at INTEGER NOT NULL,
            crc INTEGER NOT NULL
        ) WITHOUT ROWID""",
    ):
        sql.execute(statement)


def create_ends(sql: Any) -> None:
    """What m034 adds: those that nobody spoke of, by their ends."""
    sql.execute(
        "CREATE INDEX invoices_ends ON invoices (node, expires_at)"
        " WHERE settled IS NULL"
    )


def values_of(payment_id: str, invoice: Invoice) -> tuple[object, ...]:
    """The row of one of the payment's invoices."""
    return invoice.payment_hash, payment_id, invoice.node, invoice.expires_at, None


def insert(sql: sqlite3.Connection, values: list[object]) -> None:
    """Rows of many, one after the other."""
    _INVOICES.run(sql, values)


def close(sql: sqlite3.Connection, hashes: Sequence[str]) -> None:
    sql.executemany(
        "UPDATE invoices SET settled = 1 WHERE payment_hash = ?",
        [(payment_hash,) for payment_hash in hashes],
    )


def move(sql: sqlite3.Connection, row: UpstreamCursor) -> int:
    values = row.name, row.cursor, row.at
    return sql.execute(
        "INSERT INTO upstreams VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
        " cursor = excluded.cursor, at = excluded.at, crc = excluded.crc",
        (*values, row_crc(values)),
    ).rowcount


def _payment_of(sql: sqlite3.Connection, payment_hash: str) -> Payment | None:
    found = sql.execute(
        "SELECT p.state, p.crc FROM invoices i JOIN payments p ON p.id = i.payment_id"
        " WHERE i.payment_hash = ?",
        (payment_hash,),
    ).fetchone()
    if found is None:
        return None
    payment = payment_of(*found)
    if all(one.payment_hash != payment_hash for one in payment.terms.invoices):
        raise StoreDamaged(
            f"invoice {payment_hash} is not of {payment.id}, which its row names",
            "stop the node and run `paybell replay --check`",
        )
    return payment


def _open(
    sql: sqlite3.Connection, node: str, after: str, limit: int
) -> list[OpenInvoice]:
    rows = sql.execute(
        "SELECT payment_hash, payment_id, expires_at FROM invoices"
        " WHERE node = ? AND settled IS NULL AND payment_hash > ?"
        " ORDER BY payment_hash LIMIT ?",
        (node, after, limit),
    )
    return [OpenInvoice(*row) for row in rows]


def _has_payable(sql: sqlite3.Connection, node: str, since: int) -> bool:
    query = (
        "SELECT 1 FROM invoices"
        " WHERE node = ? AND settled IS NULL AND expires_at >= ? LIMIT 1"
    )
    return sql.execute(query, (node, since)).fetchone() is not None


def _cursor(sql: sqlite3.Connection, name: str) -> UpstreamCursor | None:
    query = "SELECT name, cursor, at, crc FROM upstreams WHERE name = ?"
    row = sql.execute(query, (name,)).fetchone()
    return None if row is None else UpstreamCursor(*checked("an upstream", row))


class LightningReads(ABC):
    """Implements `engine.store.lightning_port.LightningReader`."""

    @abstractmethod
    def _ask(
        self, query: Callable[[sqlite3.Connection, *Asked], T], *args: *Asked
    ) -> T: ...

    def payment_of_invoice(self, payment_hash: str) -> Payment | None:
        return self._ask(_payment_of, payment_hash)

    def open_invoices(
        self, node: str, after: str = "", limit: int = 100
    ) -> list[OpenInvoice]:
        return self._ask(_open, node, after, limit)

    def has_payable_invoice(self, node: str, since: int) -> bool:
        return self._ask(_has_payable, node, since)

    def upstream_cursor(self, name: str) -> UpstreamCursor | None:
        return self._ask(_cursor, name)
