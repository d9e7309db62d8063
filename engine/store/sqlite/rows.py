"""How each kind of row is written. Called by the journal inside its transaction.

Of the kinds that come in crowds (answers to idempotent requests, webhooks that were
heard, payers' and drawn addresses, deliveries) many are written by one statement. A
unique key that stands in the way raises `sqlite3.IntegrityError`, which undoes the one
write it is part of.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from engine.store.history_writes import AddHistory, ForgetHistory
from engine.store.sqlite import (
    alerts,
    history,
    invoices,
    ledger,
    outgoing,
    pruning,
    refunds,
    search,
    steps,
    till,
    wallet_keys,
)
from engine.store.sqlite.checksum import row_crc
from engine.store.sqlite.multi_insert import Many
from engine.store.sqlite.steps import RowsChanged
from engine.store.sqlite.wallets import write_addresses, write_wallet
from engine.store.writes import (
    MAX_BLOCKS_READ_AGAIN,
    NO_PLACE,
    AddressRow,
    ApiKey,
    ChannelRow,
    CustomerRow,
    DeliveryResult,
    FillSearch,
    Forget,
    ForgetDeliveries,
    ForgetIdempotency,
    InboundWebhook,
    KeptAnswer,
    LedgerEntry,
    MerchantRow,
    MoveOutgoing,
    MoveRefund,
    MoveTill,
    NewOutgoing,
    NewTill,
    OpenRefund,
    OrdersRow,
    PauseForwarding,
    Prune,
    PurgeDeliveries,
    QueueForward,
    ReadAgain,
    Release,
    RemoveChannel,
    Requeue,
    RevokeKey,
    Row,
    ShrinkFile,
    SourceTip,
    ToldRow,
    Unqueue,
    UnqueueTill,
    UpstreamCursor,
    WalletKeyRow,
    WalletRecord,
    WalletSecretRow,
    Whole,
)

__all__ = ["write_rows"]

Values = tuple[object, ...]
_Writing = Callable[[sqlite3.Connection, Sequence[Any]], None]

_IDEMPOTENCY = Many(
    "INSERT INTO idempotency (scope, key, request_hash, status, body, at, crc) VALUES",
    7,
)
_INBOUND = Many(
    "INSERT INTO inbound (provider, dedupe, at, payment_id, verdict, body, crc) VALUES",
    7,
)
_CUSTOMERS = Many("INSERT INTO customers (payment_id, email, crc) VALUES", 3)
_ATTEMPTS = Many(
    'INSERT INTO attempts (channel_id, "offset", payment_id, seq, attempt, at,'
    " latency_ms, status, outcome, error, answer) VALUES",
    11,
)
_SETTLED = Many(
    "UPDATE outbox SET state = new.column3, attempts = new.column4,"
    " next_at = new.column5, refusals = new.column6, refused_at = new.column7"
    " FROM (VALUES",
    7,
    ') AS new WHERE channel_id = new.column1 AND "offset" = new.column2',
)
_SETTLED_ONE = (
    "UPDATE outbox SET state = ?3, attempts = ?4, next_at = ?5, refusals = ?6,"
    " refused_at = ?7"
    ' WHERE channel_id = ?1 AND "offset" = ?2'
)


def write_rows(sql: sqlite3.Connection, rows: Sequence[Row]) -> list[RowsChanged]:
    """Write rows beside the events of their writes; what each changed.

    Those that come in crowds are written last, and count as one change each: nothing
    else that may be among `rows` touches their tables.
    """
    changed: list[RowsChanged] = []
    crowds: dict[type, list[Row]] = {}
    for row in rows:
        if type(row) in _CROWDS:
            crowds.setdefault(type(row), []).append(row)
            changed.append(RowsChanged(1))
        else:
            changed.append(_write_row(sql, row))
    for kind, write in _CROWDS.items() if crowds else ():
        if kind in crowds:
            write(sql, crowds[kind])
    return changed


def _inserting(statement: Many) -> _Writing:
    def insert(sql: sqlite3.Connection, rows: Sequence[Row]) -> None:
        values: list[object] = []
        for row in rows:
            fields = _fields(row)
            values += (*fields, row_crc(fields))
        statement.run(sql, values)

    return insert


def _write_row(sql: sqlite3.Connection, row: Row) -> RowsChanged:
    statement: str
    values: Values
    match row:
        case ForgetIdempotency():
            return RowsChanged(steps.forget_answers(sql, row))
        case Release():
            statement = "UPDATE payments SET watched = 0 WHERE id = ?"
            values = (row.payment_id,)
        case SourceTip():
            statement = (
                "INSERT INTO source_tips VALUES (?, ?, ?, ?) ON CONFLICT (source) DO"
                " UPDATE SET height = excluded.height, hash = excluded.hash,"
                " crc = excluded.crc"
            )
            values = _fields(row)
            values = (*values, row_crc(values))
        case ReadAgain():
            return RowsChanged(_read_again(sql, row))
        case ApiKey():
            statement = (
                "INSERT INTO api_keys (id, name, merchant, hash, created_at,"
                " revoked_at, scopes, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            )
            *said, _ = _fields(row)
            values = (*said, None, " ".join(row.scopes))
            values = (*values, row_crc(values))
        case MerchantRow():
            statement = (
                "INSERT INTO merchants (name, version, updated_at, state, crc)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
                " version = excluded.version, updated_at = excluded.updated_at,"
                " state = excluded.state, crc = excluded.crc"
            )
            values = _fields(row)
            values = (*values, row_crc(values))
        case RevokeKey():
            return RowsChanged(_revoke(sql, row))
        case ChannelRow():
            statement, values = _channel(row)
        case RemoveChannel():
            return steps.remove_channel(sql, row)
        case PurgeDeliveries():
            return steps.purge(sql, row)
        case Requeue():
            return steps.requeue(sql, row)
        case Whole():
            return RowsChanged(pruning.must_be_whole(sql, row))
        case Prune():
            return RowsChanged(pruning.prune(sql, row))
        case Forget():
            return RowsChanged(pruning.forget(sql, row))
        case ForgetDeliveries():
            return RowsChanged(pruning.forget_deliveries(sql, row))
        case ToldRow():
            return RowsChanged(alerts.told(sql, row))
        case OrdersRow():
            return RowsChanged(alerts.count_orders(sql, row))
        case AddHistory():
            return RowsChanged(history.add(sql, row))
        case ForgetHistory():
            return RowsChanged(history.forget(sql, row))
        case OpenRefund():
            return RowsChanged(refunds.open_refund(sql, row))
        case MoveRefund():
            return RowsChanged(refunds.move_refund(sql, row))
        case WalletSecretRow():
            return RowsChanged(wallet_keys.write_secret(sql, row))
        case WalletRecord():
            return RowsChanged(write_wallet(sql, row))
        case LedgerEntry():
            return RowsChanged(ledger.write(sql, row))
        case FillSearch():
            return RowsChanged(search.fill(sql, row))
        case ShrinkFile():
            return RowsChanged(pruning.shrink(sql, row))
        case NewOutgoing():
            return RowsChanged(outgoing.new_outgoing(sql, row))
        case MoveOutgoing():
            return RowsChanged(outgoing.move_outgoing(sql, row))
        case QueueForward():
            return RowsChanged(outgoing.queue(sql, row))
        case Unqueue():
            return RowsChanged(outgoing.unqueue(sql, row))
        case PauseForwarding():
            return RowsChanged(outgoing.pause(sql, row))
        case NewTill():
            return RowsChanged(till.new_till(sql, row))
        case MoveTill():
            return RowsChanged(till.move_till(sql, row))
        case UnqueueTill():
            return RowsChanged(till.unqueue(sql, row))
        case UpstreamCursor():
            return RowsChanged(invoices.move(sql, row))
    return RowsChanged(sql.execute(statement, values).rowcount)


_FURTHER = (
    "SELECT source FROM source_tips WHERE height > ? AND height <= ?"  # noqa: S608
    f" AND source NOT IN ({', '.join('?' * len(NO_PLACE))})"
)


def _read_again(sql: sqlite3.Connection, row: ReadAgain) -> int:
    """Whatever is no source's place in this chain is left alone; see `source_tip`."""
    further = sql.execute(
        _FURTHER,
        (row.height, row.height + MAX_BLOCKS_READ_AGAIN, *NO_PLACE),
    ).fetchall()
    for (source,) in further:
        _write_row(sql, SourceTip(source, row.height, row.hash))
    return len(further)


