"""A backup: one file with all that was committed at one moment, made beside a node.

`VACUUM INTO` reads the database in one read transaction, through a connection that can
neither write nor checkpoint, in whatever process asks for it: a running node commits
on meanwhile, and there is never a second writer or checkpointer (SQLite up to 3.51.2
can corrupt a WAL when two connections write or checkpoint at once). What the node
commits meanwhile stays in the WAL, which grows by that until the backup is done.

SQLite does not sync what `VACUUM INTO` writes; we do. The file gets its name only when
it is whole. A note in it (`BACKUP_NOTE`) says that it is a backup: as it is, no node
goes on with it; see `restore.py`. Called by a command, in its only thread.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.errors import BackupError, DatabaseInUse
from engine.store.sqlite.high_water_mark import acked
from engine.store.sqlite.lock import DatabaseLock
from engine.store.sqlite.opening import BACKUP_NOTE, reading
from engine.store.sqlite.trouble import explain

__all__ = ["BackupNote", "copy_into", "make_backup", "note_in", "sync"]


class BackupNote(msgspec.Struct, frozen=True):
    """What a backup says of itself. Times in ms."""

    made_at: int
    last_offset: int  # of the last event that is in it


def make_backup(db: str, target: Path, made_at: int) -> BackupNote:
    """Write all that is committed into this new file, beside a node that runs or not.

    Raises `CannotOpenStore`; then there is no such file.
    """
    if not Path(db).exists():
        raise BackupError(f"there is no database {db}; name it with --db")
    if os.path.lexists(target):
        raise BackupError(f"{target} exists already; name a new file")
    wanted = acked(db)  # what was acknowledged before we began
    draft = Path(f"{target}.part")
    with _held_if_idle(db), _gone_unless_done(draft):
        copy_into(db, draft)
        with _told(draft):
            note = _mark_as_backup(draft, made_at)
        if note.last_offset < wanted:
            raise BackupError(
                f"database {db} ends with event {note.last_offset}, but event {wanted}"
                " was acknowledged: it is not whole, and no backup was made of it. See"
                " `paybell doctor`"
            )
        sync(draft)
        draft.rename(target)
        sync(target.absolute().parent)
    return note


def copy_into(db: str | Path, draft: Path) -> None:
    """All that is committed in the database, as one new file. Raises `BackupError`."""
    draft.unlink(missing_ok=True)  # of one that was cut off
    try:
        with reading(db, query_only=False) as sql:
            sql.execute("VACUUM INTO ?", (str(draft.absolute()),))
        draft.chmod(0o600)
    except (sqlite3.Error, OSError) as error:
        draft.unlink(missing_ok=True)
        if _is_full(draft.absolute().parent):
            text = f"there is no room for {draft}: free space, or name another folder"
            raise BackupError(text) from error
        reason = explain(error, str(db)) if isinstance(error, sqlite3.Error) else error
        raise BackupError(f"no copy was made: {reason}") from error


def note_in(sql: sqlite3.Connection) -> BackupNote | None:
    """The note of a backup, if this is one that was not restored yet."""
    try:
        row = sql.execute(
            f"SELECT made_at, last_offset FROM {BACKUP_NOTE}"  # noqa: S608
        ).fetchone()
    except sqlite3.OperationalError:
        return None
    return None if row is None else BackupNote(*row)


def sync(path: Path) -> None:
    """A file's content, or a folder's names, onto the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _mark_as_backup(draft: Path, made_at: int) -> BackupNote:
    with contextlib.closing(sqlite3.connect(draft)) as sql, sql:
        tables = "SELECT count(*) FROM sqlite_master WHERE name = 'events'"
        (has_events,) = sql.execute(tables).fetchone()
        query = 'SELECT coalesce(max("offset"), 0) FROM events'
        (last,) = sql.execute(query).fetchone() if has_events else (0,)
        sql.execute(f"DROP TABLE IF EXISTS {BACKUP_NOTE}")
        sql.execute(
            f"CREATE TABLE {BACKUP_NOTE} (made_at INTEGER, last_offset INTEGER)"
        )
        values = made_at, last
        sql.execute(f"INSERT INTO {BACKUP_NOTE} VALUES (?, ?)", values)  # noqa: S608
    return BackupNote(*values)


@contextlib.contextmanager
def _held_if_idle(db: str) -> Iterator[None]:
    """While no node has it, none may begin: it would find us in its way."""
    lock = DatabaseLock(db)
    try:
        lock.__enter__()
    except DatabaseInUse:
        yield  # a node: it lets readers in at any time
        return
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


@contextlib.contextmanager
def _gone_unless_done(draft: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for suffix in ("", "-journal"):
            with contextlib.suppress(OSError):
                Path(f"{draft}{suffix}").unlink()
        raise


@contextlib.contextmanager
def _told(draft: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise BackupError(
            f"no backup was made: {explain(error, str(draft))}"
        ) from error


def _is_full(folder: Path) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < 1_000_000
