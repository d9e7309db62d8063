"""What is looked at before a database is opened: is it one that we may go on with?"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import JournalError
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.made_with_key import relies_on_key
from engine.store.sqlite.offline import OfflineDatabase
from engine.store.sqlite.opening import BACKUP_NOTE
from engine.store.sqlite.store import SqliteStore
from tests.unit.journal_cases import channel, creation


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "node.db"
    with closing(Journal(path)) as journal:
        journal.commit([creation("pay_1")])
    return path


def change(database: Path, statement: str) -> bytes:
    with closing(sqlite3.connect(database)) as sql, sql:
        sql.execute(statement)
    return database.read_bytes()


OPENERS: list[Callable[[Path], object]] = [
    Journal,
    lambda path: SqliteStore(path, "regtest"),
    lambda path: OfflineDatabase(str(path)),
]


@pytest.mark.parametrize("opener", OPENERS)
def test_a_database_newer_than_the_program_is_refused_and_left_as_it_is(
    database: Path, opener: Callable[[Path], object]
) -> None:
    before = change(
        database,
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('paybell', 'm999_of_tomorrow', '2030-01-01')",
    )
    with pytest.raises(
        JournalError, match=r"newer version.*m999_of_tomorrow.*Start that version"
    ):
        opener(database)
    assert database.read_bytes() == before


def test_migrations_of_others_in_the_same_file_are_none_of_ours(database: Path) -> None:
    change(
        database,
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('another', 'm999_of_tomorrow', '2030-01-01')",
    )
    Journal(database).close()


def test_a_backup_that_was_put_in_place_by_hand_is_not_begun_with(
    database: Path,
) -> None:
    """Its events to come would have ids that shops have seen."""
    before = change(database, f"CREATE TABLE {BACKUP_NOTE} (made_at INTEGER)")
    with pytest.raises(JournalError, match=r"is a backup.*run.py restore"):
        SqliteStore(database, "regtest")
    assert database.read_bytes() == before


def test_what_was_made_with_a_key_relies_on_it(tmp_path: Path) -> None:
    for name, write in (("payment", creation("pay_1")), ("channel", channel("ch_1"))):
        with closing(Journal(tmp_path / name)) as journal:
            assert not relies_on_key(journal.connection)
            journal.commit([write])
            assert relies_on_key(journal.connection)
    with SqliteStore(tmp_path / "payment", "regtest") as store:
        assert store.relies_on_key()
