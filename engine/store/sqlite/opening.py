"""Looked at before a database is opened for writing: may we go on with this one?

All of it through eyes that change nothing: when we refuse, the files are as they were,
for whoever comes to mend them. Called by the journal, in its native thread. (A file it
has open must not be opened and closed beside it: that would drop SQLite's locks; so
the database itself is looked at through SQLite, by a connection that cannot write.)
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from engine.errors import JournalError
from engine.files.database_files import beside, real
from engine.store.sqlite import migrations
from engine.store.sqlite.high_water_mark import acked, marks_of
from engine.store.sqlite.wal import has_lost_commits

__all__ = ["BACKUP_NOTE", "look_before_opening", "newer_than_we", "reading"]

BACKUP_NOTE = "paybell_backup"
"""The table by which a file is known for a backup that was not yet restored."""


def look_before_opening(path: str) -> None:
    """Raises `JournalError`, one line that says why not and how to mend it."""
    _check_wal(path)
    wanted = acked(path)  # first: a node that runs (the doctor looks) goes on
    if Path(path).exists():
        try:
            with reading(path) as sql:
                tables = _tables(sql)
                last = _last_offset(sql, tables)
                newer = newer_than_we(sql)
        except (sqlite3.Error, UnicodeDecodeError):
            return  # opening it for writing says what is wrong
    else:
        tables, last, newer = set(), 0, None
    if newer is not None:
        raise JournalError(
            f"database {path} was last used by a newer version of Paybell: {newer}."
            " Nothing was changed. Start that version again; to go back to this one,"
            " restore a backup from before the upgrade (paybell restore)"
        )
    if BACKUP_NOTE in tables:
        raise JournalError(
            f"database {path} is a backup that was put here by hand. Started so, its"
            " new events would get ids that shops know already, and take for repeats:"
            f" run `paybell restore {path} --db {path}` first"
        )
    _check_mark(path, last, wanted)


@contextlib.contextmanager
def reading(
    path: str | Path, *, query_only: bool = True
) -> Iterator[sqlite3.Connection]:
    """A connection that can neither write nor checkpoint. `query_only` False: but it
    may write other files (`VACUUM INTO`)."""
    uri = f"{Path(real(path)).as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as sql:
        sql.execute(f"PRAGMA query_only={int(query_only)}")
        yield sql


def newer_than_we(sql: sqlite3.Connection) -> str | None:
    """In words, what this database has that only a newer version can have made."""
    try:
        rows = sql.execute(
            "SELECT name FROM _sqlite_migrations WHERE migration_set = 'paybell'"
        ).fetchall()
    except sqlite3.OperationalError:
        return None  # it has no schema yet
    known = migrations.names()
    unknown = sorted({str(name) for (name,) in rows} - set(known))
    if not unknown:
        return None
    return f"its schema has {unknown[-1]}, this version knows it up to {known[-1]}"


def _tables(sql: sqlite3.Connection) -> set[str]:
    rows = sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in rows}


def _last_offset(sql: sqlite3.Connection, tables: set[str]) -> int:
    if "events" not in tables:
        return 0
    (last,) = sql.execute('SELECT max("offset") FROM events').fetchone()
    return int(last or 0)


def _check_wal(path: str) -> None:
    """Before SQLite reads the WAL: it drops what it cannot read without a word."""
    try:
        is_damaged = has_lost_commits(beside(path, "-wal"))
    except OSError:
        return  # SQLite will say what is wrong with it, better than we could
    if is_damaged:
        raise JournalError(
            f"database {path}: its -wal is damaged: commits behind the damage were"
            " complete and can no longer be read; nothing was changed. Check the disk,"
            " keep a copy of both files, and restore a backup; or, to go on without"
            f" these commits, run `sqlite3 {path} 'PRAGMA wal_checkpoint(TRUNCATE)'`"
            " and then `paybell replay --check`"
        )


def _check_mark(path: str, last: int, wanted: int) -> None:
    """Is everything there that was acknowledged?"""
    if last >= wanted:
        return
    marks = " and ".join(str(mark) for mark in marks_of(path))
    if not Path(path).exists() or not Path(path).stat().st_size:
        raise JournalError(
            f"database {path} is gone or empty, but event {wanted} was acknowledged"
            f" (by {marks}): restore a backup with `paybell restore`; to begin anew,"
            f" with no payment, remove {marks}"
        )
    raise JournalError(
        f"database {path} ends with event {last}, but event {wanted} was"
        " acknowledged: the file or its -wal was cut off, or an older one was put"
        " in its place; nothing was changed. Check the disk, keep a copy of both"
        " files, and restore a backup with `paybell restore` (it takes this file, too);"
        f" to go on with what is there, remove {marks} and run `paybell replay --check`"
    )
