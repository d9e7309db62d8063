"""How each kind of row is written. Called by the journal inside its transaction.

Every function returns how many rows it changed. A unique key that stands in the way
raises `sqlite3.IntegrityError`, which undoes the one write it is part of.
"""

import sqlite3

from engine.store.writes import (
    ChannelRow,
    DeliveryResult,
    ForgetIdempotency,
    IdempotencyRow,
    InboundRow,
    KeyRow,
    Release,
    RemoveChannel,
    Requeue,
    RevokeKey,
    Row,
    SourceTip,
)

__all__ = ["write_row"]

Values = tuple[object, ...]


def write_row(sql: sqlite3.Connection, row: Row) -> int:
    """Write one row beside the events of its `Write`."""
    statement: str
    values: Values
    match row:
        case DeliveryResult():
            return _delivery(sql, row)
        case IdempotencyRow():
            statement, values = _idempotency(row)
        case ForgetIdempotency():
            statement = "DELETE FROM idempotency WHERE at < ?"
            values = (row.before,)
        case InboundRow():
            statement = (
                "INSERT INTO inbound (provider, dedupe, at, payment_id, verdict, body)"
                " VALUES (?, ?, ?, ?, ?, ?)"
            )
            values = _fields(row)
        case Release():
            statement = "UPDATE payments SET watched = 0 WHERE id = ?"
            values = (row.payment_id,)
        case SourceTip():
            statement = (
                "INSERT INTO source_tips VALUES (?, ?, ?) ON CONFLICT (source)"
                " DO UPDATE SET height = excluded.height, hash = excluded.hash"
            )
            values = _fields(row)
        case KeyRow():
            statement = "INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, NULL)"
            values = _fields(row)
        case RevokeKey():
            statement = (
                "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
            )
            values = (row.at, row.id)
        case ChannelRow():
            statement, values = _channel(row)
        case RemoveChannel():
            sql.execute("DELETE FROM outbox WHERE channel_id = ?", (row.id,))
            statement = "DELETE FROM channels WHERE id = ?"
            values = (row.id,)
        case Requeue():
            statement, values = _requeue(row)
    return sql.execute(statement, values).rowcount


def _fields(row: Row) -> Values:
    return tuple(getattr(row, name) for name in row.__struct_fields__)


def _idempotency(row: IdempotencyRow) -> tuple[str, Values]:
    return "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?)", _fields(row)


def _channel(row: ChannelRow) -> tuple[str, Values]:
    types = f",{','.join(row.types)}," if row.types else ""
    return (
        """INSERT INTO channels VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id)
           DO UPDATE SET enabled = excluded.enabled, types = excluded.types,
                         state = excluded.state""",
        (row.id, row.merchant, int(row.enabled), types, row.created_at, row.state),
    )


def _delivery(sql: sqlite3.Connection, row: DeliveryResult) -> int:
    sql.execute(
        """INSERT INTO attempts (channel_id, "offset", payment_id, seq, attempt, at,
             latency_ms, status, outcome, error)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            row.channel_id,
            row.offset,
            row.payment_id,
            row.seq,
            row.attempt,
            row.at,
            row.latency_ms,
            row.status,
            row.outcome,
            row.error,
        ),
    )
    return sql.execute(
        """UPDATE outbox SET state = ?, attempts = ?, next_at = ?
           WHERE channel_id = ? AND payment_id = ? AND "offset" = ?""",
        (
            row.state,
            row.attempt,
            row.next_at,
            row.channel_id,
            row.payment_id,
            row.offset,
        ),
    ).rowcount


def _requeue(row: Requeue) -> tuple[str, Values]:
    """Deliver again. Rows that are pending already only get their wait cut short."""
    conditions: list[str] = ["channel_id IN (SELECT id FROM channels WHERE enabled)"]
    values: list[object] = [row.at]
    for condition, value in (
        ("channel_id IN (SELECT id FROM channels WHERE merchant = ?)", row.merchant),
        ("channel_id = ?", row.channel_id),
        ("payment_id = ?", row.payment_id),
        ('"offset" = ?', row.offset),
        ('"offset" IN (SELECT "offset" FROM events WHERE at >= ?)', row.since),
        ('"offset" IN (SELECT "offset" FROM events WHERE at < ?)', row.until),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if row.dead_only:
        conditions.append("state = 'dead'")
    where = " AND ".join(conditions)  # constants only; values are bound
    return (
        f"UPDATE outbox SET state = 'pending', attempts = 0, next_at = ? WHERE {where}",  # noqa: S608
        tuple(values),
    )
