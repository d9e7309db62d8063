"""A database that no node has open: for `paybell replay`, `keys` and `doctor`.

`OfflineDatabase` holds it alone, and may change it. `examine` only reads, and may do so
beside a running node. Both run in the caller's thread, however long that takes.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from engine.errors import OlderSchema
from engine.merchants.name import EVERYBODY
from engine.payment.model import Payment
from engine.store.records import ChannelRecord, MerchantRecord
from engine.store.replay import Difference
from engine.store.sqlite import outbox, queries, replay
from engine.store.sqlite.audit import damaged_beside, damaged_rows
from engine.store.sqlite.checksum import DamagedEpochs
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.lock import DatabaseLock
from engine.store.sqlite.made_with_key import relies_on_key
from engine.store.sqlite.reads import SqliteReads
from engine.store.sqlite.trouble import unreadable
from engine.store.writes import Outcome, Write

__all__ = ["SQLITE_VERSION", "Findings", "OfflineDatabase", "examine"]

SQLITE_VERSION = sqlite3.sqlite_version


class Findings(msgspec.Struct, frozen=True):
    """What `examine` saw. `check`: which of SQLite's own checks gave `verdict`."""

    check: str
    verdict: str  # "ok" if SQLite found nothing wrong
    events: int
    dead_deliveries: int
    waiting_deliveries: int
    active_keys: int
    channels: list[ChannelRecord]
    merchants: list[MerchantRecord]
    open_keys: list[
        str
    ]  # ids of keys that no merchant's name limits: they open nothing
    relies_on_key: bool  # it holds what only the key file opens
    damaged: list[str]  # a line for each row that is not as it was written


class OfflineDatabase(SqliteReads):
    """Reads, writes and mends it, while no node can.

    Raises `CannotOpenStore` on making it, `StoreUnreadable` later.
    """

    def __init__(self, path: str) -> None:
        self._lock = DatabaseLock(path)
        self._lock.__enter__()
        try:
            self._journal = Journal(path)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise

    def commit(self, write: Write) -> Outcome:
        (outcome,) = self._journal.commit([write])
        return outcome

    def begin_epoch(self) -> str:
        """What is committed from now on is of a new epoch: a restore was accepted."""
        self._epochs = None
        return self._journal.begin_epoch()

    def count_events(self) -> int:
        return self._ask(replay.count_events)

    def missing_events(self) -> int:
        """How many were taken out of the journal: its offsets have no gaps."""
        return self._ask(replay.missing_events)

    def differences(self) -> Iterator[tuple[int, Difference | None]]:
        """Every payment: the events it has, and how it differs from their fold."""
        with _readable():
            yield from replay.differences(self._journal.connection)

    def damaged_beside(self, limit: int) -> list[str]:
        """A line for each damaged row of the tables beside events and payments."""
        with _readable():
            return list(islice(damaged_beside(self._journal.connection), limit))

    def compact(self) -> None:
        """Write the file anew, without free pages, and so that a node can give back
        those to come. Needs as much room again while it works."""
        with _readable():
            self._journal.connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            self._journal.connection.execute("VACUUM")
            self._journal.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def rebuild(self, payments: list[Payment]) -> None:
        """Put these in the place of what is stored, in one transaction."""
        with _readable():
            replay.rebuild(self._journal.connection, payments)

    def _run(self, query: Callable[..., Any], *args: Any) -> Any:
        return query(self._journal.connection, *args)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._journal.close()
        self._lock.__exit__(None, None, None)


def examine(path: Path, *, deep: bool, limit: int) -> Findings:
    """Look and change nothing. `deep`: at every row, `limit` damaged ones at most.

    Raises `OlderSchema` or `StoreUnreadable`.
    """
    try:
        with closing(
            sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        ) as sql:
            pragma = "integrity_check" if deep else "quick_check"
            (verdict,) = sql.execute(f"PRAGMA {pragma}(1)").fetchone()
            keys = [k for k in queries.api_keys(sql) if k.revoked_at is None]
            deliveries = outbox.outbox_counts(sql)
            return Findings(
                check=pragma.replace("_", " "),
                verdict=verdict,
                events=replay.count_events(sql),
                dead_deliveries=deliveries.get("dead", 0),
                waiting_deliveries=deliveries.get("pending", 0),
                active_keys=len(keys),
                channels=outbox.channels(sql),
                merchants=queries.merchants(sql),
                open_keys=[k.id for k in keys if k.merchant == EVERYBODY],
                relies_on_key=relies_on_key(sql),
                damaged=[*islice(damaged_rows(sql), limit)] if deep else _aside(sql),
            )
    except sqlite3.Error as error:
        if "no such" in str(error):
            raise OlderSchema(str(error)) from error
        raise unreadable(error) from error


def _aside(sql: sqlite3.Connection) -> list[str]:
    """What a node sets aside when it starts, and why it does not, a line each."""
    try:
        queries.epochs(sql)
    except DamagedEpochs as error:
        return [str(error)]
    keys = [key.name for key in queries.api_keys(sql) if key.is_damaged]
    return keys + [
        f"channel {name} is damaged" for name in outbox.damaged_channels(sql)
    ]


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise unreadable(error) from error
