"""The store over one journal in the calling thread: for simulations and tests."""

from collections.abc import Callable, Sequence
from typing import Any

from engine.store.sqlite.journal import Journal
from engine.store.sqlite.reads import SqliteReads
from engine.store.writes import Outcome, Write

__all__ = ["DirectStore"]


class DirectStore(SqliteReads):
    """Writes and answers at once, on the journal's own connection."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def submit(
        self, batch: Sequence[Write], done: Callable[[list[Outcome]], None]
    ) -> None:
        done(self.journal.commit(batch))

    def _run(self, query: Callable[..., Any], *args: Any) -> Any:
        return query(self.journal.connection, *args)
