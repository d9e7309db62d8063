"""What is looked at before a database is opened: is it one that we may go on with?"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import JournalError
from engine.store.sqlite.checksum import row_crc
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.made_with_key import relies_on_key
from engine.store.sqlite.offline import OfflineDatabase
from engine.store.sqlite.opening import BACKUP_NOTE, reading
from engine.store.sqlite.store import SqliteStore
from engine.store.writes import MerchantRow, Write
from tests.unit.journal_cases import channel, creation
from tests.unit.payment_cases import T0


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
    with pytest.raises(JournalError, match=r"is a backup.*paybell restore"):
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


@pytest.mark.parametrize(
    ("state", "relies"),
    [
        (b'{"display_name":"Cafe"}', False),
        (b'{"webhook_secrets":{"btcpay":"sealed"}}', True),
        (b'{"jwt":{"algorithm":"HS256","secret":"sealed"}}', True),
        (b"[", True),
    ],
)
def test_a_merchant_with_a_secret_relies_on_it(
    tmp_path: Path, state: bytes, relies: bool
) -> None:
    """`run.py wallet add` may come before the first start, which makes the key."""
    with closing(Journal(tmp_path / "node.db")) as journal:
        journal.commit([Write(rows=(MerchantRow("cafe", 1, T0, state),))])
        assert relies_on_key(journal.connection) is relies


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize(
    ("change_of_epochs", "row"),
    [
        ("UPDATE epochs SET epoch = 'zzzzzzzz' WHERE number = 1", 1),
        ("UPDATE epochs SET epoch = CAST(x'ff00' AS TEXT) WHERE number = 2", 2),
        ("UPDATE epochs SET epoch = 'zzzzzzzz', crc = NULL WHERE number = 2", 2),
        ("UPDATE epochs SET crc = 'x' WHERE number = 2", 2),
        ("UPDATE epochs SET first_offset = 9 WHERE number = 1", 1),
        ("UPDATE epochs SET began_at = began_at + 1 WHERE number = 1", 1),
        ("DELETE FROM epochs WHERE number = 1", 1),
        ("DELETE FROM epochs", 1),
    ],
)
def test_a_damaged_row_of_epochs_is_one_line_that_says_what_to_do(
    database: Path, opener: Callable[[Path], object], change_of_epochs: str, row: int
) -> None:
    """Ids of events follow from it: to go on would give shops other ids."""
    with closing(Journal(database)) as journal:
        journal.begin_epoch()
    change(database, change_of_epochs)
    with pytest.raises(JournalError) as caught:
        opener(database)
    said = str(caught.value)
    assert said.startswith(f"database {database}: row {row} of epochs is not as it")
    assert said.endswith("put a backup in its place (`paybell restore`)")
    assert "\n" not in said


def test_epochs_that_began_in_another_order_are_damage(database: Path) -> None:
    """Each row is as it was written, and still they are not one story."""
    values = (0, 2, "zzzzzzzz", 1 << 60)
    with closing(sqlite3.connect(database)) as sql, sql:
        row = (*values, row_crc(values))
        sql.execute(
            "INSERT INTO epochs (first_offset, number, epoch, began_at, crc)"
            " VALUES (?, ?, ?, ?, ?)",
            row,
        )
    with pytest.raises(JournalError, match="row 2 of epochs"):
        Journal(database)


def test_who_reads_writes_nowhere_and_who_copies_elsewhere_only(tmp_path: Path) -> None:
    database = tmp_path / "j.db"
    Journal(database).close()
    other = tmp_path / "other.db"
    with reading(database) as sql, pytest.raises(sqlite3.OperationalError):
        sql.execute("CREATE TEMP TABLE kept (value)")
    with reading(database, query_only=False) as sql:
        sql.execute("VACUUM INTO ?", (str(other),))
        with pytest.raises(sqlite3.OperationalError):
            sql.execute("DELETE FROM epochs")
    assert other.exists()
