"""From which event on a time begins, without an index of all events by time.

Times of events go up with their offsets but for a clock that was put back, or a commit
that was slow. So every `EVERY` events a row says: up to this offset no event is of a
later time than this. An index would cost each commit a page; this costs one in so many
events.
"""

import sqlite3

__all__ = ["EVERY", "create", "note", "offset_before"]

EVERY = 1_000
"""Events between two rows: so many more are looked at than need be."""

_LAST = 'SELECT at, "offset" FROM moments ORDER BY at DESC LIMIT 1'


def create(sql: sqlite3.Connection) -> None:
    """Make the table, for the events that are there."""
    sql.execute(
        'CREATE TABLE moments (at INTEGER PRIMARY KEY, "offset" INTEGER NOT NULL)'
    )
    (last,) = sql.execute('SELECT coalesce(max("offset"), 0) FROM events').fetchone()
    for offset in range(EVERY, last + 1, EVERY):
        note(sql, offset - 1, offset)


def note(sql: sqlite3.Connection, before: int, after: int) -> None:
    """The journal grew from one offset to another; in the same transaction."""
    if before // EVERY == after // EVERY:
        return
    at, offset = sql.execute(_LAST).fetchone() or (0, 0)
    upto = after // EVERY * EVERY
    (latest,) = sql.execute(
        'SELECT max(at) FROM events WHERE "offset" > ? AND "offset" <= ?',
        (offset, upto),
    ).fetchone()
    # A later one of the same time says more.
    values = max(at, latest or 0), upto
    sql.execute("INSERT OR REPLACE INTO moments VALUES (?, ?)", values)


def offset_before(sql: sqlite3.Connection, at: int) -> int:
    """An offset up to which all events are from before this time (ms)."""
    row = sql.execute(
        'SELECT "offset" FROM moments WHERE at < ? ORDER BY at DESC LIMIT 1', (at,)
    ).fetchone()
    return int(row[0]) if row else 0
