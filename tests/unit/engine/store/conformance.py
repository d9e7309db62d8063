"""What the conformance suite needs of a store: to be made, opened again, and broken.

A new store gets a class like these two, and a line in `STORES`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from gevent.event import AsyncResult

from engine.payment.observations import Observation
from engine.store.epochs import new_epoch
from engine.store.port import StoreReader, StoreWriter
from engine.store.records import StoredEvent
from engine.store.sqlite.offline import OfflineDatabase
from engine.store.sqlite.store import SqliteStore
from engine.store.writes import Committed, Outcome, Write
from tests.tools.memory_store import MemoryStore
from tests.unit.journal_cases import decided
from tests.unit.payment_cases import T0

__all__ = ["STORES", "InMemory", "OpenStore", "committed", "observed", "whole_journal"]

COMMIT_S = 120.0


class OpenStore(Protocol):
    """A store under test."""

    @property
    def reader(self) -> StoreReader: ...

    @property
    def writer(self) -> StoreWriter: ...

    def commit(self, *writes: Write) -> list[Outcome]:
        """One batch; returns when it is committed."""

    def reopen(self) -> None:
        """Close it and open it again, as a restart of the node does."""

    def begin_epoch(self) -> None:
        """Close it, begin a new epoch as a restore does, and open it again."""

    def refuses_writes(self) -> AbstractContextManager[None]:
        """In here nothing can be written."""

    def close(self) -> None: ...


class _Commits:
    writer: StoreWriter

    def commit(self, *writes: Write) -> list[Outcome]:
        done: AsyncResult[list[Outcome]] = AsyncResult()
        self.writer.submit(writes, done.set)
        outcomes = done.get(timeout=COMMIT_S)
        assert outcomes is not None
        return outcomes


class OnDisk(_Commits):
    """SQLite as a node has it: native threads, a file, all syncs."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "conformance.db"
        self._open()

    def _open(self) -> None:
        self._store = SqliteStore(self._path)
        self.reader, self.writer = self._store.reader, self._store.writer

    def reopen(self) -> None:
        self.close()
        self._open()

    def begin_epoch(self) -> None:
        self.close()
        with OfflineDatabase(str(self._path)) as offline:
            offline.begin_epoch()
        self._open()

    @contextmanager
    def refuses_writes(self) -> Iterator[None]:
        self._pragma("query_only = ON")
        yield
        self._pragma("query_only = OFF")

    def _pragma(self, text: str) -> None:
        """On the writer's connection, in its thread."""
        writer = self._store.writer
        writer._pool.apply(writer._journal.connection.execute, (f"PRAGMA {text}",))

    def close(self) -> None:
        self._store.close()


class InMemory(_Commits):
    """The double."""

    def __init__(self, _folder: Path) -> None:
        self.reader = self.writer = self._store = MemoryStore()

    def reopen(self) -> None:
        """It lives as long as whoever made it."""

    def begin_epoch(self) -> None:
        self._store.begin_epoch(new_epoch())

    def settle_epoch(self, epoch: str) -> None:
        """This one from its first event on, so that it can be compared."""
        self._store.settle_epoch(epoch)

    @contextmanager
    def refuses_writes(self) -> Iterator[None]:
        self._store.refuses = "no more room"
        yield
        self._store.refuses = None

    def close(self) -> None: ...


STORES: dict[str, Callable[[Path], OpenStore]] = {
    "sqlite": OnDisk,
    "memory": InMemory,
}


def committed(outcome: Outcome) -> Committed:
    assert isinstance(outcome, Committed), outcome
    return outcome


def observed(
    store: OpenStore, payment_id: str, observation: Observation, now: int = T0
) -> Write:
    """What follows from it for the payment as it is stored now."""
    payment = store.reader.payment(payment_id)
    assert payment is not None
    return decided(payment, observation, now)


def whole_journal(store: OpenStore) -> list[StoredEvent]:
    """In pages, as a client reads it."""
    events: list[StoredEvent] = []
    while page := store.reader.events_after(events[-1].offset if events else 0, 7):
        events += page
    return events
