"""The journal: SQLite, WAL, `synchronous=FULL`, group commit. The only writer.

`Journal` is synchronous and lives in one native thread (of `threads.py`), because
SQLite under gevent must never be entered from two threads, or interrupted. It is also
the only connection that writes or checkpoints: SQLite up to 3.51.2 can corrupt a WAL
when two connections do.

A batch of writes is one transaction and one fsync. The projection of payments and the
outbox of every channel are written in the same transaction as the events: there is no
moment in which an event exists and its delivery does not.
"""

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import sqlite_utils

from engine.errors import JournalError
from engine.store.sqlite import migrations
from engine.store.sqlite.bulk import Bulk
from engine.store.sqlite.high_water_mark import HighWaterMark, acked, marks_of
from engine.store.sqlite.trouble import explain, explained, is_fatal
from engine.store.sqlite.wal import has_lost_commits
from engine.store.writes import Committed, Conflict, Outcome, Unavailable, Write

__all__ = ["CHECKPOINT_PAGES", "Journal"]

_UNWRITABLE = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    TypeError,
    ValueError,
    AssertionError,
)
"""What is wrong with one write, not with the database: a key that is taken, or a bug
that made a value no column can hold, or a write that nobody can mean. It must not cost
the writes beside it."""

CHECKPOINT_PAGES = 8_000
"""32 MB of WAL: the commit that fills them copies them into the database, and takes
longer for it. That should be seldom; most pages are in the WAL many times and copied
once. More would be long to look through after a crash (`wal.py`: half a second)."""

CACHE_KIB = 16_000
"""The upper pages of all trees of millions of payments."""


