"""What may concern any number of deliveries, done a bounded number at a time.

Each function is one step, inside the journal's transaction: it looks at some `limit`
rows, found by an index, and says where the next step goes on. Others' writes come in
between.
"""

import sqlite3
from typing import NamedTuple

from engine.store.sqlite import moments
from engine.store.writes import (
    ForgetIdempotency,
    Place,
    PurgeDeliveries,
    RemoveChannel,
    Requeue,
)

__all__ = ["RowsChanged", "forget_answers", "purge", "remove_channel", "requeue"]


class RowsChanged(NamedTuple):
    """How many rows a write changed, and where it goes on if it is not done."""

    rows: int
    more_after: Place | None = None


def forget_answers(sql: sqlite3.Connection, row: ForgetIdempotency) -> int:
    """The oldest idempotent answers, and the one to the key that is named."""
    forgotten = sql.execute(
        "DELETE FROM idempotency WHERE scope = ? AND key = ? AND at < ?",
        (row.scope, row.key, row.before),
    ).rowcount
    oldest = sql.execute(
        "SELECT scope, key FROM idempotency WHERE at < ? ORDER BY at LIMIT ?",
        (row.before, row.limit),
    ).fetchall()
    for answer in oldest:
        sql.execute("DELETE FROM idempotency WHERE scope = ? AND key = ?", answer)
    return forgotten + len(oldest)


# -- channels that are removed ---------------------------------------------------------


def remove_channel(sql: sqlite3.Connection, row: RemoveChannel) -> RowsChanged:
    """The channel, and the first of its deliveries. Its name is kept for the others."""
    _, is_done = _purge_one(sql, row.id, row.limit)
    if not is_done:
        sql.execute("INSERT OR IGNORE INTO removed_channels VALUES (?)", (row.id,))
    removed = sql.execute("DELETE FROM channels WHERE id = ?", (row.id,)).rowcount
    sql.execute("DELETE FROM told_alerts WHERE channel_id = ?", (row.id,))
    return RowsChanged(removed, None if is_done else (row.id, 0))


def purge(sql: sqlite3.Connection, row: PurgeDeliveries) -> RowsChanged:
    """Deliveries of one channel that was removed."""
    names = sql.execute("SELECT id FROM removed_channels LIMIT 2").fetchall()
    if not names:
        return RowsChanged(0)
    (name,) = names[0]
    deleted, is_done = _purge_one(sql, name, row.limit)
    if is_done:
        sql.execute("DELETE FROM removed_channels WHERE id = ?", (name,))
    is_last = is_done and len(names) == 1
    return RowsChanged(deleted, None if is_last else (name, 0))


def _purge_one(sql: sqlite3.Connection, name: str, limit: int) -> tuple[int, bool]:
    """How many were deleted, and whether none is left."""
    last = _last_of(sql, name, 0, limit)
    if last is None:
        return 0, True
    deleted = sql.execute(
        'DELETE FROM outbox WHERE channel_id = ? AND "offset" <= ?', (name, last)
    ).rowcount
    return deleted, deleted < limit


def _last_of(
    sql: sqlite3.Connection, channel_id: str, after: int, limit: int
) -> int | None:
    """The offset of the last of a channel's next deliveries; None: there are none."""
    row = sql.execute(
        'SELECT max("offset") FROM (SELECT "offset" FROM outbox WHERE channel_id = ?'
        ' AND "offset" > ? ORDER BY "offset" LIMIT ?)',
        (channel_id, after, limit),
    ).fetchone()
    last: int | None = row[0]
    return last


# -- deliveries once more --------------------------------------------------------------


def requeue(sql: sqlite3.Connection, row: Requeue) -> RowsChanged:
    """Deliver again. What is pending already only gets its wait cut short."""
    start = _start(sql, row)
    changed, left = 0, row.limit
    for channel_id in _channels(sql, row):
        after = row.after[1] if channel_id == row.after[0] else 0
        if left <= 0:  # as many of the next one as there is room for, next time
            return RowsChanged(changed, (channel_id, 0))
        if row.payment_id is not None or row.offset is not None:
            found = _again_by_event(sql, row, channel_id)
            changed, left = changed + found, left - max(found, 1)
            continue
        after = max(after, start)
        last = _last_of(sql, channel_id, after, left)
        if last is None:
            continue
        looked_at, found = _again(sql, row, channel_id, after, last)
        changed, left = changed + found, left - looked_at
        if left <= 0:
            return RowsChanged(changed, (channel_id, last))
    return RowsChanged(changed)


def _start(sql: sqlite3.Connection, row: Requeue) -> int:
    return 0 if row.since is None else moments.offset_before(sql, row.since)


def _channels(sql: sqlite3.Connection, row: Requeue) -> list[str]:
    """Enabled ones that are meant, in order, from the one that was come to."""
    rows = sql.execute(
        "SELECT id FROM channels WHERE enabled AND id >= ?1"
        " AND (?2 IS NULL OR merchant = ?2) AND (?3 IS NULL OR id = ?3) ORDER BY id",
        (row.after[0], row.merchant, row.channel_id),
    )
    return [channel_id for (channel_id,) in rows]


_AGAIN = (
    "UPDATE outbox SET state = 'pending', attempts = 0, next_at = :at"
    " WHERE channel_id = :channel AND (state = 'dead' OR NOT :dead_only) AND"
)
_AT = '(SELECT at FROM events WHERE "offset" = outbox."offset")'


def _again(
    sql: sqlite3.Connection, row: Requeue, channel_id: str, after: int, last: int
) -> tuple[int, int]:
    """Of the deliveries after one offset up to another: looked at, and put back."""
    bound = {"channel": channel_id, "after": after, "last": last}
    place = '"offset" > :after AND "offset" <= :last'
    (looked_at,) = sql.execute(
        f"SELECT count(*) FROM outbox WHERE channel_id = :channel AND {place}",  # noqa: S608
        bound,
    ).fetchone()
    meant = place
    if row.since is not None or row.until is not None:
        meant += f" AND {_AT} >= :since AND {_AT} < :until"
    again = sql.execute(f"{_AGAIN} {meant}", bound | _bound(row)).rowcount
    return looked_at, again


def _again_by_event(sql: sqlite3.Connection, row: Requeue, channel_id: str) -> int:
    """Those of one payment, or of one event of it."""
    meant = '"offset" = :offset'
    if row.payment_id is not None:
        meant = (
            '"offset" IN (SELECT "offset" FROM events WHERE payment_id = :payment'
            ' AND (:offset IS NULL OR "offset" = :offset)'
            " AND at >= :since AND at < :until)"
        )
    bound = {"channel": channel_id, **_bound(row)}
    return sql.execute(f"{_AGAIN} {meant}", bound).rowcount


def _bound(row: Requeue) -> dict[str, object]:
    return {
        "at": row.at,
        "dead_only": row.dead_only,
        "payment": row.payment_id,
        "offset": row.offset,
        "since": -(1 << 62) if row.since is None else row.since,
        "until": (1 << 62) if row.until is None else row.until,
    }
