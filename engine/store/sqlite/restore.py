"""A restore: a backup in the place of a database, as a new life of it.

What was committed after the backup is lost, and some of it was told. So the database
that goes on from here begins a new epoch (its events to come have ids that nobody has
seen), and the chain is read again from where the backup had read it, so that money
that was paid meanwhile to addresses that it knows is found.

Nothing is put in place before all of it was looked at, and nothing that was there is
deleted: it is moved aside, the `-wal` with its database. Cut off at any moment this
leaves the old database, or the new one, or neither beside the old one's mark, and then
no node starts until the restore is done again. Called by a command, which holds the
lock of the database; no node runs.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import msgspec

from engine.errors import BackupError
from engine.files.database_files import real
from engine.store.sqlite import till
from engine.store.sqlite.audit import damaged_rows
from engine.store.sqlite.backup import BackupNote, copy_into, note_in, sync
from engine.store.sqlite.carried_indexes import carry_indexes
from engine.store.sqlite.carried_keys import carry_keys
from engine.store.sqlite.checksum import Damaged
from engine.store.sqlite.high_water_mark import (
    HighWaterMark,
    acked,
    marks_of,
    path_of,
)
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.lock import DatabaseLock
from engine.store.sqlite.made_with_key import relies_on_key
from engine.store.sqlite.opening import BACKUP_NOTE, newer_than_we, reading
from engine.store.sqlite.trouble import explain
from engine.store.writes import NO_PLACE, SourceTip

__all__ = ["Contents", "Replaced", "Restore"]

MAX_DAMAGED = 20


class Contents(msgspec.Struct, frozen=True):
    """What there is in a backup. Times in ms."""

    note: BackupNote | None  # None: a copy that was made by hand
    last_offset: int
    last_at: int | None  # when the last event was
    payments: int
    watched: int
    tip: SourceTip | None  # how far the chain was read
    relies_on_key: bool
    holds_drawn_keys: bool  # wallets whose keys are drawn one by one
    damaged: list[str]  # a line for each row that is not as it was written


class Replaced(msgspec.Struct, frozen=True):
    """What there was in the database's place. `last_offset` None: it is unreadable."""

    last_offset: int | None
    is_older_part: bool  # all of it is in the backup, too


