"""Full, locked, read-only, damaged: the journal says so and loses nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import JournalError
from engine.payment.observations import Cancel
from engine.store.sqlite import queries
from engine.store.sqlite.journal import Journal
from engine.store.writes import (
    Committed,
    Conflict,
    Unavailable,
    Write,
)
from tests.unit.journal_cases import creation, decided, events_of, stored


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "paybell.db")
    yield opened
    opened.close()


def test_a_full_disk_loses_nothing_and_writing_goes_on_afterwards(
    journal: Journal,
) -> None:
    journal.commit([creation("pay_1")])
    sql = journal.connection
    pages = sql.execute("PRAGMA page_count").fetchone()[0]
    sql.execute(f"PRAGMA max_page_count = {pages + 2}")
    fat = [creation(f"fat_{n}", address="a" * 3_000 + str(n)) for n in range(50)]
    outcomes = journal.commit(fat)
    assert {type(o) for o in outcomes} == {Unavailable}
    failure = outcomes[0]
    assert isinstance(failure, Unavailable)
    assert "the disk is full: free space; nothing was lost" in failure.detail
    assert not failure.fatal
    assert stored(journal, "pay_1").seq == 1
    sql.execute("PRAGMA max_page_count = 1000000")
    assert [e.seq for o in journal.commit(fat) for e in events_of(o)] == [1] * 50
    offsets = [e.offset for e in queries.events_after(journal.connection, 0)]
    assert offsets == list(range(1, 52))


def test_a_database_that_another_holds_is_reported_and_then_used(
    journal: Journal,
) -> None:
    journal.connection.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    (outcome,) = journal.commit([creation("pay_1")])
    assert isinstance(outcome, Unavailable)
    assert "another process holds the database: stop it" in outcome.detail
    other.execute("ROLLBACK")
    other.close()
    assert isinstance(journal.commit([creation("pay_1")])[0], Committed)


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"Dear diary, " * 500)
    with pytest.raises(JournalError, match=r"notes\.txt: .*not a database.*--db"):
        Journal(path)
    assert path.read_bytes().startswith(b"Dear diary")


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="check the folder exists"):
        Journal(tmp_path / "nowhere" / "paybell.db")


def test_a_database_that_may_not_be_written_says_so(journal: Journal) -> None:
    journal.commit([creation("pay_1")])
    journal.connection.execute("PRAGMA query_only = ON")
    (outcome,) = journal.commit([creation("pay_2")])
    assert isinstance(outcome, Unavailable)
    assert "not writable" in outcome.detail
    journal.connection.execute("PRAGMA query_only = OFF")
    assert isinstance(journal.commit([creation("pay_2")])[0], Committed)


def test_a_damaged_file_is_fatal_and_tells_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "paybell.db"
    journal = Journal(path)
    journal.commit(
        [creation(f"pay_{n}", address="a" * 900 + str(n)) for n in range(80)]
    )
    journal.close()
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xff" * (len(raw) - 4096)
    path.write_bytes(raw)
    with pytest.raises(JournalError, match="restore a backup or run"):
        Journal(path)


def test_damage_found_while_running_is_fatal(tmp_path: Path) -> None:
    path = tmp_path / "paybell.db"
    journal = Journal(path)
    journal.commit(
        [creation(f"pay_{n}", address="a" * 900 + str(n)) for n in range(80)]
    )
    journal.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(path.read_bytes())
    raw[8192:] = b"\xff" * (len(raw) - 8192)
    path.write_bytes(raw)
    journal.connection.execute("PRAGMA shrink_memory")
    outcome = journal.commit([creation("pay_new")])[0]
    assert isinstance(outcome, Unavailable)
    assert outcome.fatal
    journal.close()


def test_damage_to_the_schema_that_is_no_text_any_more_is_told_in_words(
    tmp_path: Path,
) -> None:
    path = tmp_path / "paybell.db"
    Journal(path).close()
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"CREATE TABLE ev", b"CR\xa2\xa2TE TABLE ev"))
    with pytest.raises(JournalError, match="restore a backup or run"):
        Journal(path)


# -- a foreign hand ------------------------------------------------------------------


def stranger(journal: Journal, statement: str) -> None:
    with closing(sqlite3.connect(journal.path)) as sql, sql:
        assert sql.execute(statement).rowcount > 0


def ended(journal: Journal, write: Write) -> str:
    """It and all that comes later is refused for good; the reason."""
    before = journal.last_offset
    first, later = journal.commit([write])[0], journal.commit([creation("later")])[0]
    assert isinstance(first, Unavailable)
    assert first.fatal
    assert first == later
    assert journal.last_offset == before
    return first.detail


def test_an_offset_that_a_foreign_hand_took_is_fatal(journal: Journal) -> None:
    journal.commit([creation("pay_1")])
    stranger(
        journal,
        "INSERT INTO events SELECT \"offset\" + 1, 'pay_x', seq, type, at, merchant,"
        " body, crc FROM events",
    )
    detail = ended(journal, creation("pay_2"))
    assert "another program has written" in detail
    assert "UNIQUE" not in detail
    assert "events.offset" not in detail


def test_a_payment_that_a_foreign_hand_moved_on_is_fatal(journal: Journal) -> None:
    journal.commit([creation("pay_1")])
    payment = stored(journal, "pay_1")
    stranger(journal, "UPDATE payments SET seq = 7")
    assert "nothing more is written" in ended(journal, decided(payment, Cancel("api")))


def test_a_conflict_of_our_own_is_no_foreign_hand(journal: Journal) -> None:
    """Whoever decided on what is gone (a watcher that was restarted) tries again."""
    journal.commit([creation("pay_1")])
    payment = stored(journal, "pay_1")
    journal.commit([decided(payment, Cancel("api"))])
    (outcome,) = journal.commit([decided(payment, Cancel("api"))])
    assert outcome == Conflict("seq", "payment was changed meanwhile")
    (taken,) = journal.commit([creation("pay_2", address="addr_1")] * 2)[1:]
    assert isinstance(taken, Conflict)
    assert "UNIQUE" not in taken.detail
    assert isinstance(journal.commit([creation("pay_3")])[0], Committed)
