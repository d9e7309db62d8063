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
from engine.payment.model import Payment, Terms
from engine.store.orders import in_turn, refused_speakers, speakers, speaks, told
from engine.store.sqlite import migrations, queries
from engine.store.sqlite.bulk import Bulk
from engine.store.sqlite.high_water_mark import HighWaterMark, marks_of
from engine.store.sqlite.listing import payments_of_order
from engine.store.sqlite.opening import look_before_opening
from engine.store.sqlite.trouble import ForeignHand, explain, explained, is_fatal
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

_OURS = ("seq", "other")
"""What no client can bring about, while nobody but us writes: a conflict of them is a
bug, or a stranger's doing."""

CHECKPOINT_PAGES = 8_000
"""32 MB of WAL: the commit that fills them copies them into the database, and takes
longer for it. That should be seldom; most pages are in the WAL many times and copied
once. More would be long to look through after a crash (`wal.py`: half a second)."""

CACHE_KIB = 10_000
"""The upper pages of all trees of millions of payments; the rest is in the system's
cache. With 16,000 an event cost as much of the processor (46.5 µs beside 45.3)."""


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
        is_from_elsewhere = not (connection or _is_new(path) or marks_of(path))
        if not connection and _is_new(path) and not marks_of(path):
            # First of all: a start that is cut off after the database was made, and
            # before its mark, would look like a database that came from elsewhere.
            HighWaterMark(self.path, 0).close()
        self._sql = connection or _open(self.path, synchronous)
        with explained(self.path):
            self.last_offset: int = self._scalar('SELECT max("offset") FROM events')
            self._last_rank: int = self._scalar("SELECT max(rank) FROM payments")
            self.epoch = queries.epochs(self._sql).present
            # Changes when another connection commits, which only a stranger's does.
            self._data_version = self._scalar("PRAGMA data_version")
        self._ended: Unavailable | None = None  # why nothing is written any more
        self._mark = None if connection else HighWaterMark(self.path, self.last_offset)
        if is_from_elsewhere and self._mark and self._mark.is_kept:
            # It was copied here, or its mark was taken away so that an older one is
            # gone on with: events of the same offsets may have been told before.
            self.begin_epoch()

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

    def begin_epoch(self) -> str:
        """Events from the next one on are of a new life of this database, as after a
        restore: their ids and cursors are none that were given out before."""
        with explained(self.path):
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                self.epoch = migrations.begin_epoch(self._sql)
            except BaseException:
                self._sql.execute("ROLLBACK")
                raise
            self._sql.execute("COMMIT")
        return self.epoch

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
        if self._ended is not None:
            return [self._ended] * len(batch)
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
            if isinstance(error, ForeignHand):
                self._ended = failure
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
            outcomes = [*self._write(batch, speakers(batch))]
        except _UNWRITABLE:
            outcomes = self._each_for_itself(batch)
        self._sql.execute("COMMIT")
        return outcomes

    def _each_for_itself(self, batch: Sequence[Write]) -> list[Outcome]:
        """A write that is refused has paid nothing. If others may have said that it
        did, all is done once more, and they say what is so without it."""
        before = self.last_offset, self._last_rank
        refused: set[int] = set()
        while True:
            self._sql.execute("ROLLBACK")
            self._sql.execute("BEGIN IMMEDIATE")
            self.last_offset, self._last_rank = before
            ahead = speakers([w for n, w in enumerate(batch) if n not in refused])
            found = {n: self._write_safely(batch[n], ahead) for n in in_turn(batch)}
            new = {n for n in refused_speakers(batch, found) if n not in refused}
            if not new or len(ahead) == 1:
                return [found[number] for number in range(len(batch))]
            refused |= new

    def _write_safely(self, write: Write, ahead: dict[str, Payment]) -> Outcome:
        """One write in a savepoint of its own: a conflict undoes only this one."""
        self._sql.execute("SAVEPOINT one")
        try:
            (committed,) = self._write((write,), ahead)
        except _UNWRITABLE as error:
            self._sql.execute("ROLLBACK TO one")
            self._sql.execute("RELEASE one")
            what = _conflict_of(error)
            if what == "offset" or (what in _OURS and self._has_stranger()):
                raise ForeignHand from error
            return Conflict(what, _WORDS.get(what) or str(error) or repr(error))
        self._sql.execute("RELEASE one")
        return committed

    def _write(
        self, writes: Sequence[Write], ahead: dict[str, Payment]
    ) -> list[Committed]:
        """`ahead`: `orders.speakers` of the whole batch."""
        bulk = Bulk(self._sql, self.last_offset, self._last_rank, self.epoch)
        turns = in_turn(writes) if ahead else range(len(writes))
        has_spoken = False
        for number in turns:
            write = writes[number]
            if ahead and speaks(write):
                if not has_spoken:
                    bulk.flush()  # what the others write is there to be seen
                    has_spoken = True
                write = told(write, ahead, self._payments_of_order)
            bulk.add(write)
        committed = bulk.finish()
        self.last_offset, self._last_rank = bulk.offset, bulk.rank
        if not has_spoken:
            return committed
        return [one for _, one in sorted(zip(turns, committed, strict=True), key=_turn)]

    def _payments_of_order(self, terms: Terms) -> list[Payment]:
        return payments_of_order(self._sql, terms)

    def _has_stranger(self) -> bool:
        """Whether another connection has committed since we opened the database."""
        return self._scalar("PRAGMA data_version") != self._data_version

    def _scalar(self, query: str) -> int:
        row = self._sql.execute(query).fetchone()
        return int(row[0] or 0)


def _turn(pair: tuple[int, Committed]) -> int:
    return pair[0]


def _is_new(path: str | Path) -> bool:
    """Whether there is nothing yet in the place of the database."""
    try:
        return Path(path).stat().st_size == 0
    except OSError:
        return True


def _open(path: str, synchronous: str) -> sqlite3.Connection:
    """The writing connection, in WAL mode, with the schema of today."""
    look_before_opening(path)
    with explained(path):
        connection = sqlite3.connect(path, timeout=5.0)
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            # It must stand before the first table. `OfflineDatabase.compact` does it
            # for a database that was made without.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        _lock_for_writing(connection)
        migrations.apply(sqlite_utils.Database(connection))
        connection.isolation_level = None
    return connection


def _lock_for_writing(connection: sqlite3.Connection) -> None:
    """Find out now, not at the first payment, whether we can write."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


_WORDS = {
    "seq": "payment was changed meanwhile",
    "address": "address is watched by another payment",
    "idempotency": "Idempotency-Key was used before",
    "inbound": "webhook was heard before",
    "wallet": "address was drawn for another payment",
    "outgoing": "its coins are in another transaction, or it was moved meanwhile",
    "till": "it is sent on already, or its forward was moved meanwhile",
    "balance": "the account has not so much",
    "cause": "it was booked before",
}
"""What a conflict is to whoever is told of it: no column, no SQL."""


def _conflict_of(error: Exception) -> str:
    text = str(error)
    for table_and_column, what in (
        ("events.offset", "offset"),
        ("payments.rank", "offset"),
        ("payments.address", "address"),
        ("invoices.", "address"),
        ("events.payment_id", "seq"),
        ("idempotency.", "idempotency"),
        ("inbound.", "inbound"),
        ("ledger_balances.balance:", "balance"),
        ("ledger.payment_id", "cause"),
        ("refunds.", "refund"),
        ("wallet_addresses.", "wallet"),
        ("till_forwards", "till"),
        ("outgoing", "outgoing"),
    ):
        if table_and_column in text:
            return what
    return "other"
