"""The threads that touch SQLite: when the writer makes checkpoints, who comes first."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import gevent
import pytest
from gevent import monkey
from gevent.event import AsyncResult
from gevent.queue import Queue

from engine.errors import JournalError
from engine.store.sqlite import threads
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.threads import (
    MIN_CHECKPOINT_WRITES,
    ReaderThreads,
    WriterThread,
)
from engine.store.writes import Committed, Outcome, SourceTip, Write
from tests.tools.wait import wait_until

NativeEvent = monkey.get_original("threading", "Event")  # of the readers' threads


class Kept:
    """A writer whose quarters of a second pass when the test says so."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.checkpoints = 0
        self._turns: Queue[None] = Queue()
        self._sleeps = 0
        self.each_s: set[float] = set()  # how long it meant to sleep
        stage = SimpleNamespace(spawn=gevent.spawn, sleep=self._sleep)
        monkeypatch.setattr(threads, "gevent", stage)
        monkeypatch.setattr(Journal, "checkpoint", self._checkpoint)
        self.writer = WriterThread(path)
        wait_until(lambda: self._sleeps == 1, 5, "the keeper sleeps")

    def quarters_of_a_second(self, count: int) -> None:
        """Let them pass, in the hub; what they asked for is done by `closed`."""
        for _ in range(count):
            before = self._sleeps
            self._turns.put(None)
            wait_until(partial(self._has_slept, before), 5, "it sleeps again")

    def closed(self) -> int:
        """The checkpoints that were made before the end."""
        self.writer.close()
        return self.checkpoints

    def _has_slept(self, before: int) -> bool:
        return self._sleeps > before

    def _sleep(self, seconds: float) -> None:
        self.each_s.add(seconds)
        self._sleeps += 1
        self._turns.get()

    def _checkpoint(self) -> None:
        self.checkpoints += 1


def some_writes(count: int) -> list[Write]:
    return [Write(rows=(SourceTip("s", n, "b"),)) for n in range(count)]


def submitted(writer: WriterThread, batch: list[Write]) -> AsyncResult[list[Outcome]]:
    answer: AsyncResult[list[Outcome]] = AsyncResult()
    writer.submit(batch, answer.set)
    return answer


@pytest.mark.parametrize(
    ("writes", "checkpoints"),
    [(MIN_CHECKPOINT_WRITES, 1), (MIN_CHECKPOINT_WRITES - 1, 0)],
)
def test_when_commits_pause_one_checkpoint_is_made_if_it_is_worth_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int, checkpoints: int
) -> None:
    kept = Kept(tmp_path / "node.db", monkeypatch)
    submitted(kept.writer, some_writes(writes)).get(timeout=30)
    kept.quarters_of_a_second(4)
    assert kept.closed() == checkpoints
    assert kept.each_s == {0.25}


def test_while_commits_come_no_checkpoint_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(tmp_path / "node.db", monkeypatch)
    for _ in range(4):
        submitted(kept.writer, some_writes(MIN_CHECKPOINT_WRITES)).get(timeout=30)
        kept.quarters_of_a_second(1)
    assert kept.closed() == 0


def test_batches_that_wait_are_committed_one_after_the_other(tmp_path: Path) -> None:
    writer = WriterThread(tmp_path / "node.db")
    try:
        answers = [submitted(writer, some_writes(1)) for _ in range(20)]
        for answer in answers:
            outcomes: list[Outcome] | None = answer.get(timeout=30)
            assert outcomes is not None
            assert [type(outcome) for outcome in outcomes] == [Committed]
    finally:
        writer.close()


def test_what_waits_to_be_read_is_answered_in_few_trips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that is busy hears of a trip's end late: with one for each query, thousands
    who ask would be answered two at a time."""
    monkeypatch.setattr(threads, "TRIP_S", 1e9)
    path, let_go = tmp_path / "node.db", NativeEvent()
    writer, readers = WriterThread(path), ReaderThreads(path)
    trips: list[int] = []
    answer = readers._answer

    def counted(taken: list[threads._Question]) -> None:
        answer(taken)
        trips.append(len(taken))

    monkeypatch.setattr(readers, "_answer", counted)

    def number(sql: sqlite3.Connection, given: int) -> int:
        let_go.wait(300)
        found: int = sql.execute("SELECT ?", (given,)).fetchone()[0]
        return found

    try:
        asking = [gevent.spawn(readers._run, number, n) for n in range(100)]
        wait_until(lambda: len(readers._waiting) >= 98, 30, "all to have asked")
        let_go.set()
        gevent.joinall(asking, timeout=60, raise_error=True)
        assert [one.value for one in asking] == list(range(100))
        assert sum(trips) == 100
        assert max(trips) <= threads.TRIP
        assert len(trips) <= 6
    finally:
        let_go.set()
        readers.close()
        writer.close()


def test_a_trip_ends_when_it_has_taken_long_and_another_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the answer that he has behind the long query of another."""
    monkeypatch.setattr(threads, "TRIP_S", 0.0)
    path = tmp_path / "node.db"
    writer, readers = WriterThread(path), ReaderThreads(path)
    trips: list[int] = []
    answer = readers._answer

    def counted(taken: list[threads._Question]) -> None:
        answer(taken)
        trips.append(len(taken))

    monkeypatch.setattr(readers, "_answer", counted)
    try:
        asking = [gevent.spawn(readers._run, lambda _sql: 1) for _ in range(20)]
        gevent.joinall(asking, timeout=60, raise_error=True)
        assert [one.value for one in asking] == [1] * 20
        assert max(trips) == 1
    finally:
        readers.close()
        writer.close()


