"""What a replaced database gave out is not given out again."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.store.sqlite.backup import make_backup
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.offline import OfflineDatabase
from engine.store.sqlite.restore import Restore
from engine.store.writes import AddressRow, Write
from tests.unit.journal_cases import creation, wallet


def drawn(name: str, index: int, identity: str = "identity") -> Write:
    row = AddressRow(identity, index, f"address of {name}", "wal_1", name, "an epoch")
    return Write(entries=creation(name).entries, rows=(row,))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two merchants with one xpub, and a third; four more addresses since then."""
    path = tmp_path / "node.db"
    with closing(Journal(path)) as journal:
        other = replace(wallet("wal_3", "cid"), identity="other")
        rows = Write(rows=(wallet(), wallet("wal_2", "bob"), other))
        journal.commit([rows, drawn("p0", 0), drawn("q4", 4, "other")])
    make_backup(str(path), tmp_path / "backup.db", 1_700)
    with closing(Journal(path)) as journal:
        journal.commit([drawn(f"p{n}", n) for n in (1, 2, 7, 8)])
    return path


def restored(database: Path) -> dict[str, int]:
    """Where each wallet goes on, at least."""
    with Restore(database.with_name("backup.db"), str(database)) as place:
        place.look()
        place.carry_keys()
        place.accept("old")
    with OfflineDatabase(str(database)) as ours:
        assert not ours.damaged_beside(10)
        return {row.id: row.first_index for row in ours.wallets()}


def test_each_wallet_goes_on_behind_what_the_replaced_one_drew(database: Path) -> None:
    assert restored(database) == {"wal_1": 9, "wal_2": 9, "wal_3": 5}


def test_a_backup_that_is_restored_twice_knows_of_the_life_in_between(
    database: Path,
) -> None:
    restored(database)
    with closing(Journal(database)) as journal:
        journal.commit([drawn("r", 1_009)])
    database.with_name("node.db.old").unlink()
    assert restored(database) == {"wal_1": 1_010, "wal_2": 1_010, "wal_3": 5}


def test_a_damaged_row_is_passed_over(database: Path) -> None:
    with closing(sqlite3.connect(database)) as sql:
        sql.execute("UPDATE wallet_addresses SET epoch = 'x' WHERE address = ?",
                    ("address of p8",))  # fmt: skip
        sql.commit()
    assert restored(database)["wal_1"] == 8


def test_a_database_from_before_there_were_wallets_drew_nothing(database: Path) -> None:
    with closing(sqlite3.connect(database)) as sql:
        sql.execute("DROP TABLE wallet_addresses")
        sql.commit()
    assert restored(database) == {"wal_1": 0, "wal_2": 0, "wal_3": 0}
