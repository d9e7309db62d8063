"""The audit: every row that carries a checksum or must agree with another is looked at.

What is read in passing is checked in passing; this looks at what nobody has read for
months, and at the tables that only people read. Finds damage and changes nothing. Walks
through whole tables: for `paybell replay --check` and `paybell doctor --deep`.
"""

import sqlite3
from collections.abc import Iterator

from engine.store.sqlite import ledger, queries
from engine.store.sqlite.checksum import (
    Damaged,
    DamagedEpochs,
    checked,
    is_event,
    stored_state,
)

__all__ = ["damaged_beside", "damaged_rows"]

_TABLES = {
    "api_keys": "id, name, merchant, hash, created_at, revoked_at, scopes",
    "channels": "id, merchant, enabled, types, created_at, state",
    "customers": "payment_id, email",
    "idempotency": "scope, key, request_hash, status, body, at",
    "ledger": ledger.COLUMNS,
    "inbound": "provider, dedupe, at, payment_id, verdict, body",
    "merchants": "name, version, updated_at, state",
    "wallet_addresses": 'identity, "index", address, wallet, payment_id, epoch',
    "wallet_keys": "wallet, script, sealed",
    "wallet_secrets": "wallet, state",
    "wallets": "id, merchant, kind, descriptor, identity, first_index, created_at,"
    " retired_at",
    "source_tips": "source, height, hash",
    "upstreams": "name, cursor, at",
}
"""Tables whose rows carry `row_crc` of these columns."""

# Deliveries are written by thousands, by SQLite alone, and carry no checksum. But all
# that they say stands in other rows too, except how often and when to try again.
_STRAY_DELIVERIES = """
    SELECT o.channel_id, o."offset" FROM outbox o
    LEFT JOIN events e ON e."offset" = o."offset"
    LEFT JOIN channels c ON c.id = o.channel_id
    WHERE e.payment_id IS NOT o.payment_id OR e.seq IS NOT o.seq
       OR (c.id IS NULL AND o.channel_id NOT IN (SELECT id FROM removed_channels))
       OR o.state NOT IN ('pending', 'delivered', 'dead')
       OR typeof(o.attempts) != 'integer' OR typeof(o.next_at) != 'integer'"""


# What an invoice's row says stands in its payment's terms, too. A payment that is not
# as it was written is named for itself.
_STRAY_INVOICES = """
    SELECT i.payment_hash FROM invoices i
    LEFT JOIN (SELECT id, CAST(state AS TEXT) AS state FROM payments) p
    ON p.id = i.payment_id
    WHERE p.id IS NULL OR CASE WHEN json_valid(p.state) THEN
        (json_extract(p.state, '$.terms.lightning.payment_hash') IS NOT i.payment_hash
        OR json_extract(p.state, '$.terms.lightning.node') IS NOT i.node
        OR json_extract(p.state, '$.terms.lightning.expires_at') IS NOT i.expires_at)
        AND NOT EXISTS (SELECT 1 FROM json_each(p.state, '$.terms.rests') r WHERE
            json_extract(r.value, '$.payment_hash') IS i.payment_hash
            AND json_extract(r.value, '$.node') IS i.node
            AND json_extract(r.value, '$.expires_at') IS i.expires_at)
    END"""


# Without its row nobody would find the payment when its node says that it was paid.
_LOST_INVOICES = """
    SELECT p.id FROM (SELECT id, CAST(state AS TEXT) AS state FROM payments) p
    WHERE instr(p.state, '"lightning":{') AND CASE WHEN json_valid(p.state) THEN
        (json_extract(p.state, '$.terms.lightning.payment_hash') IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM invoices WHERE payment_hash =
            json_extract(p.state, '$.terms.lightning.payment_hash')))
        OR EXISTS (SELECT 1 FROM json_each(p.state, '$.terms.rests') r
            WHERE json_extract(r.value, '$.payment_hash') NOT IN
                (SELECT payment_hash FROM invoices))
    END"""


def damaged_rows(sql: sqlite3.Connection) -> Iterator[str]:
    """One line for each row that is not as it was written."""
    yield from _events(sql)
    yield from _payments(sql)
    yield from damaged_beside(sql)


def damaged_beside(sql: sqlite3.Connection) -> Iterator[str]:
    """The same, of the tables beside events and payments (replay looks at these)."""
    for table, columns in _TABLES.items():
        for row in sql.execute(f"SELECT {columns}, crc FROM {table}"):  # noqa: S608
            try:
                checked(f"{table}: {row[0]}", row)
            except Damaged as error:
                yield str(error)
    try:
        queries.epochs(sql)
    except DamagedEpochs as error:
        yield str(error)
    for channel, offset in sql.execute(_STRAY_DELIVERIES):
        yield f"outbox: the delivery of event {offset} to {channel} fits no event"
    for (payment_hash,) in sql.execute(_STRAY_INVOICES):
        yield f"invoices: {payment_hash} is not as its payment has it"
    for (name,) in sql.execute(_LOST_INVOICES):
        yield f"invoices: the one of {name} is missing"


def _events(sql: sqlite3.Connection) -> Iterator[str]:
    rows = sql.execute(
        'SELECT "offset", payment_id, seq, type, at, merchant, body, crc FROM events'
    )
    for row in rows:
        if not is_event(row[-1], *row[:-1]):
            yield str(Damaged(f"event {row[0]}"))


def _payments(sql: sqlite3.Connection) -> Iterator[str]:
    for name, state, crc in sql.execute("SELECT id, state, crc FROM payments"):
        try:
            stored_state(state, crc)
        except Damaged:
            yield str(Damaged(f"payment {name}"))