def test_an_answer_is_there_while_the_next_query_of_its_trip_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "TRIP_S", 1e9)
    path, begin, end = tmp_path / "node.db", NativeEvent(), NativeEvent()
    writer, readers = WriterThread(path), ReaderThreads(path, threads=1)
    try:
        first = gevent.spawn(readers._run, lambda _sql: begin.wait(300))
        wait_until(lambda: readers._free == 0, 30, "the thread to be on its trip")
        quick = gevent.spawn(readers._run, lambda _sql: 7)
        long = gevent.spawn(readers._run, lambda _sql: end.wait(300))
        wait_until(lambda: len(readers._waiting) == 2, 30, "both to have asked")
        begin.set()
        assert quick.get(timeout=60) == 7
        assert not long.ready()
        assert readers._free == 0  # it is the same trip still
        end.set()
        assert first.get(timeout=60)
        assert long.get(timeout=60)
    finally:
        begin.set()
        end.set()
        readers.close()
        writer.close()


def test_who_asked_hears_of_a_thread_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "node.db"
    writer, readers = WriterThread(path), ReaderThreads(path)

    def lost(taken: list[threads._Question]) -> None:
        taken.append(readers._waiting.popleft())

    monkeypatch.setattr(readers, "_answer", lost)
    try:
        with pytest.raises(JournalError, match="thread has failed"):
            gevent.spawn(readers._run, lambda _sql: 7).get(timeout=60)
    finally:
        readers.close()
        writer.close()


def test_one_question_that_fails_fails_alone(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    writer, readers = WriterThread(path), ReaderThreads(path)

    def divide(sql: sqlite3.Connection, by: int) -> int:
        return sql.execute("SELECT 12").fetchone()[0] // by  # type: ignore[no-any-return]

    try:
        asking = [gevent.spawn(readers._run, divide, n) for n in (0, 1, 2, 0, 3)]
        gevent.joinall(asking, timeout=60)
        assert [one.value for one in asking] == [None, 12, 6, None, 4]
        failed = [one.exception for one in asking if one.exception is not None]
        assert [type(error) for error in failed] == [ZeroDivisionError] * 2
        wait_until(lambda: readers._free == threads.READERS, 30, "all to be back")
    finally:
        readers.close()
        writer.close()


def test_at_the_end_what_was_asked_is_answered_first(tmp_path: Path) -> None:
    path, let_go = tmp_path / "node.db", NativeEvent()
    writer, readers = WriterThread(path), ReaderThreads(path)

    def held(sql: sqlite3.Connection) -> int:
        let_go.wait(300)
        return sql.execute("SELECT 7").fetchone()[0]  # type: ignore[no-any-return]

    asking = [gevent.spawn(readers._run, held) for _ in range(90)]
    wait_until(lambda: len(readers._waiting) >= 88, 30, "all to have asked")
    closing = gevent.spawn(readers.close)
    gevent.sleep(0)
    let_go.set()
    gevent.joinall(asking, timeout=60, raise_error=True)
    closing.join(timeout=60)
    assert [one.value for one in asking] == [7] * 90
    assert closing.successful()
    writer.close()


def test_a_connection_on_which_a_read_failed_is_closed_and_another_answers(
    tmp_path: Path,
) -> None:
    path = tmp_path / "node.db"
    writer, readers = WriterThread(path), ReaderThreads(path)
    used: list[sqlite3.Connection] = []

    def fail(sql: sqlite3.Connection) -> None:
        used.append(sql)
        raise sqlite3.DatabaseError("malformed")

    def work(sql: sqlite3.Connection) -> object:
        assert sql not in used
        return sql.execute("SELECT 1").fetchone()[0]

    try:
        with pytest.raises(sqlite3.DatabaseError, match="malformed"):
            readers._run(fail)
        assert readers._run(work) == 1
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            used[0].execute("SELECT 1")
    finally:
        readers.close()
        writer.close()
