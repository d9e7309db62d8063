"""The past in numbers, as it is kept: a row for each step of a series.

Neither is money: what is lost here is a gap in a chart. It is kept as if it were, by
the position in the transaction of what is added.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar, TypeVarTuple

import msgspec

from engine.payment.history import Fact, Sum
from engine.payment.model import EventType
from engine.store.history_writes import AddHistory, ForgetHistory
from engine.store.sqlite.listing_rows import one_moment

Asked = TypeVarTuple("Asked")
T = TypeVar("T")

__all__ = ["HistoryReads", "add", "create", "forget"]


def create(sql: sqlite3.Connection) -> None:
    """The tables, as m033 makes them."""
    sql.execute(
        """CREATE TABLE history (
            step INTEGER NOT NULL, merchant TEXT NOT NULL, series TEXT NOT NULL,
            at INTEGER NOT NULL, n INTEGER NOT NULL, total INTEGER NOT NULL,
            most INTEGER NOT NULL, bins TEXT NOT NULL,
            PRIMARY KEY (step, merchant, series, at)
        ) WITHOUT ROWID"""
    )
    sql.execute("CREATE INDEX history_by_age ON history (step, at)")
    sql.execute(
        "CREATE TABLE history_position (id INTEGER PRIMARY KEY CHECK (id = 1),"
        ' "offset" INTEGER NOT NULL)'
    )
    sql.execute("INSERT INTO history_position VALUES (1, 0)")


class HistoryReads(ABC):
    """Implements `engine.store.history_port.HistoryReader`."""

    @abstractmethod
    def _ask(
        self, query: Callable[[sqlite3.Connection, *Asked], T], *args: *Asked
    ) -> T: ...

    def history_position(self) -> int:
        return self._ask(_position)

    def history_facts(self, after: int, limit: int) -> list[Fact]:
        return self._ask(_facts, after, limit)

    def history_sums(
        self, step_s: int, merchant: str, series: Sequence[str], since: int, until: int
    ) -> list[Sum]:
        return self._ask(_sums, step_s, merchant, series, since, until)


# -- writing ---------------------------------------------------------------------------


_ADD = (
    "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (step, merchant, series, at) DO UPDATE SET n = n + excluded.n,"
    " total = total + excluded.total, most = max(most, excluded.most),"
    " bins = excluded.bins"
)


def add(sql: sqlite3.Connection, row: AddHistory) -> int:
    """How many rows that changed; 0: the position is another."""
    if row.through is not None:
        moved = sql.execute(
            'UPDATE history_position SET "offset" = ? WHERE id = 1 AND "offset" = ?',
            (row.through, row.after),
        ).rowcount
        if not moved:
            return 0
    rows = [(*s.key, s.n, s.total, s.most, _bins(sql, s)) for s in row.sums]
    sql.executemany(_ADD, rows)
    return 1 + len(row.sums)


def _bins(sql: sqlite3.Connection, more: Sum) -> str:
    """With those that are there."""
    if not more.bins:
        return "{}"
    found = sql.execute(
        "SELECT bins FROM history WHERE step = ? AND merchant = ? AND series = ?"
        " AND at = ?",
        more.key,
    ).fetchone()
    bins = {} if found is None else _read(found[0])
    for number, count in more.bins.items():
        bins[number] = bins.get(number, 0) + count
    return msgspec.json.encode(bins).decode()


def _read(text: str) -> dict[int, int]:
    return msgspec.json.decode(text, type=dict[int, int], strict=False)


def forget(sql: sqlite3.Connection, row: ForgetHistory) -> int:
    return sql.execute(
        "DELETE FROM history WHERE (step, merchant, series, at) IN"
        " (SELECT step, merchant, series, at FROM history INDEXED BY history_by_age"
        " WHERE step = ? AND at < ? LIMIT ?)",
        (row.step_s, row.before, row.limit),
    ).rowcount


# -- reading ---------------------------------------------------------------------------


def _position(sql: sqlite3.Connection) -> int:
    row = sql.execute('SELECT "offset" FROM history_position WHERE id = 1')
    return int(row.fetchone()[0])


def _sums(
    sql: sqlite3.Connection,
    step_s: int,
    merchant: str,
    series: Sequence[str],
    since: int,
    until: int,
) -> list[Sum]:
    found = []
    for name in series:
        rows = sql.execute(
            "SELECT at, n, total, most, bins FROM history WHERE step = ?"
            " AND merchant = ? AND series = ? AND at >= ? AND at < ? ORDER BY at",
            (step_s, merchant, name, since, until),
        )
        found += [
            Sum(
                step_s=step_s,
                merchant=merchant,
                series=name,
                at=at,
                n=n,
                total=total,
                most=most,
                bins=_read(bins),
            )
            for at, n, total, most, bins in rows
        ]
    return found


class _Data(msgspec.Struct):
    booked_sat: int = 0


class _Body(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


_body = msgspec.json.Decoder(_Body)

_DETECTED, _CONFIRMED = EventType.DETECTED.value, EventType.CONFIRMED.value


def _facts(sql: sqlite3.Connection, after: int, limit: int) -> list[Fact]:
    """See `StoreReader.history_facts`."""
    with one_moment(sql):
        rows = sql.execute(
            'SELECT "offset", payment_id, seq, type, at, merchant, body FROM events'
            ' WHERE "offset" > ? ORDER BY "offset" LIMIT ?',
            (after, limit),
        ).fetchall()
        return [
            Fact(
                offset=offset,
                type=kind,
                at=at,
                merchant=merchant,
                waited_ms=_waited(sql, payment_id, seq, kind, at),
                booked_sat=_booked(body),
            )
            for offset, payment_id, seq, kind, at, merchant, body in rows
        ]


def _booked(body: bytes) -> int:
    try:
        return _body.decode(body).data.booked_sat
    except msgspec.MsgspecError:
        return 0  # damaged: the doctor says so, and a chart goes on


def _waited(
    sql: sqlite3.Connection, payment_id: str, seq: int, kind: str, at: int
) -> int | None:
    """Since what came before it, of the first of its kind."""
    if kind not in (_DETECTED, _CONFIRMED):
        return None
    earlier = sql.execute(
        "SELECT 1 FROM events WHERE payment_id = ? AND seq < ? AND type = ? LIMIT 1",
        (payment_id, seq, kind),
    ).fetchone()
    if earlier is not None:
        return None
    if kind == _DETECTED:
        found = sql.execute(
            "SELECT created_at FROM payments WHERE id = ?", (payment_id,)
        ).fetchone()
    else:
        found = sql.execute(
            "SELECT at FROM events WHERE payment_id = ? AND seq < ? AND type = ?"
            " ORDER BY seq LIMIT 1",
            (payment_id, seq, _DETECTED),
        ).fetchone()
    return None if found is None else at - int(found[0])
