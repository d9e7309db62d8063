"""Money on its way out in SQLite: how rows are written, and what is asked of them.

That a coin is in one living transaction is a unique index over those that live: no two
hands can pass it together.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

import msgspec

from engine.store.outgoing_port import Paused, Queued
from engine.store.outgoing_writes import (
    MoveOutgoing,
    NewOutgoing,
    PauseForwarding,
    QueueForward,
    Unqueue,
)
from engine.store.records import DamagedRow
from engine.store.sqlite.checksum import Damaged, checked, row_crc
from engine.store.sqlite.listing_rows import payment_of
from engine.wallet.outgoing import Outgoing, OutgoingState, moved

__all__ = [
    "OutgoingReads",
    "create",
    "create_txids",
    "move_outgoing",
    "new_outgoing",
    "pause",
    "queue",
    "queue_event",
    "unqueue",
]

Asked = TypeVarTuple("Asked")
T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Outgoing)

_COLUMNS = "id, body, crc"


def create(sql: Any) -> None:
    """The tables, as m026 makes them. `living` and `is_open` are NULL where not, so
    that indexes hold what lives."""
    for statement in (
        """CREATE TABLE outgoing (
            id TEXT PRIMARY KEY, kind TEXT NOT NULL, merchant TEXT NOT NULL,
            state TEXT NOT NULL, family TEXT NOT NULL, at INTEGER NOT NULL,
            sent_sat INTEGER NOT NULL CHECK (sent_sat > 0), living INTEGER,
            is_open INTEGER, body BLOB NOT NULL, crc INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX outgoing_open ON outgoing (id) WHERE is_open = 1",
        "CREATE INDEX outgoing_family ON outgoing (family, id)",
        "CREATE INDEX outgoing_of_merchant ON outgoing (merchant, id)",
        "CREATE INDEX outgoing_sent ON outgoing (merchant, at) WHERE living = 1"
        " AND kind = 'sweep'",
        """CREATE TABLE outgoing_inputs (
            outgoing_id TEXT NOT NULL, txid TEXT NOT NULL, vout INTEGER NOT NULL,
            payment_id TEXT NOT NULL, amount_sat INTEGER NOT NULL, living INTEGER,
            PRIMARY KEY (outgoing_id, txid, vout)
        ) WITHOUT ROWID""",
        "CREATE UNIQUE INDEX outgoing_coin ON outgoing_inputs (txid, vout)"
        " WHERE living = 1",
        "CREATE INDEX outgoing_of_payment ON outgoing_inputs (payment_id, outgoing_id)",
        """CREATE TABLE forward_queue (
            payment_id TEXT PRIMARY KEY, merchant TEXT NOT NULL, seq INTEGER NOT NULL,
            at INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX forward_due ON forward_queue (at, merchant)",
        "CREATE INDEX forward_of_merchant ON forward_queue (merchant, at, payment_id)",
        """CREATE TABLE forward_pause (
            name TEXT PRIMARY KEY, at INTEGER NOT NULL, by TEXT NOT NULL
        ) WITHOUT ROWID""",
    ):
        sql.execute(statement)


def create_txids(sql: sqlite3.Connection) -> None:
    """Which of them has which id on the chain: what m035 adds, of those too that there
    are. A damaged one is left to whoever reads it."""
    sql.execute(
        "CREATE TABLE outgoing_txids (txid TEXT PRIMARY KEY, outgoing_id TEXT NOT NULL)"
        " WITHOUT ROWID"
    )
    for row in sql.execute(f"SELECT {_COLUMNS} FROM outgoing"):  # noqa: S608
        with suppress(Damaged, msgspec.MsgspecError):
            _note_txid(sql, _outgoing(row))


def _note_txid(sql: sqlite3.Connection, outgoing: Outgoing) -> None:
    sql.execute(
        "INSERT INTO outgoing_txids VALUES (?, ?) ON CONFLICT DO NOTHING",
        (outgoing.txid, outgoing.id),
    )


# -- writing ---------------------------------------------------------------------------


def new_outgoing(sql: sqlite3.Connection, row: NewOutgoing) -> int:
    """Raises `sqlite3.IntegrityError` for what is not to be."""
    outgoing = row.outgoing
    assert outgoing.state is OutgoingState.PREPARED, outgoing
    if outgoing.replaces:
        old = _read(sql, outgoing.replaces)
        if old is None or not old.is_living or old.state is OutgoingState.CONFIRMED:
            raise sqlite3.IntegrityError("outgoing: what it replaces is not under way")
        reason = f"bumped by {outgoing.id}"
        gone = moved(old, OutgoingState.REPLACED, outgoing.at, reason=reason)
        _put(sql, gone, old.state)
    values = _values(outgoing)
    places = ", ".join("?" * len(values))
    sql.execute(f"INSERT INTO outgoing VALUES ({places})", values)  # noqa: S608
    sql.executemany(
        "INSERT INTO outgoing_inputs VALUES (?, ?, ?, ?, ?, 1)",
        [
            (outgoing.id, coin.txid, coin.vout, coin.payment_id, coin.amount_sat)
            for coin in outgoing.plan.coins
        ],
    )
    _note_txid(sql, outgoing)
    return 1


def move_outgoing(sql: sqlite3.Connection, row: MoveOutgoing) -> int:
    """Raises `sqlite3.IntegrityError`: it is in another state, or a coin is taken."""
    _put(sql, row.outgoing, row.before)
    return 1


def _put(sql: sqlite3.Connection, after: Outgoing, before: OutgoingState) -> None:
    name, _, _, state, _, _, _, living, is_open, body, crc = _values(after)
    changed = sql.execute(
        "UPDATE outgoing SET state = ?, living = ?, is_open = ?, body = ?, crc = ?"
        " WHERE id = ? AND state = ?",
        (state, living, is_open, body, crc, name, before.value),
    ).rowcount
    if changed != 1:
        raise sqlite3.IntegrityError(f"outgoing: {after.id} is not {before} any more")
    sql.execute(
        "UPDATE outgoing_inputs SET living = ? WHERE outgoing_id = ?", (living, name)
    )


def _values(outgoing: Outgoing) -> tuple[Any, ...]:
    body = _encode(outgoing)
    return (
        outgoing.id,
        outgoing.kind.value,
        outgoing.merchant,
        outgoing.state.value,
        outgoing.family,
        outgoing.at,
        outgoing.sent_sat,
        1 if outgoing.is_living else None,
        1 if outgoing.is_open else None,
        body,
        row_crc((outgoing.id, body)),
    )


_QUEUE = (
    "INSERT INTO forward_queue VALUES (?, ?, ?, ?) ON CONFLICT (payment_id) DO UPDATE"
    " SET seq = max(seq, excluded.seq), at = excluded.at"
)


def queue(sql: sqlite3.Connection, row: QueueForward) -> int:
    values = row.payment_id, row.merchant, row.seq, row.at
    return sql.execute(_QUEUE, values).rowcount


def queue_event(sql: sqlite3.Connection, rows: Iterable[tuple[str, str, int]]) -> None:
    """Events that the forwarder must hear of, in the transaction that writes them:
    (payment, merchant, seq)."""
    sql.executemany(_QUEUE, [(*row, 0) for row in rows])


def unqueue(sql: sqlite3.Connection, row: Unqueue) -> int:
    return sql.execute(
        "DELETE FROM forward_queue WHERE payment_id = ? AND seq <= ?",
        (row.payment_id, row.seq),
    ).rowcount


def pause(sql: sqlite3.Connection, row: PauseForwarding) -> int:
    if not row.at:
        return sql.execute("DELETE FROM forward_pause WHERE name = ''").rowcount
    return sql.execute(
        "INSERT INTO forward_pause VALUES ('', ?, ?) ON CONFLICT (name) DO NOTHING",
        (row.at, row.by),
    ).rowcount


# -- reading ---------------------------------------------------------------------------


class OutgoingReads(ABC):
    """Implements `OutgoingReader`; part of `SqliteReads`."""

    @abstractmethod
    def _ask(
        self, query: Callable[[sqlite3.Connection, *Asked], T], *args: *Asked
    ) -> T: ...

    def outgoing(self, outgoing_id: str) -> Outgoing | None:
        return self._ask(_read, outgoing_id)

    def outgoing_open(
        self, after: str = "", limit: int = 100
    ) -> list[Outgoing | DamagedRow]:
        return self._ask(_open, after, limit)

    def outgoing_family(self, family: str) -> list[Outgoing]:
        return self._ask(_found, "family = ? ORDER BY id", family)

    def outgoing_of_txid(self, txid: str) -> Outgoing | None:
        text = "id = (SELECT outgoing_id FROM outgoing_txids WHERE txid = ?)"
        return next(iter(self._ask(_found, text, txid)), None)

    def outgoing_of_payment(self, payment_id: str) -> list[Outgoing]:
        text = (
            "id IN (SELECT DISTINCT outgoing_id FROM outgoing_inputs"
            " WHERE payment_id = ?) ORDER BY id"
        )
        return self._ask(_found, text, payment_id)

    def outgoing_of_merchant(
        self, merchant: str, before: str = "", limit: int = 50
    ) -> list[Outgoing]:
        text = "merchant = ? AND id < ? ORDER BY id DESC LIMIT ?"
        return self._ask(_found, text, merchant, before or "~", limit)

    def sent_since(self, merchant: str, at: int) -> int:
        return self._ask(_sent_since, merchant, at)

    def forward_due(self, at: int, within: int, limit: int = 100) -> list[str]:
        return self._ask(_due, at, within, limit)

    def forward_queue(
        self, merchant: str, limit: int = 1_000
    ) -> list[Queued | DamagedRow]:
        return self._ask(_queued, merchant, limit)

    def forward_paused(self) -> Paused | None:
        return self._ask(_paused)


def _read(sql: sqlite3.Connection, outgoing_id: str) -> Outgoing | None:
    found = _found(sql, "id = ?", outgoing_id)
    return found[0] if found else None


def _found(sql: sqlite3.Connection, where: str, *values: Any) -> list[Outgoing]:
    return [_outgoing(row) for row in _rows(sql, where, *values)]


def _open(
    sql: sqlite3.Connection, after: str, limit: int
) -> list[Outgoing | DamagedRow]:
    found = _rows(sql, "is_open = 1 AND id > ? ORDER BY id LIMIT ?", after, limit)
    return [_or_name(row[0], _outgoing, row) for row in found]


def _rows(sql: sqlite3.Connection, where: str, *values: Any) -> Iterable[Any]:
    return sql.execute(
        f"SELECT {_COLUMNS} FROM outgoing WHERE {where}",  # noqa: S608 - constants
        values,
    )


def _or_name(name: str, read: Callable[[Any], T], row: Any) -> T | DamagedRow:
    try:
        return read(row)
    except (Damaged, msgspec.MsgspecError):
        return DamagedRow(name)


def _outgoing(row: tuple[Any, ...]) -> Outgoing:
    """A damaged one must not be believed: it says what was signed and sent."""
    return _decoder.decode(checked(f"the outgoing transaction {row[0]}", row)[1])


def _sent_since(sql: sqlite3.Connection, merchant: str, at: int) -> int:
    (total,) = sql.execute(
        "SELECT coalesce(sum(sent_sat), 0) FROM outgoing WHERE living = 1"
        " AND kind = 'sweep' AND merchant = ? AND at >= ?",
        (merchant, at),
    ).fetchone()
    return int(total)


def _due(sql: sqlite3.Connection, at: int, within: int, limit: int) -> list[str]:
    rows: list[tuple[str]] = []
    for where, bound in (("at <= ?", at), ("at > ?", at + within)):
        rows += sql.execute(
            f"SELECT merchant FROM forward_queue WHERE {where} ORDER BY at LIMIT ?",  # noqa: S608
            (bound, limit),
        )
    return list(dict.fromkeys(name for (name,) in rows))[:limit]


def _queued(
    sql: sqlite3.Connection, merchant: str, limit: int
) -> list[Queued | DamagedRow]:
    rows = sql.execute(
        "SELECT q.payment_id, q.seq, p.state, p.crc FROM forward_queue q"
        " CROSS JOIN payments p ON p.id = q.payment_id WHERE q.merchant = ?"
        " ORDER BY q.at, q.payment_id LIMIT ?",
        (merchant, limit),
    )
    return [_or_name(row[0], _queued_one, row) for row in rows]


def _queued_one(row: Any) -> Queued:
    _, seq, state, crc = row
    return Queued(payment_of(state, crc), seq)


def _paused(sql: sqlite3.Connection) -> Paused | None:
    row = sql.execute("SELECT at, by FROM forward_pause WHERE name = ''").fetchone()
    return None if row is None else Paused(*row)
