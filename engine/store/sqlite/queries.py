"""What can be read. Functions over a connection; no function writes.

They run in a reader's native thread on a `query_only` connection (or in the writer's
own, in simulation), never in an actor's turn. Every result is bounded by a limit.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from engine.payment.events import with_offset
from engine.payment.model import Payment
from engine.store.epochs import Epochs, EpochStart
from engine.store.records import (
    DamagedPayment,
    IdempotentAnswer,
    JournalPage,
    KeyRecord,
    MerchantRecord,
    PaymentHistory,
    StoredEvent,
)
from engine.store.sqlite.checksum import (
    Damaged,
    DamagedEpochs,
    checked,
    is_event,
    row_crc,
)
from engine.store.sqlite.listing import at_address, list_payments
from engine.store.sqlite.listing_rows import one_moment, payment_of
from engine.store.writes import NO_PLACE, SourceTip

__all__ = [
    "EPOCH",
    "api_keys",
    "counted_outpoints",
    "customer_email",
    "epochs",
    "events_after",
    "history",
    "idempotent_answer",
    "journal_page",
    "last_offset",
    "list_payments",
    "merchants",
    "oldest_watched",
    "payment",
    "payment_at",
    "payment_history",
    "source_tip",
    "stored_event",
    "watched",
]

# The epoch of the event `e`: there are one or two, so it is found in no time.
EPOCH = (
    '(SELECT epoch FROM epochs WHERE first_offset <= e."offset"'
    " ORDER BY first_offset DESC, number DESC LIMIT 1)"
)
_EVENTS = (
    'SELECT "offset", payment_id, seq, type, at, merchant, body, crc,'  # noqa: S608
    f" {EPOCH} FROM events e"  # constants, as below
)
_EventRow = tuple[int, str, int, str, int, str, bytes, int | None, str | None]


def payment(sql: sqlite3.Connection, payment_id: str) -> Payment | None:
    row = sql.execute(
        "SELECT state, crc FROM payments WHERE id = ?", (payment_id,)
    ).fetchone()
    return payment_of(*row) if row else None


def payment_at(sql: sqlite3.Connection, address: str) -> Payment | None:
    """The payment that watches the address now, or else the newest that did."""
    with one_moment(sql):
        row = next(at_address(sql, address, 1), None)
    return payment_of(*row) if row else None


def counted_outpoints(
    sql: sqlite3.Connection, addresses: Sequence[str]
) -> dict[str, tuple[tuple[str, int], ...]]:
    """In one visit to a reader's thread: a batch has a thousand addresses."""
    found = ((address, _counted_at(sql, address)) for address in addresses)
    return {address: outpoints for address, outpoints in found if outpoints}


def _counted_at(
    sql: sqlite3.Connection, address: str, limit: int = 1_000
) -> tuple[tuple[str, int], ...]:
    found = {
        (receipt.txid, receipt.vout)
        for state, crc in at_address(sql, address, 50)
        for receipt in payment_of(state, crc).receipts
    }
    return tuple(sorted(found)[:limit])


def watched(
    sql: sqlite3.Connection, after_id: str = "", limit: int = 1_000
) -> list[Payment | DamagedPayment]:
    """Payments to watch after a start, in pages, oldest first; damaged ones by name."""
    rows = sql.execute(
        "SELECT id, address, state, crc FROM payments WHERE watched = 1 AND rank >"
        " coalesce((SELECT rank FROM payments WHERE id = ?), 0) ORDER BY rank LIMIT ?",
        (after_id, limit),
    )
    return [_watched(*row) for row in rows]


def _watched(
    name: str, address: str, state: bytes, crc: int | None
) -> Payment | DamagedPayment:
    try:
        return payment_of(state, crc)
    except (Damaged, msgspec.MsgspecError):
        return DamagedPayment(name, address)


def oldest_watched(sql: sqlite3.Connection) -> int | None:
    """When (ms) the oldest payment was made for which a chain is still watched."""
    row = sql.execute(
        "SELECT min(created_at) FROM payments WHERE watched = 1"
        " AND address NOT LIKE 'external:%'"
    )
    oldest: int | None = row.fetchone()[0]
    return oldest


def history(
    sql: sqlite3.Connection, payment_id: str, after_seq: int = 0, limit: int = 1_000
) -> list[StoredEvent]:
    """Events of one payment, in order."""
    rows = sql.execute(
        _EVENTS + " WHERE payment_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        (payment_id, after_seq, limit),
    )
    return [stored_event(row) for row in rows]


def payment_history(
    sql: sqlite3.Connection, payment_id: str, after_seq: int | None, limit: int
) -> PaymentHistory | None:
    """A payment, and a page of its events: one snapshot."""
    with one_moment(sql):
        found = payment(sql, payment_id)
        if found is None:
            return None
        if after_seq is None:
            return PaymentHistory(found, [])
        return PaymentHistory(found, history(sql, payment_id, after_seq, limit))


def events_after(
    sql: sqlite3.Connection,
    offset: int,
    limit: int = 1_000,
    merchant: str | None = None,
) -> list[StoredEvent]:
    """Events of the node after a journal offset, in order."""
    if merchant is None:
        rows = sql.execute(
            _EVENTS + ' WHERE "offset" > ? ORDER BY "offset" LIMIT ?', (offset, limit)
        )
    else:
        rows = sql.execute(
            _EVENTS + ' WHERE merchant = ? AND "offset" > ? ORDER BY "offset" LIMIT ?',
            (merchant, offset, limit),
        )
    return [stored_event(row) for row in rows]


