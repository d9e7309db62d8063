"""How connections are opened, and the bounds of threads, by their numbers."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from engine.store.sqlite import journal, listing, moments, outbox, search, threads
from engine.store.sqlite.high_water_mark import HighWaterMark, acked, path_of, slot
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.lock import DatabaseLock
from engine.store.sqlite.multi_insert import MAX_ROWS
from engine.store.sqlite.threads import ReaderThreads, WriterThread
from engine.store.sqlite.wal import MAX_FRAMES


def pragma(sql: sqlite3.Connection, name: str) -> object:
    return sql.execute(f"PRAGMA {name}").fetchone()[0]


def test_the_writer_s_connection(tmp_path: Path) -> None:
    opened = Journal(tmp_path / "node.db")
    sql = opened.connection
    assert pragma(sql, "journal_mode") == "wal"
    assert pragma(sql, "synchronous") == 2
    assert pragma(sql, "foreign_keys") == 1
    assert pragma(sql, "wal_autocheckpoint") == 8_000
    assert pragma(sql, "cache_size") == -10_000
    assert pragma(sql, "busy_timeout") == 5_000
    assert pragma(sql, "auto_vacuum") == 2
    assert sql.isolation_level is None
    assert not sql.in_transaction
    opened.close()


def test_a_reader_s_connection_writes_nothing_and_makes_no_checkpoint(
    tmp_path: Path,
) -> None:
    writer = WriterThread(tmp_path / "node.db")
    readers = ReaderThreads(tmp_path / "node.db", 1)
    found = readers._run(
        lambda sql: [
            pragma(sql, name)
            for name in (
                "query_only",
                "wal_autocheckpoint",
                "cache_size",
                "busy_timeout",
            )
        ]
    )
    assert found == [1, 0, -1_024, 5_000]
    with pytest.raises(sqlite3.OperationalError):
        readers._run(lambda sql: sql.execute("DELETE FROM payments"))
    readers.close()
    writer.close()


def test_the_bounds_are_these() -> None:
    assert (threads.READERS, threads.TRIP, threads.TRIP_S) == (2, 32, 0.005)
    assert threads.CHECKPOINT_EVERY_S == 0.25
    assert threads.MIN_CHECKPOINT_WRITES == 64
    assert journal.CHECKPOINT_PAGES == 8_000
    assert listing.VISITED == moments.EVERY == 1_000
    assert (search.BUCKET, search.EVENTS) == (512, 2_048)
    assert outbox.MAX_SKIPPED == 100
    assert MAX_ROWS == 128
    assert MAX_FRAMES == 100_000


# -- the mark beside the database ------------------------------------------------------


def test_a_mark_is_two_slots_in_sectors_of_their_own(tmp_path: Path) -> None:
    db = tmp_path / "node.db"
    mark = HighWaterMark(db, 7)
    assert mark.is_kept
    file = path_of(db)
    assert file.name == "node.db.acked"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    size = len(slot(0))
    assert size == 20
    assert slot(7)[:16] == b"paybell1" + (7).to_bytes(8, "little")

    def slots() -> tuple[bytes, bytes]:
        content = file.read_bytes()
        return content[:size], content[512 : 512 + size]

    assert slots() == (slot(7), slot(7))
    mark.note(8)
    assert slots() == (slot(7), slot(8))
    mark.note(8)
    assert slots() == (slot(7), slot(8)), "nothing new"
    mark.note(9)
    assert slots() == (slot(9), slot(8))
    assert acked(db) == 9
    mark.close()
    mark.close()
    assert not mark.is_kept
    mark.note(10)
    assert acked(db) == 9


# -- the lock --------------------------------------------------------------------------


def test_a_lock_says_who_holds_it_and_where(tmp_path: Path) -> None:
    db, note = str(tmp_path / "node.db"), tmp_path / "node.db.lock"
    with DatabaseLock(db) as lock:
        assert note.read_text() == f"pid {os.getpid()}\n"
        assert stat.S_IMODE(note.stat().st_mode) == 0o600
        assert stat.S_IMODE(os.stat(db).st_mode) == 0o600
        lock.note("http://127.0.0.1:8080")
        assert note.read_text() == f"pid {os.getpid()} http://127.0.0.1:8080\n"
        lock.note(None)
        assert note.read_text() == f"pid {os.getpid()}\n", "nothing is left behind it"
    assert not Path(db).exists(), "made, and nobody wrote into it"
    with DatabaseLock(db):
        Path(db).write_bytes(b"something")
    assert Path(db).exists()
    with DatabaseLock(db):
        pass
    assert Path(db).read_bytes() == b"something", "it was there before"
