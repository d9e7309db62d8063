"""SQLite's errors in words for a tired operator: what it means and what to do."""

import contextlib
import sqlite3
from collections.abc import Iterator

from engine.errors import (
    JournalError,
    StoreDamaged,
    StoreUnavailable,
    StoreUnreadable,
)
from engine.store.sqlite.checksum import DamagedEpochs

__all__ = ["ForeignHand", "explain", "explained", "is_fatal", "unreadable"]


class ForeignHand(sqlite3.DatabaseError):
    """Somebody else writes in the database: what we know of it is not so any more."""

    def __init__(self) -> None:
        super().__init__("another program has written events or payments in it")


_FATAL = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNKNOWN = (
    "unless somebody changed the file by hand it is damaged: keep a copy of it and its"
    " -wal, restore a backup or run `sqlite3 .recover`"
)


def is_fatal(error: sqlite3.Error) -> bool:
    is_foreign = isinstance(error, ForeignHand)
    return is_foreign or getattr(error, "sqlite_errorcode", 0) & 0xFF in _FATAL


def unreadable(error: sqlite3.Error) -> StoreUnreadable:
    """What SQLite says of a read, as the port has it."""
    may_pass = isinstance(error, sqlite3.OperationalError)
    kind = StoreUnavailable if may_pass else StoreDamaged
    return kind(str(error), _advice(error))


def _advice(error: sqlite3.Error) -> str:
    """What it means and what to do, in words for a tired operator."""
    if isinstance(error, ForeignHand):
        return (
            "nothing more is written: find that program (`fuser` names it) and end it,"
            " run `paybell replay --check`, and start the node again, or restore a"
            " backup"
        )
    if isinstance(error, DamagedEpochs):
        return (
            "ids of events follow from it, so the node does not start: keep a copy of"
            " the file and its -wal, and put a backup in its place (`paybell restore`)"
        )
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return {
        sqlite3.SQLITE_FULL: "the disk is full: free space; nothing was lost",
        sqlite3.SQLITE_BUSY: "another process holds the database: stop it",
        sqlite3.SQLITE_LOCKED: "another process holds the database: stop it",
        sqlite3.SQLITE_CORRUPT: "the file is damaged: stop the node, keep a copy of"
        " the file and its -wal, restore a backup or run `sqlite3 .recover`",
        sqlite3.SQLITE_NOTADB: "the file is not a database, or is damaged: was --db"
        " meant to name another file?",
        sqlite3.SQLITE_READONLY: "the file is not writable: check its owner and mode",
        sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: check the folder exists"
        " and is writable",
        sqlite3.SQLITE_IOERR: "the disk gave an input/output error: check it",
    }.get(code, _UNKNOWN)


def explain(error: sqlite3.Error, path: str) -> str:
    return f"database {path}: {error}; {_advice(error)}"


@contextlib.contextmanager
def explained(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(explain(error, path)) from error
    except UnicodeDecodeError as error:  # SQLite's own error quotes what is damaged
        raise JournalError(
            f"database {path}: what stands in it is no text; {_UNKNOWN}"
        ) from error
