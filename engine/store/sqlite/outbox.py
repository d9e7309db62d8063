"""What channels are, and what they have still to be told. See `queries.py`."""

import sqlite3
from itertools import islice
from typing import Any

from engine.store.epochs import event_id
from engine.store.records import (
    OWED,
    AttemptView,
    ChannelRecord,
    Owed,
    Pending,
    PendingPayment,
    StreamDelivery,
)
from engine.store.sqlite.checksum import Damaged, checked
from engine.store.sqlite.listing_rows import one_moment
from engine.store.sqlite.queries import EPOCH, last_offset, stored_event

__all__ = [
    "attempts",
    "channel",
    "channels",
    "channels_page",
    "damaged_channels",
    "deliveries_after",
    "last_deliveries_after",
    "next_pending",
    "outbox_counts",
    "owed",
    "pending_payments",
    "pending_up_to",
    "skipped_before",
]

_CHANNELS = "SELECT id, merchant, enabled, types, created_at, state, crc FROM channels"


def channels(
    sql: sqlite3.Connection, merchant: str | None = None
) -> list[ChannelRecord]:
    where, values = (
        ("", ()) if merchant is None else (" WHERE merchant = ?", (merchant,))
    )
    rows = sql.execute(f"{_CHANNELS}{where} ORDER BY created_at, id", values)
    return [_as_record(row) for row in rows if _is_whole(row)]


def channels_page(
    sql: sqlite3.Connection,
    merchant: str | None,
    after: tuple[int, str],
    limit: int,
) -> list[ChannelRecord]:
    """The next ones by age. Whoever is damaged is left out, and another comes after."""
    where, values = ("", ()) if merchant is None else (" AND merchant = ?", (merchant,))
    rows = sql.execute(
        f"{_CHANNELS} WHERE (created_at, id) > (?, ?){where} ORDER BY created_at, id",
        (*after, *values),
    )
    return [_as_record(row) for row in islice(filter(_is_whole, rows), limit)]


def damaged_channels(sql: sqlite3.Connection) -> list[str]:
    """Ids of those that are set aside: nothing of them is believed."""
    return [str(row[0]) for row in sql.execute(_CHANNELS) if not _is_whole(row)]


def _is_whole(row: tuple[Any, ...]) -> bool:
    try:
        checked("a channel", row)
    except Damaged:
        return False
    return True


def channel(sql: sqlite3.Connection, channel_id: str) -> ChannelRecord | None:
    row = sql.execute(f"{_CHANNELS} WHERE id = ?", (channel_id,)).fetchone()
    if row is None:
        return None
    checked(f"channel {channel_id}", row)
    return _as_record(row)


def _as_record(row: tuple[Any, ...]) -> ChannelRecord:
    """Of one that is whole."""
    i, merchant, enabled, _, at, state, _ = row
    return ChannelRecord(i, merchant, bool(enabled), at, state)


def owed(sql: sqlite3.Connection, channel_id: str, limit: int = OWED) -> Owed:
    """The journal's last offset, and what is pending then: one snapshot."""
    with one_moment(sql):
        (has_dead,) = sql.execute(
            "SELECT EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_dead"
            " WHERE channel_id = ? AND state = 'dead')",
            (channel_id,),
        ).fetchone()
        payments = pending_payments(sql, channel_id, "", limit)
        return Owed(last_offset(sql), payments, bool(has_dead))


def pending_payments(
    sql: sqlite3.Connection, channel_id: str, after_id: str = "", limit: int = OWED
) -> list[PendingPayment]:
    """Payments with something left to tell the channel, and when that is due (ms)."""
    rows = sql.execute(
        """SELECT payment_id, next_at FROM (
             SELECT payment_id, next_at, min("offset") FROM outbox
             INDEXED BY outbox_pending
             WHERE channel_id = ? AND state = 'pending' AND payment_id > ?
             GROUP BY payment_id ORDER BY payment_id LIMIT ?)""",
        (channel_id, after_id, limit),
    )
    return [PendingPayment(payment_id, next_at) for payment_id, next_at in rows]