def journal_page(
    sql: sqlite3.Connection, offset: int, limit: int, merchant: str | None = None
) -> JournalPage:
    """A page of the journal after an offset, and its last offset: one snapshot."""
    with one_moment(sql):
        return JournalPage(events_after(sql, offset, limit, merchant), last_offset(sql))


def last_offset(sql: sqlite3.Connection) -> int:
    """The offset of the newest event; 0 in an empty journal."""
    row = sql.execute('SELECT max("offset") FROM events').fetchone()
    return int(row[0] or 0)


def stored_event(row: _EventRow) -> StoredEvent:
    offset, payment_id, seq, _, _, merchant, body, crc, epoch = row
    if not is_event(crc, *row[:-2]):
        raise Damaged(f"event {offset}")
    wire = with_offset(offset, body, epoch)
    return StoredEvent(offset, payment_id, seq, merchant, wire)


def epochs(sql: sqlite3.Connection) -> Epochs:
    """All epochs, in the order in which they began. Raises `DamagedEpochs`.

    None of them can be left out: its events would have the ids of another epoch.
    """
    rows = sql.execute(
        "SELECT first_offset, number, CAST(epoch AS BLOB), began_at, crc FROM epochs"
        " ORDER BY number"
    ).fetchall()
    starts: list[EpochStart] = []
    for number, row in enumerate(rows, start=1):
        first, there, name, began_at, crc = row
        epoch = name.decode("ascii", "replace")
        # They were never without a checksum, and are counted from 1.
        if there != number or crc != row_crc((first, there, epoch, began_at)):
            raise DamagedEpochs(f"row {number} of epochs")
        before = starts[-1] if starts else EpochStart(0, "")
        if first < before.first_offset or began_at <= before.began_at:
            raise DamagedEpochs(f"row {number} of epochs")
        starts.append(EpochStart(first, epoch, began_at))
    if not starts:
        raise DamagedEpochs("row 1 of epochs")
    return Epochs(starts)


def api_keys(sql: sqlite3.Connection) -> list[KeyRecord]:
    rows = sql.execute(
        "SELECT id, name, merchant, hash, created_at, revoked_at, scopes, crc"
        " FROM api_keys ORDER BY created_at, id"
    )
    return [_key(row) for row in rows]


def _key(row: tuple[Any, ...]) -> KeyRecord:
    try:
        *said, scopes = checked(f"API key {row[0]}", row)
    except Damaged as error:  # nothing of it is believed, and the others go on
        return KeyRecord(
            id=str(row[0]),
            name=str(error),
            merchant=None,
            hash=b"",  # of no key
            created_at=1,
            revoked_at=1,
            scopes=(),
            is_damaged=True,
        )
    return KeyRecord(*[*said, tuple(scopes.split())])


def merchants(sql: sqlite3.Connection) -> list[MerchantRecord]:
    """One whose row is damaged is told as such: the others have no part in it."""
    rows = sql.execute(
        "SELECT name, version, updated_at, state, crc FROM merchants ORDER BY name"
    )
    return [_merchant(row) for row in rows]


def _merchant(row: tuple[str, int, int, bytes, int]) -> MerchantRecord:
    try:
        return MerchantRecord(*checked(f"merchant {row[0]}", row))
    except Damaged:
        return MerchantRecord(str(row[0]), 1, 0, None)


def customer_email(sql: sqlite3.Connection, payment_id: str) -> str | None:
    """The payer's e-mail address, sealed."""
    row = sql.execute(
        "SELECT payment_id, email, crc FROM customers WHERE payment_id = ?",
        (payment_id,),
    ).fetchone()
    if row is None:
        return None
    email: str = checked(f"the payer of {payment_id}", row)[1]
    return email


def idempotent_answer(
    sql: sqlite3.Connection,
    scope: str,
    key: str,
    since: int,
    former: str | None = None,
) -> IdempotentAnswer | None:
    """The first answer to this key, if it was given at or after `since` (ms)."""
    rows = sql.execute(
        "SELECT scope, key, request_hash, status, body, at, crc FROM idempotency"
        " WHERE scope IN (?, ?) AND key = ? AND at >= ?",
        (scope, scope if former is None else former, key, since),
    ).fetchall()
    if not rows:
        return None
    row = next((row for row in rows if row[0] == scope), rows[0])
    _, _, request_hash, status, body, _ = checked("an idempotent answer", row)
    return IdempotentAnswer(request_hash, status, body)


_SOURCE_TIP = "SELECT source, height, hash, crc FROM source_tips WHERE source = ?"
_FURTHEST_TIP = (
    "SELECT source, height, hash, crc FROM source_tips"  # noqa: S608 - placeholders
    f" WHERE source NOT IN ({', '.join('?' * len(NO_PLACE))})"
    " ORDER BY height DESC LIMIT 1"
)


def source_tip(sql: sqlite3.Connection, source: str) -> SourceTip | None:
    """How far the chain was read: by this source, else by the one that came furthest.

    What another has read was told to the watchers just as well.
    """
    row = sql.execute(_SOURCE_TIP, (source,)).fetchone()
    if row is None and source not in NO_PLACE:
        row = sql.execute(_FURTHEST_TIP, NO_PLACE).fetchone()
    if row is None:
        return None
    return SourceTip(*checked(f"the tip of {row[0]}", row))
