"""SQLite's errors in words: which are fatal, which may pass, and what to do."""

import sqlite3

import pytest

from engine.errors import JournalError, StoreDamaged, StoreUnavailable
from engine.store.sqlite.checksum import Damaged, DamagedEpochs
from engine.store.sqlite.trouble import (
    ForeignHand,
    explain,
    explained,
    is_fatal,
    unreadable,
)


def error(
    code: int, kind: type[sqlite3.Error] = sqlite3.OperationalError
) -> sqlite3.Error:
    made = kind("something is wrong")
    made.sqlite_errorcode = code
    return made


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (sqlite3.SQLITE_FULL, "the disk is full"),
        (sqlite3.SQLITE_BUSY, "another process holds the database"),
        (sqlite3.SQLITE_LOCKED, "another process holds the database"),
        (sqlite3.SQLITE_CORRUPT, "the file is damaged"),
        (sqlite3.SQLITE_NOTADB, "is not a database"),
        (sqlite3.SQLITE_READONLY, "is not writable"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
        (sqlite3.SQLITE_IOERR, "input/output error"),
        (sqlite3.SQLITE_IOERR | 7 << 8, "input/output error"),
        (sqlite3.SQLITE_MISUSE, "unless somebody changed the file by hand"),
    ],
)
def test_each_trouble_is_said_with_what_to_do(code: int, says: str) -> None:
    text = explain(error(code), "node.db")
    assert text.startswith("database node.db: something is wrong; ")
    assert says in text
    assert says in str(unreadable(error(code)))


def test_an_error_without_a_code_is_damage_for_all_that_is_known() -> None:
    bare = sqlite3.DatabaseError("what is this")
    assert "unless somebody changed the file by hand" in explain(bare, "x")
    assert not is_fatal(bare)


@pytest.mark.parametrize(
    ("code", "fatal"),
    [
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_CORRUPT | 3 << 8, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_BUSY, False),
        (sqlite3.SQLITE_IOERR, False),
    ],
)
def test_damage_is_fatal_and_trouble_that_may_pass_is_not(
    code: int, fatal: bool
) -> None:
    assert is_fatal(error(code)) is fatal


def test_a_stranger_who_writes_is_fatal() -> None:
    assert is_fatal(ForeignHand())
    text = explain(ForeignHand(), "x")
    assert "another program has written events or payments in it" in text
    assert "nothing more is written" in text


def test_a_damaged_row_is_damage_and_damaged_epochs_stop_a_start() -> None:
    damaged = Damaged("event 7")
    assert damaged.sqlite_errorcode == sqlite3.SQLITE_CORRUPT
    assert is_fatal(damaged)
    assert str(damaged) == "event 7 is not as it was written: its checksum differs"
    assert "so the node does not start" in explain(DamagedEpochs("epochs"), "x")


def test_what_may_pass_is_unavailable_and_the_rest_is_damage() -> None:
    may_pass = unreadable(error(sqlite3.SQLITE_BUSY))
    assert isinstance(may_pass, StoreUnavailable)
    assert may_pass.detail == "something is wrong"
    gone = unreadable(error(sqlite3.SQLITE_CORRUPT, sqlite3.DatabaseError))
    assert isinstance(gone, StoreDamaged)
    assert "restore a backup" in gone.advice


def test_what_is_raised_within_is_said_in_words() -> None:
    with pytest.raises(JournalError, match="something is wrong; the disk is full"):  # noqa: SIM117
        with explained("node.db"):
            raise error(sqlite3.SQLITE_FULL)
    with pytest.raises(JournalError, match="what stands in it is no text"):  # noqa: SIM117
        with explained("node.db"):
            b"\xff".decode()
    with pytest.raises(KeyError), explained("node.db"):
        raise KeyError("a bug")
