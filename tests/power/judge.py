"""The judge: starts the production journal on files after a power cut, and looks.

`judge` raises `Broken` unless the journal starts, holds exactly what it held after one
of the commits that may be the last (`Life.bounds`), is sound in SQLite's eyes, has no
gap in its offsets, folds into its projection, and takes the next commit.

Runs in the caller's thread. With `threads` the journal is opened the way `run.py serve`
opens it: a native writer thread, readers of their own, and gevent's hub between.
"""

import functools
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gevent.event

from engine.store.sqlite import queries, replay, wal
from engine.store.sqlite.audit import damaged_beside
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.threads import ReaderThreads, WriterThread
from engine.store.writes import Committed, Outcome, Write
from tests.power.disk import Files
from tests.power.history import DB, Content, Life, contents
from tests.tools.direct_store import DirectStore
from tests.tools.wait import PATIENCE
from tests.unit.journal_cases import creation

__all__ = ["Broken", "faults", "judge", "lay_out"]


# Half of all the time went into the checksums of frames that every point of a life has
# in its WAL again. The same bytes have the same sum: it is looked up.
wal._checksum = functools.lru_cache(maxsize=4_096)(wal._checksum)


class Broken(AssertionError):
    """A promise was broken; the message says which."""


def lay_out(files: Files, folder: Path) -> Path:
    """Write the files of a crash where nothing else is; the database's path."""
    for old in folder.iterdir():
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder / DB


def judge(
    files: Files, life: Life, cut: int, folder: Path, *, threads: bool = False
) -> bool:
    """Whether a commit was found that nobody had been told of. Raises `Broken`."""
    path = lay_out(files, folder)
    if threads:
        return _judge_threads(path, life, cut)
    journal = Journal(path)
    try:
        found = _one_of(journal.connection, life, cut)
        _sound(journal.connection, known=found in _folded)
        _folded.add(found)
        _goes_on(DirectStore(journal).submit, journal.last_offset)
    finally:
        journal.close()
    return found != life.contents[life.bounds(cut)[0]]


_folded: set[Content] = set()
"""Contents whose events were folded already: the same rows give the same sums."""


def _judge_threads(path: Path, life: Life, cut: int) -> bool:
    writer = WriterThread(path)
    readers = ReaderThreads(path)
    try:
        found: Content = readers._run(_one_of, life, cut)
        readers._run(partial(_sound, known=False))
        last = readers.last_offset()
        _goes_on(writer.submit, last)
        if readers.last_offset() != last + 1:
            raise Broken("a reader does not see what was committed after the start")
    finally:
        readers.close()
        writer.close()
    return found != life.contents[life.bounds(cut)[0]]


def _one_of(sql: sqlite3.Connection, life: Life, cut: int) -> Content:
    found = contents(sql)
    oldest, newest = life.bounds(cut)
    if found in life.contents[oldest : newest + 1]:
        return found
    last = queries.last_offset(sql)
    if found in life.contents:
        place = f"what was there after commit {life.contents.index(found)}"
    else:
        place = "what was there after no commit at all"
    raise Broken(
        f"commit {oldest} was acknowledged with {life.events[oldest]} events, commit"
        f" {newest} had begun; found are {last} events, and {place}"
    )


def _sound(sql: sqlite3.Connection, *, known: bool) -> None:
    for fault in faults(sql, known=known):
        raise Broken(fault)


def faults(sql: sqlite3.Connection, *, known: bool = False) -> list[str]:
    """What SQLite and replay find wrong; `known`: these rows were folded before."""
    found = [
        f"integrity_check: {line}"
        for (line,) in sql.execute("PRAGMA integrity_check")
        if line != "ok"
    ]
    if missing := replay.missing_events(sql):
        found.append(f"{missing} events are missing in between")
    if not known:
        found += damaged_beside(sql)
        found += [
            f"{wrong.payment_id}: {wrong.detail}"
            for _, wrong in replay.differences(sql)
            if wrong is not None
        ]
    return found


Submit = Callable[[list[Write], Callable[[list[Outcome]], None]], Any]


def _goes_on(submit: Submit, last_offset: int) -> None:
    """The next payment is taken, and numbered next."""
    answer: gevent.event.AsyncResult[list[Outcome]] = gevent.event.AsyncResult()
    submit([creation("pay_after_the_cut")], answer.set)
    outcomes = answer.get(timeout=30 * PATIENCE)
    outcome = outcomes[0] if outcomes else None
    if not isinstance(outcome, Committed):
        raise Broken(f"the next payment is not taken: {outcome}")
    (event,) = outcome.events
    if event.offset != last_offset + 1:
        raise Broken(f"after event {last_offset} came event {event.offset}")