def _fields(row: Row) -> Values:
    """All of a row, in the order of its table's columns."""
    return msgspec.structs.astuple(row)


def _channel(row: ChannelRow) -> tuple[str, Values]:
    types = f",{','.join(row.types)}," if row.types else ""
    values = row.id, row.merchant, int(row.enabled), types, row.created_at, row.state
    if row.replaces is not None:
        places = ", ".join("?" * len(row.replaces))
        return (
            "UPDATE channels SET merchant = ?, enabled = ?, types = ?,"  # noqa: S608
            " created_at = ?, state = ?, crc = ?"
            f" WHERE id = ? AND state IN ({places})",
            (*values[1:], row_crc(values), row.id, *row.replaces),
        )
    return (
        """INSERT INTO channels (id, merchant, enabled, types, created_at, state, crc)
           VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id)
           DO UPDATE SET merchant = excluded.merchant, enabled = excluded.enabled,
                         types = excluded.types, created_at = excluded.created_at,
                         state = excluded.state, crc = excluded.crc""",
        (*values, row_crc(values)),
    )


def _revoke(sql: sqlite3.Connection, row: RevokeKey) -> int:
    found = sql.execute(
        "SELECT id, name, merchant, hash, created_at, scopes FROM api_keys"
        " WHERE id = ? AND revoked_at IS NULL",
        (row.id,),
    ).fetchone()
    if found is None:
        return 0
    *said, scopes = found
    crc = row_crc((*said, row.at, scopes))
    statement = "UPDATE api_keys SET revoked_at = ?, crc = ? WHERE id = ?"
    return sql.execute(statement, (row.at, crc, row.id)).rowcount


def _deliveries(sql: sqlite3.Connection, rows: Sequence[DeliveryResult]) -> None:
    attempts: list[object] = []
    settled: dict[tuple[str, int], tuple[object, ...]] = {}  # the last attempt counts
    for row in rows:
        attempts += (
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
            row.answer,
        )
        key = row.channel_id, row.offset
        refused = row.refusals, row.refused_at
        settled[key] = *key, row.state, row.attempt, row.next_at, *refused
    _ATTEMPTS.run(sql, attempts)
    if len(settled) == 1:
        sql.execute(_SETTLED_ONE, *settled.values())
    elif settled:
        _SETTLED.run(sql, [value for values in settled.values() for value in values])


_CROWDS: dict[type, _Writing] = {
    KeptAnswer: _inserting(_IDEMPOTENCY),
    InboundWebhook: _inserting(_INBOUND),
    CustomerRow: _inserting(_CUSTOMERS),
    AddressRow: write_addresses,
    WalletKeyRow: wallet_keys.write_drawn,
    DeliveryResult: _deliveries,
}
"""Kinds of which there may be many in one transaction."""
