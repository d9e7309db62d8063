"""By what payments are found, in SQLite: keys of 48 bits, each with ranks.

The keys are `engine/payment/search.py`'s. They are written in the transaction of the
events that bring them. A tree of such keys alone would have each of them on a page of
its own, that a commit writes whole. So keys stand in buckets of a few pages; a search
looks into each, some 2,000 for a million payments (10 ms). A sum is in the bucket of
its payment, of `BUCKET` payments each, so that the first are found first; a transaction
in that of its event, of `EVENTS` events each, and these are counted from -1 down.

Payments from before the table get their keys, and their flags' bits, by `fill`: in
steps of the housekeeper, the newest first, so that an upgrade of a million payments
does not wait for it. Where it stands is a row, written with each step.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from engine.payment.events import Event
from engine.payment.model import Payment, Terms
from engine.payment.search import (
    Sought,
    flag_bits,
    new_sum,
    new_txid,
    sum_key,
    sum_keys,
    txid_key,
    txid_keys,
)
from engine.store.sqlite.checksum import Damaged
from engine.store.sqlite.listing_rows import Span, payment_of
from engine.store.sqlite.multi_insert import Many
from engine.store.writes import FillSearch

__all__ = ["BUCKET", "SearchKeys", "create", "fill", "insert", "left", "ranks_of"]

BUCKET = 512
EVENTS = 2_048

_NEW = Many("INSERT OR IGNORE INTO sought VALUES", 3)
_FOUND = Many(
    f"INSERT OR IGNORE INTO sought SELECT coalesce(new.column1, rank / {BUCKET}),"  # noqa: S608
    " new.column2, rank FROM (VALUES",
    3,
    ") AS new CROSS JOIN payments WHERE payments.id = new.column3",
)


def create(sql: Any) -> None:
    """The tables, as m031 makes them."""
    sql.execute(
        "CREATE TABLE sought (bucket INTEGER NOT NULL, key INTEGER NOT NULL,"
        " rank INTEGER NOT NULL, PRIMARY KEY (bucket, key, rank)) WITHOUT ROWID"
    )
    sql.execute("CREATE TABLE search_left (below INTEGER NOT NULL)")
    sql.execute(
        "INSERT INTO search_left SELECT coalesce(max(rank), 0) + 1 FROM payments"
    )


class SearchKeys:
    """Those that a transaction brings, gathered and then written."""

    def __init__(self) -> None:
        self._new: list[object] = []  # bucket, key, rank
        self._found: list[object] = []  # bucket or None, key, payment id

    def created(
        self, terms: Terms, events: Sequence[Event], rank: int, offset: int
    ) -> None:
        """Of a payment that is new, with this rank; `offset`: of its last event."""
        bucket = rank // BUCKET
        for event in events:
            if (sum_sat := new_sum(event, terms)) is not None:
                self._new += (bucket, sum_key(terms.merchant, sum_sat), rank)
                self._new += (bucket, sum_key(None, sum_sat), rank)
            if (txid := new_txid(event, terms)) is not None:
                self._new += (_of_events(offset), txid_key(txid), rank)

    def moved(self, terms: Terms, events: Sequence[Event], offset: int) -> None:
        """Of one that is there."""
        for event in events:
            if (sum_sat := new_sum(event, terms)) is not None:
                self._found += (None, sum_key(terms.merchant, sum_sat), terms.id)
                self._found += (None, sum_key(None, sum_sat), terms.id)
            if (txid := new_txid(event, terms)) is not None:
                self._found += (_of_events(offset), txid_key(txid), terms.id)

    def write(self, sql: sqlite3.Connection) -> None:
        if self._new:
            _NEW.run(sql, self._new)
            self._new = []
        if self._found:
            _FOUND.run(sql, self._found)
            self._found = []


def _of_events(offset: int) -> int:
    return -1 - offset // EVENTS


def insert(sql: sqlite3.Connection, payment: Payment, rank: int) -> None:
    """All keys of a payment that is there, as far as its state tells them. Of events no
    offset is known: it is not below the rank, so that bucket is looked into, too."""
    values: list[object] = []
    for key in sum_keys(payment):
        values += (rank // BUCKET, key, rank)
    for key in txid_keys(payment):
        values += (_of_events(rank), key, rank)
    _NEW.run(sql, values)


def left(sql: sqlite3.Connection) -> int:
    """Below which rank payments have no keys yet; 1 or less: all have."""
    (below,) = sql.execute("SELECT below FROM search_left").fetchone()
    return int(below)


def fill(sql: sqlite3.Connection, row: FillSearch) -> int:
    """The next payments get their keys; how many payments these were."""
    below = left(sql)
    found = sql.execute(
        "SELECT rank, state, crc FROM payments WHERE rank < ? ORDER BY rank DESC"
        " LIMIT ?",
        (below, row.limit),
    ).fetchall()
    for rank, state, crc in found:
        try:
            payment = payment_of(state, crc)
        except (Damaged, msgspec.MsgspecError, ValueError, TypeError):
            continue  # `paybell replay --check` names it
        insert(sql, payment, rank)
        if payment.flags:
            bits = flag_bits(payment.flags)
            sql.execute("UPDATE payments SET flags = ? WHERE rank = ?", (bits, rank))
    sql.execute("UPDATE search_left SET below = ?", (found[-1][0] if found else 1,))
    return len(found)


# -- looking ---------------------------------------------------------------------------


def ranks_of(
    sql: sqlite3.Connection,
    wanted: Sought,
    merchant: str | None,
    of_order: Iterable[str],
    span: Span,
) -> list[int]:
    """Payments that the text may mean, `span.limit` of each meaning at most; `merchant`
    may be None: of all. `of_order`: whose payments may have the order number."""
    ranks = set(_of_id(sql, wanted.text, span))
    for name in of_order:
        where = "external_id = ? AND merchant = ?"
        ranks.update(span.ranks(sql, where, (wanted.text, name)))
    if wanted.sum_sat is not None:
        ranks.update(_of_sum(sql, sum_key(merchant, wanted.sum_sat), span))
    if wanted.txid is not None:
        ranks.update(_of_txid(sql, txid_key(wanted.txid), span))
    if wanted.address is not None:
        for watched in ("watched = 1", "watched = 0"):
            where = f"address = ? AND {watched}"
            ranks.update(span.ranks(sql, where, (wanted.address,)))
    return [*ranks]


def _of_id(sql: sqlite3.Connection, payment_id: str, span: Span) -> list[int]:
    query = "SELECT rank FROM payments WHERE id = ?"
    found = [rank for (rank,) in sql.execute(query, (payment_id,))]
    return [rank for rank in found if span.after < rank < span.before]


def _of_sum(sql: sqlite3.Connection, key: int, span: Span) -> list[int]:
    """Bucket by bucket in the order asked for, until there are enough."""
    ranks: list[int] = []
    for bucket in _buckets(sql, span):
        ranks += span.ranks(sql, "bucket = ? AND key = ?", (bucket, key), "sought")
        if len(ranks) >= span.limit:
            break
    return ranks[: span.limit]


def _of_txid(sql: sqlite3.Connection, key: int, span: Span) -> list[int]:
    """In whatever bucket: one transaction pays few."""
    (last,) = sql.execute('SELECT coalesce(max("offset"), 0) FROM events').fetchone()
    return [
        rank
        for bucket in range(_of_events(last), 0)
        for rank in span.ranks(sql, "bucket = ? AND key = ?", (bucket, key), "sought")
    ]


def _buckets(sql: sqlite3.Connection, span: Span) -> Iterable[int]:
    """Those in which ranks of the span may be, in its order."""
    (last,) = sql.execute("SELECT coalesce(max(rank), 0) FROM payments").fetchone()
    first, end = span.after // BUCKET, min(span.before, last) // BUCKET
    buckets = range(first, end + 1)
    return buckets if span.oldest_first else reversed(buckets)
