"""The simulated journal writer: commits some time later, and answers later still.

A real `Journal` on a real SQLite file does the writing. Between the submission, the
commit and the answer a process crash may fall; what was not committed is gone, what
was committed stays though nobody was told. The disk may be full (SQLite's own page
limit: a real SQLITE_FULL with a real rollback) or refuse outright.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Concatenate, ParamSpec, TypeVar

from engine.store.journal import Journal
from engine.store.writes import Outcome, Unavailable, Write

__all__ = ["SimStore"]

P = ParamSpec("P")
T = TypeVar("T")

Later = Callable[[int, Callable[[], None]], None]
Committed = Callable[[Sequence[Write], list[Outcome]], None]


class SimStore:
    """Writer and reader of one process; `restart` is what a crash leaves."""

    def __init__(
        self, path: Path, random: Random, later: Later, committed: Committed
    ) -> None:
        self._path = path
        self._random = random
        self._later = later  # a callback in memory: lost in a process crash
        self._committed = committed  # told at the moment of each commit
        self._queue: list[tuple[list[Write], Callable[[list[Outcome]], None]]] = []
        self.full = False  # the disk is full
        self.refusing = False  # every commit fails
        self.reads_fail = 0.0  # probability
        self.failures = 0
        self.journal = Journal(path, synchronous="OFF")

    def restart(self) -> None:
        self._queue.clear()
        self.journal.close()
        self.journal = Journal(self._path, synchronous="OFF")
        self._limit_pages()

    def set_full(self, full: bool) -> None:
        self.full = full
        self._limit_pages()

    def _limit_pages(self) -> None:
        sql = self.journal.connection
        pages = sql.execute("PRAGMA page_count").fetchone()[0]
        sql.execute(f"PRAGMA max_page_count = {pages if self.full else 1 << 30}")

    # -- writing ---------------------------------------------------------------------

    def submit(
        self, batch: Sequence[Write], done: Callable[[list[Outcome]], None]
    ) -> None:
        """One batch after another, as the one writer thread does."""
        self._queue.append((list(batch), done))
        if len(self._queue) == 1:
            self._later(self._delay_ms(), self._commit)

    def _commit(self) -> None:
        batch, done = self._queue.pop(0)
        if self.refusing:
            self.failures += 1
            outcomes: list[Outcome] = [Unavailable("the disk gave an error")] * len(
                batch
            )
        else:
            outcomes = self.journal.commit(batch)
            self.failures += isinstance(outcomes[0], Unavailable)
        self._committed(batch, outcomes)
        self._later(self._delay_ms(), lambda: done(outcomes))
        if self._queue:
            self._later(self._delay_ms(), self._commit)

    def _delay_ms(self) -> int:
        return self._random.choice((0, 0, 0, 1, 3, 20, 400))

    # -- reading ---------------------------------------------------------------------

    def read(
        self,
        query: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        if self.reads_fail and self._random.random() < self.reads_fail:
            self.failures += 1
            raise sqlite3.OperationalError("disk I/O error")
        return query(self.journal.connection, *args, **kwargs)

    def rows(self, query: str, *args: Any) -> list[tuple[Any, ...]]:
        """For the rules: what the database says, faults or not."""
        return self.journal.connection.execute(query, args).fetchall()
