"""What each turn of the store costs, in SQLite's own steps and in rows.

A turn is what one of the store's threads does without letting another question or
commit in between: a query in a reader's thread, a transaction in the writer's. Steps
are the same on a machine whose cores are busy.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from engine.store.writes import Outcome, Write
from tests.tools.node import RunningNode

__all__ = ["Meter", "Turn"]

STEPS_PER_TICK = 50


class Turn(msgspec.Struct, frozen=True):
    """`steps` of SQLite's machine, to within `STEPS_PER_TICK`; `rows` that changed."""

    name: str
    steps: int
    rows: int


class Meter:
    """Notes every turn of a node's store from now on."""

    def __init__(self, node: RunningNode) -> None:
        self.turns: list[Turn] = []
        self.batches: list[Sequence[Write]] = []
        store: Any = node._store
        self._meter_reader(store.reader)
        self._meter_reader(store.inner_reader)
        self._meter_writer(store.writer._journal)

    def _meter_reader(self, reader: Any) -> None:
        run = reader._run

        def metered(query: Callable[..., Any], *args: Any) -> Any:
            def counting(sql: sqlite3.Connection, *args: Any) -> Any:
                with self._turn(sql, query.__name__):
                    return query(sql, *args)

            return run(counting, *args)

        reader._run = metered

    def _meter_writer(self, journal: Any) -> None:
        commit = journal.commit

        def metered(batch: Sequence[Write]) -> list[Outcome]:
            kinds = [type(row).__name__ for write in batch for row in write.rows]
            name = f"{sum(len(w.entries) for w in batch)} payments {sorted(set(kinds))}"
            self.batches.append(batch)
            with self._turn(journal.connection, name):
                outcomes: list[Outcome] = commit(batch)
            return outcomes

        journal.commit = metered

    @contextmanager
    def _turn(self, sql: sqlite3.Connection, name: str) -> Iterator[None]:
        ticks: list[None] = []
        before = sql.total_changes
        sql.set_progress_handler(lambda: ticks.append(None), STEPS_PER_TICK)
        try:
            yield
        finally:
            sql.set_progress_handler(None, 0)
            rows = sql.total_changes - before
            self.turns.append(Turn(name, len(ticks) * STEPS_PER_TICK, rows))

    @contextmanager
    def during(self) -> Iterator[list[Turn]]:
        """The turns of what is done in here; whole when it is over."""
        first, found = len(self.turns), list[Turn]()
        yield found
        found += self.turns[first:]