class Restore:
    """One restore: `look`, then `accept`. A context manager that holds the place.

    Every method raises `CannotOpenStore`, and has changed nothing then.
    """

    def __init__(self, source: Path, db: str) -> None:
        self._source = source
        self._db = db
        self._lock = DatabaseLock(db)
        self._draft = Path(f"{real(db)}.restoring")

    def __enter__(self) -> "Restore":
        if not self._source.is_file():
            raise BackupError(f"there is no backup {self._source}")
        self._lock.__enter__()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        _remove_with_side_files(self._draft)
        self._lock.__exit__(None, None, None)

    def look(self) -> Contents:
        """Copy the backup to where it is to be, and look at all of it."""
        _remove_with_side_files(self._draft)
        with self._readable():
            self._check_source()
            copy_into(self._source, self._draft)
            note = self._begin_anew()
            with reading(self._draft) as sql:
                return self._contents(sql, note)

    def replaced(self) -> Replaced | None:
        """What is in its place now; None: nothing that was ever used."""
        place = Path(real(self._db))
        if not place.exists() or not place.stat().st_size:
            return None
        try:
            with reading(self._db) as there, reading(self._draft) as ours:
                last = _last_offset(there)
                same = _event(there, last) == _event(ours, last)
                return Replaced(last, is_older_part=same)
        except (sqlite3.Error, UnicodeDecodeError):
            return Replaced(None, is_older_part=False)

    def carry_keys(self) -> int | None:
        """Take over the wallets' keys that only the database in its place has; how
        many. None: it cannot be read, and they are lost if it had any. And addresses
        that it gave out are not given out again."""
        if not Path(real(self._db)).exists() or self._is_in_place():
            return 0
        try:
            with (
                reading(self._db) as there,
                closing(sqlite3.connect(self._draft)) as ours,
                ours,
            ):
                carried = carry_keys(there, ours)
                with contextlib.suppress(Damaged):  # `look` has named that row
                    carry_indexes(there, ours)
        except (sqlite3.Error, UnicodeDecodeError):
            return None
        sync(self._draft)
        return carried

    def acknowledged(self) -> int:
        """The last event that the lost node acknowledged, if its mark is there."""
        return acked(self._db)

    def accept(self, name_of_old: str) -> None:
        """Put the backup in place. What is there gets `name_of_old` behind its name."""
        place, old = Path(real(self._db)), f"{real(self._db)}.{name_of_old}"
        marks = marks_of(self._db)
        for suffix in ("-wal", "-shm", ""):  # a WAL would be applied to any database
            there = Path(f"{place}{suffix}")
            if there.exists() and (suffix or there.stat().st_size):
                there.rename(f"{old}{suffix}")
        self._draft.rename(place)
        sync(place.parent)
        for mark in marks:
            mark.rename(f"{old}{mark.suffix}")
        path_of(self._draft).rename(path_of(self._db))
        sync(place.parent)

    def _check_source(self) -> None:
        with reading(self._source) as sql:
            newer = newer_than_we(sql)
            tables = "SELECT count(*) FROM sqlite_master WHERE name = 'events'"
            (has_events,) = sql.execute(tables).fetchone()
            last = _last_offset(sql) if has_events else 0
        if newer is not None:
            raise BackupError(
                f"{self._source} is of a newer version of Paybell: {newer}. Restore it"
                " with that version"
            )
        wanted = 0 if self._is_in_place() else acked(self._source)
        if last < wanted:
            raise BackupError(
                f"{self._source} ends with event {last}, but by the .acked beside it"
                f" event {wanted} was acknowledged: what was in its -wal is missing."
                " Copy that, too, or take another backup"
            )
        if not has_events:
            raise BackupError(
                f"{self._source} holds no events and is no backup. If it is a copy of"
                " a running node's file, what was committed is in the -wal beside"
                " that: make backups with `paybell backup`"
            )

    def _is_in_place(self) -> bool:
        place = Path(real(self._db))
        return place.exists() and self._source.samefile(place)

    def _begin_anew(self) -> BackupNote | None:
        """Make the draft a database of today, of a new epoch, all on the disk."""
        with closing(sqlite3.connect(self._draft)) as sql, sql:
            (verdict,) = sql.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise BackupError(f"{self._source} is damaged: {verdict}; take another")
            note = note_in(sql)
            sql.execute(f"DROP TABLE IF EXISTS {BACKUP_NOTE}")
            last = _last_offset(sql)
        HighWaterMark(self._draft, last).close()
        with closing(Journal(self._draft)) as journal:
            journal.begin_epoch()
            till.pause_restored(journal.connection)
        sync(self._draft)
        return note

    def _contents(self, sql: sqlite3.Connection, note: BackupNote | None) -> Contents:
        query = 'SELECT at FROM events ORDER BY "offset" DESC LIMIT 1'
        newest = sql.execute(query).fetchone()
        payments = "SELECT count(*), coalesce(sum(watched), 0) FROM payments"
        count, watched = sql.execute(payments).fetchone()
        marks = ", ".join("?" * len(NO_PLACE))
        tip = sql.execute(
            "SELECT source, height, hash FROM source_tips"  # noqa: S608 - placeholders
            f" WHERE source NOT IN ({marks}) ORDER BY height DESC LIMIT 1",
            NO_PLACE,
        ).fetchone()
        return Contents(
            note=note,
            last_offset=_last_offset(sql),
            last_at=newest[0] if newest else None,
            payments=count,
            watched=watched,
            tip=None if tip is None else SourceTip(*tip),
            relies_on_key=relies_on_key(sql),
            holds_drawn_keys=bool(
                sql.execute("SELECT EXISTS (SELECT 1 FROM wallet_keys)").fetchone()[0]
            ),
            damaged=list(islice(damaged_rows(sql), MAX_DAMAGED)),
        )

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            text = explain(error, str(self._source))
            raise BackupError(f"it cannot be restored: {text}") from error
        except (UnicodeDecodeError, OSError) as error:
            text = f"{self._source} cannot be restored: {error}"
            raise BackupError(text) from error


def _last_offset(sql: sqlite3.Connection) -> int:
    (last,) = sql.execute('SELECT max("offset") FROM events').fetchone()
    return int(last or 0)


def _event(sql: sqlite3.Connection, offset: int) -> tuple[object, ...] | None:
    """What tells an event from another of the same offset."""
    found: tuple[object, ...] | None = sql.execute(
        'SELECT payment_id, seq, type, at FROM events WHERE "offset" = ?', (offset,)
    ).fetchone()
    return found


def _remove_with_side_files(draft: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal", ".acked"):
        Path(f"{draft}{suffix}").unlink(missing_ok=True)
