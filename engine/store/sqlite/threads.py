"""The native threads that touch SQLite: one writer, a few readers.

The hub's thread never enters SQLite. The writer takes whole batches; readers have
`query_only` connections that never checkpoint. Answers come back in the hub's thread.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gevent
from gevent.event import AsyncResult
from gevent.threadpool import ThreadPool

from engine.errors import JournalError
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.made_with_key import relies_on_key
from engine.store.sqlite.reads import SqliteReads
from engine.store.writes import Outcome, Unavailable, Write

__all__ = ["ReaderThreads", "WriterThread"]

READERS = 2

CACHE_KIB = 1_024
"""Of each reader's connection; there are four. What is not in it the kernel has."""

TRIP = 32
"""Queries that a thread answers, at most, before it is back."""

TRIP_S = 0.005
"""After so long it begins no other query; one may take longer."""

CHECKPOINT_EVERY_S = 0.25
MIN_CHECKPOINT_WRITES = 64
"""Writes since the last checkpoint that are worth one."""


class _Failed:
    """An exception as a value: gevent's pool prints what is raised in its threads."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


def _caught(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
        return _Failed(error)


def _open_journal(path: str | Path, network: str | None) -> Journal:
    journal = Journal(path)
    if network is not None:
        try:
            journal.bind_network(network)
        except JournalError:
            journal.close()
            raise
    return journal


class WriterThread:
    """The journal in its one native thread.

    When a quarter of a second went by without a commit it makes a checkpoint: then no
    commit has to, and there is little WAL to look through after a crash.
    """

    def __init__(self, path: str | Path, network: str | None = None) -> None:
        """Raises `JournalError`, also if the database is another network's."""
        self._pool = ThreadPool(1)
        opened = self._pool.apply(_caught, (_open_journal, path, network))
        if isinstance(opened, _Failed):
            self._pool.kill()
            raise opened.error
        self._journal: Journal = opened
        self._pending_writes = 0  # writes since the last checkpoint
        self._is_quiet = False  # nothing was submitted since the keeper looked
        self._keeper = gevent.spawn(self._checkpoint_in_quiet)

    def submit(
        self, batch: Sequence[Write], done: Callable[[list[Outcome]], None]
    ) -> None:
        self._pending_writes += len(batch)
        self._is_quiet = False
        result = self._pool.spawn(self._journal.commit, batch)

        def deliver(finished: Any) -> None:
            if finished.successful():
                done(finished.value)
            else:  # a bug below, not SQLite: nothing was committed
                failure = Unavailable(f"journal: {finished.exception!r}", fatal=True)
                done([failure] * len(batch))

        result.rawlink(deliver)

    def _checkpoint_in_quiet(self) -> None:
        while True:
            gevent.sleep(CHECKPOINT_EVERY_S)
            if self._is_quiet and self._pending_writes >= MIN_CHECKPOINT_WRITES:
                self._pending_writes = 0
                self._pool.spawn(self._journal.checkpoint)
            self._is_quiet = True

    def close(self) -> None:
        self._keeper.kill()
        self._pool.apply(self._journal.close)
        self._pool.kill()


class _Question:
    """What a greenlet waits for. `outcome` is written in a thread, before `answered`
    is set in the hub."""

    __slots__ = ("answered", "ask", "outcome")

    def __init__(self, ask: Callable[[], Any]) -> None:
        self.ask = ask
        self.outcome: Any = _Failed(JournalError("the reader's thread has failed"))
        self.answered: AsyncResult[None] = AsyncResult()


class ReaderThreads(SqliteReads):
    """`StoreReader` in native threads, over a read-only connection each.

    A thread that is free answers what waits, and what comes meanwhile, in one trip: a
    query takes some 0.1 ms, and a hub that is busy hears of an answer 50 ms later. With
    a trip for each, two threads answered forty queries a second then. The hub hears of
    each answer as soon as it is known: the next query of a trip may take long.
    """

    def __init__(self, path: str | Path, threads: int = READERS) -> None:
        self._path = str(path)
        self._pool = ThreadPool(threads)
        self._loop = gevent.get_hub().loop
        self._idle: list[sqlite3.Connection] = []
        self._threads = self._free = threads  # free: on no trip; the hub's to change
        self._waiting: deque[_Question] = deque()  # the hub appends, threads take

    def relies_on_key(self) -> bool:
        """Whether it holds what only the node's key opens."""
        return self._ask(relies_on_key)

    def _run(self, query: Callable[..., Any], *args: Any) -> Any:
        """Run `query(connection, ...)` in a thread. Raises what it raises."""
        question = _Question(lambda: self._in_thread(query, *args))
        self._waiting.append(question)
        if self._free:
            self._set_out()
        question.answered.get()
        if isinstance(question.outcome, _Failed):
            raise question.outcome.error
        return question.outcome

    def _set_out(self) -> None:
        """Of the hub's thread; never blocks, as a thread is free."""
        self._free -= 1
        taken: list[_Question] = []
        trip = self._pool.spawn(self._answer, taken)

        def back(_trip: object) -> None:
            self._free += 1
            for question in taken:
                if not question.answered.ready():  # the thread has failed
                    question.answered.set(None)
            if self._waiting:
                self._set_out()

        trip.rawlink(back)

    def _answer(self, taken: list[_Question]) -> None:
        """In a thread. What was asked while it was on its way back waits for `back`."""
        until = time.monotonic() + TRIP_S
        while len(taken) < TRIP and (not taken or time.monotonic() < until):
            try:
                question = self._waiting.popleft()
            except IndexError:  # the other thread was first
                return
            taken.append(question)
            question.outcome = _caught(question.ask)
            self._loop.run_callback_threadsafe(question.answered.set, None)

    def _in_thread(self, query: Callable[..., Any], *args: Any) -> Any:
        connection = self._idle.pop() if self._idle else self._open()
        try:
            answer = query(connection, *args)
        except sqlite3.Error:
            connection.close()  # what it holds in memory may be as wrong as the file
            raise
        except BaseException:
            self._idle.append(connection)
            raise
        self._idle.append(connection)
        return answer

    def _open(self) -> sqlite3.Connection:
        # list.pop and append are atomic; a connection is used by one thread at a time.
        connection = sqlite3.connect(
            f"file:{self._path}?mode=ro", uri=True, timeout=5.0, check_same_thread=False
        )
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        return connection

    def close(self) -> None:
        while self._free < self._threads:  # what waits sets out when a trip is back
            self._pool.join()
            gevent.sleep(0)
        while self._idle:
            self._idle.pop().close()
        self._pool.kill()
