"""Retention: what may go, and how it goes. Small steps, each found by an index.

The reads look for what is old enough, in a reader's thread; the writes are the
journal's, and look once more: a payment that moved on meanwhile keeps its events.
A payment's row stays for ever: it is the snapshot that its events came to. The newest
event of the journal stays as well, with its payment: the next offset goes by it.
"""

import sqlite3

from engine.store.records import FileUse, Prunable, Pruned
from engine.store.writes import Forget, ForgetDeliveries, Prune, ShrinkFile, Whole

__all__ = [
    "deliveries_up_to",
    "file_use",
    "forget",
    "forget_deliveries",
    "must_be_whole",
    "prunable",
    "prune",
    "pruned",
    "shrink",
]

_LAST = '(SELECT max("offset") FROM events)'
_NEWEST = f'(SELECT payment_id FROM events WHERE "offset" = {_LAST})'  # noqa: S608
_CHANNELS = "SELECT id FROM channels WHERE merchant IN (?, '*')"

_FORGET = {
    log: f"DELETE FROM {log} WHERE at < ?1 AND id IN"  # noqa: S608 - constants
    f" (SELECT id FROM {log} WHERE id > 0 ORDER BY id LIMIT ?2)"
    for log in ("attempts", "inbound")
}


def prunable(sql: sqlite3.Connection, before: int, after: int, limit: int) -> Prunable:
    """See `StoreReader.prunable`. Walks the oldest events, which are few: those of
    payments that may go have gone, but for the last ones."""
    sql.execute("BEGIN")  # one moment
    try:
        rows = sql.execute(
            'SELECT "offset", payment_id, at FROM events WHERE "offset" > ?'
            ' ORDER BY "offset" LIMIT ?',
            (after, limit),
        ).fetchall()
        old = [row for row in rows if row[2] < before]
        names = dict.fromkeys(payment_id for _, payment_id, _ in old)
        found = [_may_go(sql, name, before) for name in names]
    finally:
        sql.execute("COMMIT")
    at_the_end = len(old) < limit
    return Prunable(
        tuple(prune for prune in found if prune is not None),
        None if at_the_end else int(old[-1][0]),
    )


def _may_go(sql: sqlite3.Connection, payment_id: str, before: int) -> Prune | None:
    row = sql.execute(
        "SELECT p.seq, p.merchant, e.at FROM payments p"  # noqa: S608 - constants
        " JOIN events e ON e.payment_id = p.id AND e.seq = p.seq"
        f" WHERE p.id = ? AND p.watched = 0 AND p.id != {_NEWEST}",
        (payment_id,),
    ).fetchone()
    if row is None:
        return None
    seq, merchant, at = row
    if at >= before or _is_owed(sql, payment_id, merchant):
        return None
    return Prune(payment_id, seq)


def _is_owed(sql: sqlite3.Connection, payment_id: str, merchant: str) -> bool:
    """A channel that is off may be so for ever: for it nothing waits."""
    channels = sql.execute(f"{_CHANNELS} AND enabled", (merchant,))
    return any(
        sql.execute(
            "SELECT 1 FROM outbox INDEXED BY outbox_pending"
            " WHERE channel_id = ? AND payment_id = ?"
            " AND state = 'pending' LIMIT 1",
            (channel_id, payment_id),
        ).fetchone()
        for (channel_id,) in channels.fetchall()
    )


def prune(sql: sqlite3.Connection, row: Prune) -> int:
    """How many events went; 0: the payment is not as it was when this was asked for."""
    found = sql.execute(
        "UPDATE payments SET pruned_seq = seq WHERE id = ? AND seq = ? AND watched = 0"  # noqa: S608
        f" AND id != {_NEWEST} RETURNING merchant",
        (row.payment_id, row.seq),
    ).fetchone()
    if found is None:
        return 0
    sql.execute("DELETE FROM customers WHERE payment_id = ?", (row.payment_id,))
    channels = sql.execute(_CHANNELS, found).fetchall()
    sql.executemany(
        'DELETE FROM outbox WHERE channel_id = ? AND "offset" IN'
        ' (SELECT "offset" FROM events WHERE payment_id = ?)',
        [(channel_id, row.payment_id) for (channel_id,) in channels],
    )
    offsets = sql.execute(
        'DELETE FROM events WHERE payment_id = ? RETURNING "offset"', (row.payment_id,)
    ).fetchall()
    if offsets:
        sql.execute(
            "INSERT INTO pruned VALUES (?, ?, ?) ON CONFLICT (merchant) DO UPDATE"
            " SET events = events + excluded.events,"
            " through = max(through, excluded.through)",
            (found[0], len(offsets), max(offset for (offset,) in offsets)),
        )
    return len(offsets)


def must_be_whole(sql: sqlite3.Connection, row: Whole) -> int:
    """Raises `sqlite3.IntegrityError`."""
    found = sql.execute(
        "SELECT 1 FROM payments WHERE id = ? AND pruned_seq = 0", (row.payment_id,)
    ).fetchone()
    if found is None:
        raise sqlite3.IntegrityError("events.payment_id: it has lost events")
    return 0


def pruned(sql: sqlite3.Connection, merchant: str | None) -> Pruned:
    row = sql.execute(
        "SELECT coalesce(sum(events), 0), coalesce(max(through), 0) FROM pruned"
        " WHERE ?1 IS NULL OR merchant IN (?1, '')",  # '': before it was told apart
        (merchant,),
    ).fetchone()
    return Pruned(*row)


def deliveries_up_to(
    sql: sqlite3.Connection, channel_id: str, after: int, up_to: int, limit: int
) -> int | None:
    row = sql.execute(
        'SELECT max("offset") FROM (SELECT "offset" FROM outbox WHERE channel_id = ?'
        ' AND "offset" > ? AND "offset" <= ? ORDER BY "offset" LIMIT ?)',
        (channel_id, after, up_to, limit),
    ).fetchone()
    last: int | None = row[0]
    return last


def forget_deliveries(sql: sqlite3.Connection, row: ForgetDeliveries) -> int:
    return sql.execute(
        'DELETE FROM outbox WHERE channel_id = ? AND "offset" > ? AND "offset" <= ?'
        " AND state = 'delivered'",
        (row.channel_id, row.after, row.up_to),
    ).rowcount


def forget(sql: sqlite3.Connection, row: Forget) -> int:
    """Rows of a log are numbered as they come, so the oldest have the least ids."""
    return sql.execute(_FORGET[row.log], (row.before, row.limit)).rowcount


def file_use(sql: sqlite3.Connection) -> FileUse:
    page_bytes, pages, free, mode = (
        int(sql.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count", "auto_vacuum")
    )
    return FileUse(page_bytes, pages, free, can_shrink=mode == 2)


def shrink(sql: sqlite3.Connection, row: ShrinkFile) -> int:
    """Pages that were given back. The last pages are moved into free ones for it."""
    before = file_use(sql).pages
    sql.execute(f"PRAGMA incremental_vacuum({row.pages:d})").fetchall()
    return before - file_use(sql).pages
