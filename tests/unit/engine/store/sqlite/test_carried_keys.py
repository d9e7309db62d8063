"""Keys of a database that a backup takes the place of are not lost with it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.store.key_writes import WalletKeyRow, WalletSecretRow
from engine.store.sqlite.backup import make_backup
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.offline import OfflineDatabase
from engine.store.sqlite.restore import Restore
from engine.store.writes import Row, Write
from tests.unit.journal_cases import creation


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """One key when it was backed up, three and another wallet now."""
    path = tmp_path / "node.db"
    with closing(Journal(path)) as journal:
        first = WalletSecretRow("wal_1", b"sealed"), WalletKeyRow("wal_1", b"a", b"A")
        journal.commit([creation("pay_1"), Write(rows=first)])
    make_backup(str(path), tmp_path / "backup.db", 1_700)
    with closing(Journal(path)) as journal:
        more = tuple(WalletKeyRow("wal_1", bytes([n]), b"%d" % n) for n in (1, 2))
        rows: tuple[Row, ...] = (*more, WalletSecretRow("wal_2", b"sealed"))
        journal.commit([creation("pay_2"), Write(rows=rows)])
    return path


def restored(database: Path) -> int | None:
    with Restore(database.with_name("backup.db"), str(database)) as place:
        assert place.look().holds_drawn_keys
        carried = place.carry_keys()
        place.accept("old")
    return carried


def test_keys_that_were_drawn_after_the_backup_are_taken_over(database: Path) -> None:
    assert restored(database) == 3
    with OfflineDatabase(str(database)) as ours:
        assert [name for name, _ in ours.sealed_wallets()] == ["wal_1", "wal_2"]
        assert ours.sealed_key("wal_1", b"a") == b"A"
        assert ours.sealed_key("wal_1", b"\x01") == b"1"
        assert ours.sealed_key("wal_1", b"\x02") == b"2"
        assert not ours.damaged_beside(10)
        assert ours.payment("pay_2") is None  # all else is as the backup has it


def test_a_row_that_is_not_as_it_was_written_is_passed_over(database: Path) -> None:
    with closing(sqlite3.connect(database)) as sql:
        sql.execute("UPDATE wallet_keys SET sealed = x'00' WHERE script = x'01'")
        sql.commit()
    assert restored(database) == 2


def test_a_lost_or_unreadable_database_has_no_keys_to_give(database: Path) -> None:
    with Restore(database.with_name("backup.db"), str(database)) as place:
        place.look()
        database.write_bytes(b"no database at all" * 500)
        assert place.carry_keys() is None
        database.unlink()
        assert place.carry_keys() == 0


def test_a_database_from_before_there_were_keys_has_none(database: Path) -> None:
    with closing(sqlite3.connect(database)) as sql:
        sql.execute("DROP TABLE wallet_keys")
        sql.execute("DROP TABLE wallet_secrets")
        sql.commit()
    assert restored(database) == 0
