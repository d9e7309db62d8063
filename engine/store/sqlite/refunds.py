"""Refunds in SQLite: how a row is written, and what is asked of the table.

The limits are looked at in the journal's transaction, so no two hands can pass them
together.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, TypeVarTuple

import msgspec

from engine.payment.refund import COUNTS, LIVING, Refund, RefundState
from engine.store.records import DamagedRow
from engine.store.refund_port import REFUNDS_PER_PAGE
from engine.store.refund_writes import MoveRefund, OpenRefund
from engine.store.sqlite.checksum import Damaged, checked, row_crc

__all__ = ["RefundReads", "create", "create_listing", "move_refund", "open_refund"]

Asked = TypeVarTuple("Asked")
T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Refund)

_COUNTED = ", ".join(f"'{state}'" for state in sorted(COUNTS))
_ALIVE = ", ".join(f"'{state}'" for state in sorted(LIVING))
_LAST = "s"  # ids begin with ref_
_COLUMNS = "id, payment_id, merchant, state, amount_sat, due, outgoing_id, body, crc"


def create(sql: Any) -> None:
    """The table, as m027 makes it."""
    for statement in (
        """CREATE TABLE refunds (
            id TEXT PRIMARY KEY, payment_id TEXT NOT NULL, merchant TEXT NOT NULL,
            state TEXT NOT NULL, amount_sat INTEGER NOT NULL CHECK (amount_sat > 0),
            due INTEGER NOT NULL, outgoing_id TEXT NOT NULL, body BLOB NOT NULL,
            crc INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX refunds_of_payment ON refunds (payment_id, id)",
        "CREATE INDEX refunds_in_state ON refunds (state, id)",
        "CREATE INDEX refunds_due ON refunds (due) WHERE due > 0",
        "CREATE INDEX refunds_of_merchant ON refunds (merchant)"
        f" WHERE state IN ({_ALIVE})",
        "CREATE UNIQUE INDEX refunds_paid_by ON refunds (outgoing_id)"
        " WHERE outgoing_id <> ''",
    ):
        sql.execute(statement)


def create_listing(sql: Any) -> None:
    """A merchant's, in the order of their ids: the index that m032 makes."""
    sql.execute("CREATE INDEX refunds_listed ON refunds (merchant, id)")


def open_refund(sql: sqlite3.Connection, row: OpenRefund) -> int:
    """Raises `sqlite3.IntegrityError` for what is not to be."""
    refund = row.refund
    _must_be_at(sql, refund.payment_id, row.seq)
    count, taken = sql.execute(
        "SELECT count(*),"  # noqa: S608
        f" coalesce(sum(CASE WHEN state IN ({_COUNTED}) THEN amount_sat END), 0)"
        " FROM refunds WHERE payment_id = ?",
        (refund.payment_id,),
    ).fetchone()
    if taken + refund.amount_sat > row.most_sat:
        left = max(row.most_sat - taken, 0)
        raise _refused(
            f"{left} sat of this payment can be refunded, and {refund.amount_sat} were"
            " asked for"
        )
    if count >= row.most_of_payment:
        raise _refused(f"this payment has {count} refunds (refunds_per_payment)")
    (of_merchant,) = sql.execute(
        "SELECT count(*) FROM refunds"  # noqa: S608
        f" WHERE merchant = ? AND state IN ({_ALIVE})",
        (refund.merchant,),
    ).fetchone()
    if of_merchant >= row.most_of_merchant:
        raise _refused(
            f"{of_merchant} refunds of this merchant are open (refunds_open)"
        )
    places = ", ".join("?" * (_COLUMNS.count(",") + 1))
    return sql.execute(
        f"INSERT INTO refunds ({_COLUMNS}) VALUES ({places})",  # noqa: S608
        _values(refund),
    ).rowcount


