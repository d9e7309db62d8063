"""Forwards of tills in SQLite: how rows are written, and what is asked of them.

That a payment has one forward, and an invoice one that pays it, are unique keys; that
one hand takes a step of it, an update of the step before only.
"""

import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, TypeVarTuple

import msgspec

from engine.lightning.till import NEVER, TillForward, TillState
from engine.store.outgoing_port import Queued
from engine.store.sqlite.checksum import Damaged, checked, row_crc
from engine.store.sqlite.listing_rows import payment_of
from engine.store.till_writes import MoveTill, NewTill, UnqueueTill

__all__ = [
    "TillReads",
    "create",
    "move_till",
    "new_till",
    "pause_restored",
    "queue_event",
    "unqueue",
]

Asked = TypeVarTuple("Asked")
T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(TillForward)

_TROUBLED = {TillState.WAITING, TillState.STUCK}


def create(sql: Any) -> None:
    """The tables, as m029 makes them. `is_open` and `troubled` are NULL where not, so
    that indexes hold what is looked after."""
    for statement in (
        """CREATE TABLE till_forwards (
            id TEXT PRIMARY KEY, payment_id TEXT NOT NULL UNIQUE,
            merchant TEXT NOT NULL, source TEXT NOT NULL, state TEXT NOT NULL,
            step INTEGER NOT NULL, payment_hash TEXT UNIQUE, is_open INTEGER,
            troubled INTEGER, next_at INTEGER NOT NULL, body BLOB NOT NULL,
            crc INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX till_open ON till_forwards (source, next_at, id)"
        " WHERE is_open = 1",
        "CREATE INDEX till_troubled ON till_forwards (source, id) WHERE troubled = 1",
        "CREATE INDEX till_of_merchant ON till_forwards (merchant, id)",
        """CREATE TABLE till_queue (
            payment_id TEXT PRIMARY KEY, source TEXT NOT NULL, seq INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX till_queue_of ON till_queue (source, payment_id)",
    ):
        sql.execute(statement)


# -- writing ---------------------------------------------------------------------------


def new_till(sql: sqlite3.Connection, row: NewTill) -> int:
    """Raises `sqlite3.IntegrityError`: the payment has one already."""
    values = _values(row.forward)
    places = ", ".join("?" * len(values))
    sql.execute(f"INSERT INTO till_forwards VALUES ({places})", values)  # noqa: S608
    return 1


def move_till(sql: sqlite3.Connection, row: MoveTill) -> int:
    """Raises `sqlite3.IntegrityError`: it was moved meanwhile, or another one has its
    invoice."""
    name, _, _, _, *changing = _values(row.forward)
    found = sql.execute(
        "UPDATE till_forwards SET state = ?, step = ?, payment_hash = ?, is_open = ?,"
        " troubled = ?, next_at = ?, body = ?, crc = ? WHERE id = ? AND step = ?",
        (*changing, name, row.before),
    ).rowcount
    if found != 1:
        raise sqlite3.IntegrityError(f"till_forwards: {name} was moved meanwhile")
    return 1


def pause_restored(sql: sqlite3.Connection) -> None:
    """A copy knows nothing of what was passed on after it was made, and no node can be
    asked about invoices that are not in it: a person looks first. Where no payment has
    an invoice, nothing is paused."""
    with sql:
        sql.execute(
            "INSERT INTO forward_pause SELECT '', ?, 'restore'"
            " WHERE EXISTS (SELECT 1 FROM invoices) ON CONFLICT (name) DO NOTHING",
            (int(time.time() * 1_000),),
        )


def _values(forward: TillForward) -> tuple[Any, ...]:
    body = _encode(forward)
    is_troubled = forward.state in _TROUBLED or forward.delays > 0
    return (
        forward.id,
        forward.payment_id,
        forward.merchant,
        forward.source,
        forward.state.value,
        forward.step,
        forward.payment_hash or None,
        1 if forward.is_open else None,
        1 if forward.is_open and is_troubled else None,
        forward.next_at,
        body,
        row_crc((forward.id, body)),
    )


def queue_event(sql: sqlite3.Connection, rows: Iterable[tuple[str, str, int]]) -> None:
    """Events that a till must hear of, in the transaction that writes them: (payment,
    source, seq)."""
    sql.executemany(
        "INSERT INTO till_queue VALUES (?, ?, ?) ON CONFLICT (payment_id) DO UPDATE"
        " SET seq = max(seq, excluded.seq)",
        rows,
    )


def unqueue(sql: sqlite3.Connection, row: UnqueueTill) -> int:
    return sql.execute(
        "DELETE FROM till_queue WHERE payment_id = ? AND seq <= ?",
        (row.payment_id, row.seq),
    ).rowcount


# -- reading ---------------------------------------------------------------------------


class TillReads(ABC):
    """Implements `TillReader`; part of `SqliteReads`."""

    @abstractmethod
    def _ask(
        self, query: Callable[[sqlite3.Connection, *Asked], T], *args: *Asked
    ) -> T: ...

    def till_forward(self, forward_id: str) -> TillForward | None:
        found = self._ask(_found, "id = ?", forward_id)
        return found[0] if found else None

    def till_forward_of(self, payment_id: str) -> TillForward | None:
        found = self._ask(_found, "payment_id = ?", payment_id)
        return found[0] if found else None

    def till_due(
        self, source: str, at: int, within: int, limit: int = 100
    ) -> list[TillForward]:
        return self._ask(_due, source, at, at + within, limit)

    def till_troubled(self, source: str, limit: int = 100) -> list[TillForward]:
        return self._ask(_troubled, source, limit)

    def till_sources(self) -> list[str]:
        return self._ask(_sources)

    def till_forwards_of_merchant(
        self, merchant: str, before: str = "", limit: int = 50
    ) -> list[TillForward]:
        text = "merchant = ? AND id < ? ORDER BY id DESC LIMIT ?"
        return self._ask(_found, text, merchant, before or "~", limit)

    def till_queue(self, source: str, limit: int = 100) -> list[Queued]:
        return self._ask(_queued, source, limit)


def _found(sql: sqlite3.Connection, where: str, *values: Any) -> list[TillForward]:
    rows = sql.execute(
        f"SELECT id, body, crc FROM till_forwards WHERE {where}",  # noqa: S608
        values,
    )
    return [_forward(row) for row in rows]


def _due(
    sql: sqlite3.Connection, source: str, at: int, beyond: int, limit: int
) -> list[TillForward]:
    """Two ranges of one index: with OR it would be walked through."""
    rows: list[Any] = []
    for first, last in ((0, at), (max(at, beyond) + 1, NEVER - 1)):
        rows += sql.execute(
            "SELECT id, body, crc FROM till_forwards"
            " WHERE is_open = 1 AND source = ? AND next_at BETWEEN ? AND ?"
            " ORDER BY next_at, id LIMIT ?",
            (source, first, last, limit - len(rows)),
        )
    return _sound(_forward, rows)


def _troubled(sql: sqlite3.Connection, source: str, limit: int) -> list[TillForward]:
    rows = sql.execute(
        "SELECT id, body, crc FROM till_forwards"
        " WHERE troubled = 1 AND source = ? ORDER BY id LIMIT ?",
        (source, limit),
    )
    return _sound(_forward, rows)


def _sound(read: Callable[[Any], T], rows: Iterable[Any]) -> list[T]:
    """What is as it was written: one damaged row costs the others nothing. Raises what
    `read` does where there is nothing else, so that it is told."""
    found: list[T] = []
    damaged: Exception | None = None
    for row in rows:
        try:
            found.append(read(row))
        except (Damaged, msgspec.MsgspecError) as error:
            damaged = error
    if damaged is not None and not found:
        raise damaged
    return found


def _forward(row: tuple[Any, ...]) -> TillForward:
    """A damaged one must not be believed: it says what was paid."""
    return _decoder.decode(checked(f"the forward {row[0]}", row)[1])


def _queued(sql: sqlite3.Connection, source: str, limit: int) -> list[Queued]:
    rows = sql.execute(
        "SELECT q.seq, p.state, p.crc FROM till_queue q CROSS JOIN payments p"
        " ON p.id = q.payment_id WHERE q.source = ? ORDER BY q.payment_id LIMIT ?",
        (source, limit),
    )
    return _sound(lambda row: Queued(payment_of(row[1], row[2]), row[0]), rows)


def _sources(sql: sqlite3.Connection) -> list[str]:
    """One step of an index for each source: there are as many as accounts."""
    found: set[str] = set()
    for statement in (
        "SELECT min(source) FROM till_forwards WHERE is_open = 1 AND source > ?",
        "SELECT min(source) FROM till_queue WHERE source > ?",
    ):
        last: str | None = ""
        while last is not None:
            (last,) = sql.execute(statement, (last,)).fetchone()
            if last is not None:
                found.add(last)
    return sorted(found)
