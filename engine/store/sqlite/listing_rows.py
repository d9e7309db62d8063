"""What the listings share: rows of payments, and stretches of their ranks."""

import contextlib
import heapq
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from engine.payment.model import Payment
from engine.payment.search import flag_bits
from engine.store.further import Further
from engine.store.sqlite.checksum import stored_state

__all__ = [
    "NEWEST",
    "PaymentRow",
    "Span",
    "by_id",
    "by_rank",
    "each",
    "fits",
    "one_moment",
    "payment_of",
]

NEWEST = 1 << 62  # above every rank

_payment_decoder = msgspec.json.Decoder(Payment)


class PaymentRow(NamedTuple):
    """A payment as its columns say it; `state` is decoded if it is shown."""

    rank: int
    id: str
    status: str
    merchant: str
    external_id: str | None
    address: str
    created_at: int
    flags: int
    seq: int
    state: bytes
    crc: int | None

    @property
    def payment(self) -> Payment:
        return payment_of(self.state, self.crc)


_ROW = f"SELECT {', '.join(PaymentRow._fields)} FROM payments"  # noqa: S608


class Span(NamedTuple):
    """Ranks between two, neither included, and how many of them to look up."""

    after: int
    before: int
    limit: int
    oldest_first: bool = False

    def ranks(
        self,
        sql: sqlite3.Connection,
        where: str,
        values: tuple[object, ...] = (),
        table: str = "payments",
    ) -> list[int]:
        """The first ranks in the span of which that is so."""
        order = "" if self.oldest_first else " DESC"
        rows = sql.execute(
            f"SELECT rank FROM {table} WHERE {where} AND rank > ? AND rank < ?"  # noqa: S608
            f" ORDER BY rank{order} LIMIT ?",
            (*values, self.after, self.before, self.limit),
        )
        return [rank for (rank,) in rows]

    def first(self, ranks: Iterable[int]) -> list[int]:
        """The first of many, in order."""
        pick = heapq.nsmallest if self.oldest_first else heapq.nlargest
        return pick(self.limit, ranks)


def payment_of(state: bytes, crc: int | None) -> Payment:
    return _payment_decoder.decode(stored_state(state, crc))


def by_rank(sql: sqlite3.Connection, ranks: Iterable[int]) -> Iterator[PaymentRow]:
    for rank in ranks:
        yield PaymentRow(*sql.execute(_ROW + " WHERE rank = ?", (rank,)).fetchone())


def by_id(sql: sqlite3.Connection, payment_id: str) -> PaymentRow | None:
    row = sql.execute(_ROW + " WHERE id = ?", (payment_id,)).fetchone()
    return None if row is None else PaymentRow(*row)


def fits(row: PaymentRow, filters: dict[str, str], further: Further) -> bool:
    """Whether it is to be listed, but for when it changed."""
    if any(getattr(row, name) != wanted for name, wanted in filters.items()):
        return False
    if further.flag is not None and not row.flags & flag_bits({further.flag}):
        return False
    return further.created.holds(row.created_at)


@contextlib.contextmanager
def one_moment(sql: sqlite3.Connection) -> Iterator[None]:
    """What is read in here is of one moment, whatever is committed meanwhile."""
    sql.execute("BEGIN")
    try:
        yield
    finally:
        sql.execute("COMMIT")


def each(sql: sqlite3.Connection, query: str, *fixed: str) -> Iterator[str]:
    """Each merchant once, by jumps in an index: `query` finds the next after one."""
    last = ""
    while row := sql.execute(query, (*fixed, last)).fetchone():
        last = row[0]
        yield last
