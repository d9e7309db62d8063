"""Where a time begins and ends in a table, without an index of it by time.

Times of events go up with their offsets but for a clock that was put back, or a commit
that was slow; those of payments' creation with their ranks. So every `EVERY` rows it is
noted: up to this place none is of a later time than this; and, after that place none is
of an earlier one. An index would cost each commit a page; this costs one in so many
rows. The second kind of note is taken back by a row that makes it wrong.
"""

import sqlite3
from typing import NamedTuple

__all__ = [
    "EVENTS",
    "EVERY",
    "PAYMENTS",
    "Track",
    "create",
    "note",
    "note_all",
    "offset_before",
    "place_after",
    "place_before",
]

EVERY = 1_000
"""Rows between two notes: so many more are looked at than need be."""


class Track(NamedTuple):
    """A table whose rows come in the order of time, nearly, and its two of notes."""

    rows: str
    place: str  # the column that goes up
    time: str
    upto: str  # (at, <upto_place>): up to there none is later
    upto_place: str
    since: str  # (at, place): after there, up to the last note, none is earlier


EVENTS = Track("events", '"offset"', "at", "moments", '"offset"', "moments_since")
PAYMENTS = Track(
    "payments", "rank", "created_at", "created_moments", "place", "created_since"
)


def create(sql: sqlite3.Connection) -> None:
    """Make the first table, for the events that are there."""
    sql.execute(
        'CREATE TABLE moments (at INTEGER PRIMARY KEY, "offset" INTEGER NOT NULL)'
    )
    (last,) = sql.execute('SELECT coalesce(max("offset"), 0) FROM events').fetchone()
    at = 0
    for upto in range(EVERY, last + 1, EVERY):
        query = 'SELECT max(at) FROM events WHERE "offset" > ? AND "offset" <= ?'
        (latest,) = sql.execute(query, (upto - EVERY, upto)).fetchone()
        at = max(at, latest or 0)
        sql.execute("INSERT OR REPLACE INTO moments VALUES (?, ?)", (at, upto))


def note(sql: sqlite3.Connection, track: Track, before: int, after: int) -> None:
    """The table grew from one place to another; in the same transaction."""
    if before // EVERY == after // EVERY:
        return
    at, place = _last(sql, track)
    upto = after // EVERY * EVERY
    _note(sql, track, at, place, upto)


def note_all(sql: sqlite3.Connection, track: Track, last: int) -> None:
    """For the rows that are there up to a place, of which nothing is noted."""
    for upto in range(EVERY, last + 1, EVERY):
        at, place = _last(sql, track)
        _note(sql, track, at, place, upto)


def _last(sql: sqlite3.Connection, track: Track) -> tuple[int, int]:
    row = sql.execute(
        f"SELECT at, {track.upto_place} FROM {track.upto}"  # noqa: S608 - constants
        f" WHERE at = (SELECT max(at) FROM {track.upto})"
    ).fetchone()
    return row or (0, 0)


def _note(
    sql: sqlite3.Connection, track: Track, at: int, place: int, upto: int
) -> None:
    earliest, latest = sql.execute(
        f"SELECT min({track.time}), max({track.time}) FROM {track.rows}"  # noqa: S608
        f" WHERE {track.place} > ? AND {track.place} <= ?",
        (place, upto),
    ).fetchone()
    # A later one of the same time says more.
    sql.execute(
        f"INSERT OR REPLACE INTO {track.upto} VALUES (?, ?)",  # noqa: S608 - constants
        (max(at, latest or 0), upto),
    )
    if earliest is not None:
        sql.execute(f"DELETE FROM {track.since} WHERE at > ?", (earliest,))  # noqa: S608
        # An earlier one of the same time says more.
        sql.execute(
            f"INSERT OR IGNORE INTO {track.since} VALUES (?, ?)",  # noqa: S608
            (earliest, place),
        )


def offset_before(sql: sqlite3.Connection, at: int) -> int:
    """An offset up to which all events are from before this time (ms)."""
    return place_before(sql, EVENTS, at)


def place_before(sql: sqlite3.Connection, track: Track, at: int) -> int:
    """A place up to which all rows are from before this time (ms); 0: of none."""
    row = sql.execute(
        f"SELECT {track.upto_place} FROM {track.upto} WHERE at < ?"  # noqa: S608
        " ORDER BY at DESC LIMIT 1",
        (at,),
    ).fetchone()
    return int(row[0]) if row else 0


def place_after(sql: sqlite3.Connection, track: Track, at: int) -> int | None:
    """A place after which no row is from before this time (ms); None: of none."""
    _, noted = _last(sql, track)
    (newest,) = sql.execute(
        f"SELECT min({track.time}) FROM {track.rows} WHERE {track.place} > ?",  # noqa: S608
        (noted,),
    ).fetchone()
    if newest is not None and newest < at:
        return None
    row = sql.execute(
        f"SELECT place FROM {track.since} WHERE at >= ? ORDER BY at LIMIT 1",  # noqa: S608
        (at,),
    ).fetchone()
    return int(row[0]) if row else noted