def move_refund(sql: sqlite3.Connection, row: MoveRefund) -> int:
    """Raises `sqlite3.IntegrityError` if it is in that state no more."""
    if row.seq is not None:
        _must_be_at(sql, row.refund.payment_id, row.seq)
    stored = _one(sql, f"{_SELECT} WHERE id = ?", row.refund.id)
    if stored is not None and (overlooked := row.overlooks(stored)):
        raise _refused(overlooked)
    *values, crc = _values(row.refund)[1:]
    changed = sql.execute(
        "UPDATE refunds SET payment_id = ?, merchant = ?, state = ?, amount_sat = ?,"
        " due = ?, outgoing_id = ?, body = ?, crc = ? WHERE id = ? AND state = ?",
        (*values, crc, row.refund.id, row.before.value),
    ).rowcount
    if changed != 1:
        raise _refused(f"this refund is not {row.before} any more")
    return changed


def _must_be_at(sql: sqlite3.Connection, payment_id: str, seq: int) -> None:
    found = sql.execute("SELECT seq FROM payments WHERE id = ?", (payment_id,))
    if found.fetchone() != (seq,):
        raise sqlite3.IntegrityError("events.payment_id: the payment has moved on")


def _refused(sentence: str) -> sqlite3.IntegrityError:
    return sqlite3.IntegrityError(f"refunds.state: {sentence}")


def _values(refund: Refund) -> tuple[object, ...]:
    values = (
        refund.id,
        refund.payment_id,
        refund.merchant,
        refund.state.value,
        refund.amount_sat,
        refund.expires_at if refund.state is RefundState.OPEN else 0,
        refund.outgoing_id,
        _encode(refund),
    )
    return (*values, row_crc(values))


_SELECT = f"SELECT {_COLUMNS} FROM refunds"  # noqa: S608


def _refunds(rows: Iterable[Any]) -> list[Refund]:
    return [_refund(row) for row in rows]


def _refund(row: Any) -> Refund:
    *_, body = checked(f"refund {row[0]}", row)
    return _decoder.decode(body)


def _or_name(row: Any) -> Refund | DamagedRow:
    try:
        return _refund(row)
    except (Damaged, msgspec.MsgspecError):
        return DamagedRow(row[0])


def _one(sql: sqlite3.Connection, query: str, *values: object) -> Refund | None:
    found = _refunds(sql.execute(query, values).fetchall())
    return found[0] if found else None


def _many(sql: sqlite3.Connection, query: str, *values: object) -> list[Refund]:
    return _refunds(sql.execute(query, values).fetchall())


def _page(
    sql: sqlite3.Connection, query: str, *values: object
) -> list[Refund | DamagedRow]:
    return [_or_name(row) for row in sql.execute(query, values).fetchall()]


class RefundReads(ABC):
    """Implements `engine.store.refund_port.RefundReader`."""

    @abstractmethod
    def _ask(
        self, query: Callable[[sqlite3.Connection, *Asked], T], *args: *Asked
    ) -> T: ...

    def refund(self, refund_id: str) -> Refund | None:
        return self._ask(_one, f"{_SELECT} WHERE id = ?", refund_id)

    def refunds_of(
        self, payment_id: str, limit: int = REFUNDS_PER_PAGE
    ) -> list[Refund]:
        query = f"{_SELECT} WHERE payment_id = ? ORDER BY id LIMIT ?"
        return self._ask(_many, query, payment_id, limit)

    def refunds_page(
        self, merchant: str | None, before_id: str | None, limit: int
    ) -> list[Refund]:
        below = _LAST if before_id is None else before_id
        if merchant is None:
            query = f"{_SELECT} WHERE id < ? ORDER BY id DESC LIMIT ?"
            return self._ask(_many, query, below, limit)
        query = f"{_SELECT} WHERE merchant = ? AND id < ? ORDER BY id DESC LIMIT ?"
        return self._ask(_many, query, merchant, below, limit)

    def refunds_in(
        self, state: RefundState, after_id: str = "", limit: int = REFUNDS_PER_PAGE
    ) -> list[Refund | DamagedRow]:
        assert state in LIVING, state
        query = f"{_SELECT} WHERE state = ? AND id > ? ORDER BY id LIMIT ?"
        return self._ask(_page, query, state.value, after_id, limit)

    def refunds_due(
        self, before: int, limit: int = REFUNDS_PER_PAGE
    ) -> list[Refund | DamagedRow]:
        query = f"{_SELECT} WHERE due > 0 AND due <= ? ORDER BY due LIMIT ?"
        return self._ask(_page, query, before, limit)
