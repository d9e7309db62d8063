"""The simulated journal writer: commits some time later, and answers later still.

A real `Journal` does the writing, on a real SQLite database: most worlds have it in
memory, where a commit or a rollback is the same and much sooner done, some in a file.
Between the submission, the commit and the answer a process crash may fall; what was
not committed is gone, what was committed stays though nobody was told. The disk may be
full (SQLite's own page limit: a real SQLITE_FULL with a real rollback), refuse
outright, or be slow.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from engine.store.sqlite.journal import Journal
from engine.store.sqlite.reads import SqliteReads
from engine.store.writes import Outcome, Unavailable, Write
from tests.tools.direct_store import DirectStore
from tests.tools.settled_epoch import settle_epoch

__all__ = ["SimStore", "in_memory"]

Later = Callable[[int, Callable[[], None]], None]
Committed = Callable[[Sequence[Write], list[Outcome]], None]


class SimStore(SqliteReads):
    """Writer and reader of one process; `restart` is what a crash leaves."""

    def __init__(
        self, random: Random, later: Later, committed: Committed, *, on_file: bool
    ) -> None:
        self._random = random
        self._later = later  # a callback in memory: lost in a process crash
        self._committed = committed  # told at the moment of each commit
        self._queue: list[tuple[list[Write], Callable[[list[Outcome]], None]]] = []
        self._answers: list[Callable[[], None]] = []  # of what was written
        self.full = False  # the disk is full
        self.refusing = False  # every commit fails
        self.refusals = 0  # so many commits fail, from the next one with events on
        self.slow = False  # a commit takes its time
        self.reads_fail = 0.0  # probability
        self._is_refusing = False
        self.failures = 0
        self.commits = 0
        self.before_commit: Callable[[], bool] = lambda: False  # does it crash now?
        self.after_commit: Callable[[], bool] = lambda: False
        self._folder = tempfile.TemporaryDirectory() if on_file else None
        self._connection = None if on_file else in_memory()
        self.journal = self._open()

    def _open(self) -> Journal:
        if self._folder is None:
            return Journal("journal.db", connection=self._connection)
        path = Path(self._folder.name) / "journal.db"
        is_new = not path.exists()
        if is_new:
            path.write_bytes(_template())
        journal = Journal(path, synchronous="OFF")
        if is_new:  # it has no mark, so it drew an epoch of its own
            settle_epoch(journal)
        return journal

    def restart(self) -> None:
        """A process crash: what was not committed is gone."""
        self._queue.clear()
        self._answers.clear()
        if self._folder is not None:
            self.journal.close()
        self.journal = self._open()
        self._limit_pages()

    def close(self) -> None:
        self.journal.close()
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def is_well(self) -> bool:
        ill = self.full or self.refusing or self._is_refusing or self.slow
        return not (ill or self.reads_fail)

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
        if self.before_commit():
            return
        batch, done = self._queue.pop(0)
        if self.refusing or self._refuses(batch):
            self.failures += 1
            outcomes: list[Outcome] = [Unavailable("the disk gave an error")] * len(
                batch
            )
        else:
            outcomes = self.journal.commit(batch)
            self.commits += 1
            self.failures += isinstance(outcomes[0], Unavailable)
        self._committed(batch, outcomes)
        if self.after_commit():
            return
        self._answers.append(lambda: done(outcomes))
        self._later(self._delay_ms(), self._answer)
        if self._queue:
            self._later(self._delay_ms(), self._commit)

    def _answer(self) -> None:
        """Those of one thread come in its order, however late they are."""
        self._answers.pop(0)()

    def _refuses(self, batch: Sequence[Write]) -> bool:
        """Here a planned refusal begins, and is over some tries later."""
        if self.refusals <= 0 or not (self._is_refusing or batch[0].entries):
            return False
        self.refusals -= 1
        self._is_refusing = self.refusals > 0
        return True

    def _delay_ms(self) -> int:
        delays = (900, 4_000, 20_000) if self.slow else (0, 0, 0, 1, 3, 20, 400)
        return delays[int(self._random.random() * len(delays))]

    # -- reading ---------------------------------------------------------------------

    @property
    def truth(self) -> DirectStore:
        """For the world and its judges: what is stored, faults or not."""
        return DirectStore(self.journal)

    def events(self) -> dict[int, bytes]:
        """The whole journal: what each event says, by its offset."""
        found: dict[int, bytes] = {}
        while page := self.truth.events_after(max(found, default=0)):
            found |= {event.offset: event.wire for event in page}
        return found

    def _run(self, query: Callable[..., Any], *args: Any) -> Any:
        if self.reads_fail and self._random.random() < self.reads_fail:
            self.failures += 1
            raise sqlite3.OperationalError("disk I/O error")
        return query(self.journal.connection, *args)

    def digest(self) -> str:
        """A hash of all that the journal and the outbox say."""
        told = sha256()
        for query in (
            'SELECT "offset", body FROM events ORDER BY "offset"',
            "SELECT id, status, seq, watched, state FROM payments ORDER BY id",
            'SELECT * FROM outbox ORDER BY channel_id, payment_id, "offset"',
            "SELECT * FROM attempts ORDER BY id",
        ):
            for row in self.rows(query):
                told.update(repr(row).encode())
        return told.hexdigest()

    def rows(self, query: str, *args: Any) -> list[tuple[Any, ...]]:
        """For the rules: what the database says, faults or not."""
        return self.journal.connection.execute(query, args).fetchall()


@cache
def _template() -> bytes:
    """An empty database with the schema of today; migrations run once a process."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.db", synchronous="OFF")
        settle_epoch(journal)
        journal.connection.execute("PRAGMA journal_mode=DELETE")  # none in memory
        content = journal.connection.serialize()
        journal.close()
        return content


def in_memory(content: bytes | None = None) -> sqlite3.Connection:
    """A database of these bytes; None: an empty one, with the schema of today."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(content or _template())
    connection.execute("PRAGMA foreign_keys=ON")
    return connection