class Journal:
    """One connection, one thread. See the module docstring."""

    def __init__(
        self,
        path: str | Path,
        *,
        synchronous: str = "FULL",
        connection: sqlite3.Connection | None = None,
    ) -> None:
        """`connection`: go on with this one, which has the schema (the simulation's
        database, in memory, that outlives a crash of the simulated process)."""
        self.path = str(path)
        self._sql = connection or _open(self.path, synchronous)
        with explained(self.path):
            self.last_offset: int = self._scalar('SELECT max("offset") FROM events')
            self._last_rank: int = self._scalar("SELECT max(rank) FROM payments")
        self._mark = None if connection else HighWaterMark(self.path, self.last_offset)

    def bind_network(self, network: str) -> None:
        """Make a new database this network's; refuse one that is another's.

        One script has an address in every network: mixed, test coins would pay for
        real orders. Raises `JournalError`.
        """
        with explained(self.path):
            self._sql.execute(
                "INSERT OR IGNORE INTO identity VALUES ('network', ?)", (network,)
            )
            query = "SELECT value FROM identity WHERE name = 'network'"
            (bound,) = self._sql.execute(query).fetchone()
        if bound != network:
            raise JournalError(
                f"database {self.path} holds payments of {bound}, not of {network}:"
                " name another file with --db, or another network with --network"
            )

    @property
    def connection(self) -> sqlite3.Connection:
        """For queries in the writer's own thread (simulation, tests, replay)."""
        return self._sql

    def checkpoint(self) -> None:
        """Copy the WAL into the database now, while nobody waits for a commit.

        What fails here (a full disk) fails the next commit too, which says so.
        """
        with contextlib.suppress(sqlite3.Error):
            self._sql.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Checkpoint and close; the WAL file goes away."""
        self._sql.close()
        if self._mark is not None:
            self._mark.close()

    def commit(self, batch: Sequence[Write]) -> list[Outcome]:
        """Write the batch in one transaction; one outcome for each, in order.

        If the transaction as a whole fails (disk full, locked, damaged) every outcome
        is `Unavailable` and nothing was written. Never raises `sqlite3.Error`.
        """
        before = self.last_offset, self._last_rank
        try:
            outcomes = self._transaction(batch)
        except BaseException as error:
            self.last_offset, self._last_rank = before
            with contextlib.suppress(sqlite3.Error):
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
            if not isinstance(error, sqlite3.Error):
                raise
            # Strangers see it at /ready: the file's name, not where it lies.
            reason = explain(error, Path(self.path).name)
            failure = Unavailable(reason, fatal=is_fatal(error))
            return [failure] * len(batch)
        assert len(outcomes) == len(batch)
        if self._mark is not None:
            self._mark.note(self.last_offset)
        return outcomes

    def _transaction(self, batch: Sequence[Write]) -> list[Outcome]:
        """All together; if anything stands in the way, each for itself."""
        outcomes: list[Outcome]
        self._sql.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [*self._write(batch)]
        except _UNWRITABLE:
            self._sql.execute("ROLLBACK")
            self._sql.execute("BEGIN IMMEDIATE")
            outcomes = [self._write_safely(write) for write in batch]
        self._sql.execute("COMMIT")
        return outcomes

    def _write_safely(self, write: Write) -> Outcome:
        """One write in a savepoint of its own: a conflict undoes only this one."""
        self._sql.execute("SAVEPOINT one")
        try:
            (committed,) = self._write((write,))
        except _UNWRITABLE as error:
            self._sql.execute("ROLLBACK TO one")
            self._sql.execute("RELEASE one")
            return Conflict(_conflict_of(error), str(error) or repr(error))
        self._sql.execute("RELEASE one")
        return committed

    def _write(self, writes: Sequence[Write]) -> list[Committed]:
        bulk = Bulk(self._sql, self.last_offset, self._last_rank)
        for write in writes:
            bulk.add(write)
        committed = bulk.finish()
        self.last_offset, self._last_rank = bulk.offset, bulk.rank
        return committed

    def _scalar(self, query: str) -> int:
        row = self._sql.execute(query).fetchone()
        return int(row[0] or 0)


def _open(path: str, synchronous: str) -> sqlite3.Connection:
    """The writing connection, in WAL mode, with the schema of today."""
    _check_wal(path)
    _check_mark(path)
    with explained(path):
        connection = sqlite3.connect(path, timeout=5.0)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        _lock_for_writing(connection)
        migrations.apply(sqlite_utils.Database(connection))
        connection.isolation_level = None
    return connection


def _check_wal(path: str) -> None:
    """Before SQLite reads the WAL: it drops what it cannot read without a word."""
    try:
        is_damaged = has_lost_commits(Path(f"{path}-wal"))
    except OSError:
        return  # SQLite will say what is wrong with it, better than we could
    if is_damaged:
        raise JournalError(
            f"database {path}: its -wal is damaged: commits behind the damage were"
            " complete and can no longer be read; nothing was changed. Check the disk,"
            " keep a copy of both files, and restore a backup; or, to go on without"
            f" these commits, run `sqlite3 {path} 'PRAGMA wal_checkpoint(TRUNCATE)'`"
            " and then `run.py replay --check`"
        )


def _check_mark(path: str) -> None:
    """Before we write: is everything there that was acknowledged?

    Through a connection that cannot checkpoint, so that the files stay as they are.
    """
    wanted = acked(path)
    if not wanted or not Path(path).exists():
        return  # nothing was acknowledged, or this is a new database
    try:
        uri = f"{Path(path).absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as reader:
            tables = "SELECT count(*) FROM sqlite_master WHERE name = 'events'"
            (is_there,) = reader.execute(tables).fetchone()
            query = 'SELECT max("offset") FROM events'
            (last,) = reader.execute(query).fetchone() if is_there else (0,)
    except (sqlite3.Error, UnicodeDecodeError):
        return  # opening it for writing says what is wrong
    if (last or 0) < wanted:
        marks = " and ".join(str(mark) for mark in marks_of(path))
        raise JournalError(
            f"database {path} ends with event {last or 0}, but event {wanted} was"
            " acknowledged: the file or its -wal was cut off, or an older one was put"
            " in its place; nothing was changed. Check the disk, keep a copy of both"
            " files, and restore a backup; to go on with what is there, remove"
            f" {marks} and run `run.py replay --check`"
        )


def _lock_for_writing(connection: sqlite3.Connection) -> None:
    """Find out now, not at the first payment, whether we can write."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def _conflict_of(error: Exception) -> str:
    text = str(error)
    for table_and_column, what in (
        ("payments.address", "address"),
        ("events.payment_id", "seq"),
        ("idempotency.", "idempotency"),
        ("inbound.", "inbound"),
    ):
        if table_and_column in text:
            return what
    return "other"