def next_pending(
    sql: sqlite3.Connection, channel_id: str, payment_id: str
) -> Pending | None:
    """The next event to tell: the lowest offset that is pending, whatever its wait.

    SQLite is told which index: by itself it goes through all that the channel was ever
    told, as it finds them in the order that is asked for.
    """
    row = sql.execute(
        f"""SELECT o.attempts, o.next_at, o.refusals, o.refused_at,
             e."offset", e.payment_id, e.seq, e.type,
             e.at, e.merchant, e.body, e.crc, {EPOCH}
           FROM outbox o INDEXED BY outbox_pending
           JOIN events e ON e."offset" = o."offset"
           WHERE o.channel_id = ? AND o.payment_id = ? AND o.state = 'pending'
           ORDER BY o."offset" LIMIT 1""",  # noqa: S608 - constants
        (channel_id, payment_id),
    ).fetchone()
    if row is None:
        return None
    attempts_made, next_at, refusals, refused_at, *event = row
    stored = stored_event(tuple(event))
    skipped = skipped_before(sql, channel_id, payment_id, stored.offset)
    so_far = attempts_made, next_at, stored.wire, refusals, refused_at
    return Pending(stored.offset, stored.seq, *so_far, skipped)


MAX_SKIPPED = 100


def skipped_before(
    sql: sqlite3.Connection, channel_id: str, payment_id: str, before: int
) -> tuple[int, ...]:
    """What was given up between the last event that was delivered and this one."""
    dead = sql.execute(
        'SELECT "offset", seq FROM outbox INDEXED BY outbox_dead'
        " WHERE channel_id = ? AND payment_id = ? AND state = 'dead'"
        ' AND "offset" < ? ORDER BY "offset" DESC LIMIT ?',
        (channel_id, payment_id, before, MAX_SKIPPED),
    ).fetchall()
    if not dead:
        return ()
    (told,) = sql.execute(
        """SELECT max(o."offset") FROM events e CROSS JOIN outbox o
           ON o.channel_id = ?1 AND o."offset" = e."offset"
           WHERE e.payment_id = ?2 AND e."offset" < ?3 AND o.state = 'delivered'""",
        (channel_id, payment_id, before),
    ).fetchone()
    return tuple(seq for offset, seq in reversed(dead) if offset > (told or 0))


def deliveries_after(
    sql: sqlite3.Connection, channel_id: str, offset: int, limit: int
) -> list[StreamDelivery]:
    """In whatever state: who asks knows better than the outbox what was told."""
    rows = sql.execute(
        f"""SELECT o.attempts, e."offset", e.payment_id, e.seq, e.type,
             e.at, e.merchant, e.body, e.crc, {EPOCH}
           FROM outbox o JOIN events e ON e."offset" = o."offset"
           WHERE o.channel_id = ? AND o."offset" > ?
           ORDER BY o."offset" LIMIT ?""",  # noqa: S608 - constants
        (channel_id, offset, limit),
    )
    found = []
    for attempts_made, *event in rows:
        stored = stored_event(tuple(event))
        told = stored.offset, stored.payment_id, stored.seq
        found.append(StreamDelivery(*told, attempts_made, stored.wire))
    return found


def pending_up_to(
    sql: sqlite3.Connection, channel_id: str, offset: int, limit: int
) -> list[StreamDelivery]:
    """Asked at a start and after a redelivery; it looks at all that is pending."""
    rows = sql.execute(
        """SELECT "offset", payment_id, seq, attempts FROM outbox
           INDEXED BY outbox_pending
           WHERE channel_id = ? AND state = 'pending' AND "offset" <= ? LIMIT ?""",
        (channel_id, offset, limit),
    )
    return [StreamDelivery(*row) for row in rows]


def last_deliveries_after(sql: sqlite3.Connection, channel_id: str, count: int) -> int:
    row = sql.execute(
        'SELECT "offset" FROM outbox WHERE channel_id = ?'
        ' ORDER BY "offset" DESC LIMIT 1 OFFSET ?',
        (channel_id, count),
    ).fetchone()
    return 0 if row is None else int(row[0])


def attempts(
    sql: sqlite3.Connection, channel_id: str, before_id: int | None, limit: int
) -> list[AttemptView]:
    """The channel's delivery log, newest first."""
    rows = sql.execute(
        f"""SELECT id, "offset", {EPOCH}, payment_id, seq,
             attempt, at, latency_ms, status, outcome, error, answer
           FROM attempts e WHERE channel_id = ? AND id < ? ORDER BY id DESC LIMIT ?""",  # noqa: S608
        (channel_id, before_id or (1 << 62), limit),
    )
    return [
        AttemptView(number, event_id(offset, epoch), *rest)
        for number, offset, epoch, *rest in rows
    ]


def outbox_counts(sql: sqlite3.Connection) -> dict[str, int]:
    """How many deliveries are in which state, for metrics and the doctor."""
    rows = sql.execute("SELECT state, deliveries FROM outbox_totals")
    return {state: count for state, count in rows if count}
