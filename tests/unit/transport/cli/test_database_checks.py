"""The doctor sees in a database's files what `serve` refuses, and what it cannot."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.secrets.key_file import node_key
from engine.store.sqlite.backup import make_backup
from engine.store.sqlite.high_water_mark import path_of
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.store import SqliteStore
from tests.unit.journal_cases import creation
from transport.cli import database_checks
from transport.cli.database_checks import check_copy, check_files


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "node.db"
    with closing(Journal(path)) as journal:
        journal.commit([creation("pay_1")])
    node_key(str(path), may_make=True)
    return path


def only_line(database: Path) -> str:
    ((is_well, text),) = check_files(str(database))
    assert not is_well
    return text


def test_a_database_that_is_well_is_not_remarked_on(database: Path) -> None:
    assert list(check_files(str(database))) == []
    with SqliteStore(database, "regtest"):
        assert list(check_files(str(database))) == []
    assert list(check_copy(str(database), 1)) == []


@pytest.mark.parametrize("mark", [".acked", ".told"])
def test_it_sees_that_acknowledged_events_are_missing(
    database: Path, mark: str
) -> None:
    path_of(database).rename(f"{database}{mark}")
    database.write_bytes(b"")
    assert "event 1 was acknowledged" in only_line(database)
    database.unlink()
    assert "event 1 was acknowledged" in only_line(database)


def test_it_sees_a_newer_database(database: Path) -> None:
    with closing(sqlite3.connect(database)) as sql, sql:
        sql.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('paybell', 'm999_of_tomorrow', '')"
        )
    assert "newer version" in only_line(database)


def test_it_sees_a_backup_that_was_put_in_place_by_hand(
    database: Path, tmp_path: Path
) -> None:
    make_backup(str(database), tmp_path / "backup.db", 0)
    (tmp_path / "backup.db").rename(database)
    assert "paybell restore" in only_line(database)


def test_it_sees_a_second_name(database: Path) -> None:
    database.with_name("other.db").hardlink_to(database)
    assert "2 names (hard links)" in only_line(database)


def test_it_sees_a_file_that_is_mounted_alone(
    database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As proc(5) has it: a space in a path is written in octal."""
    spaced = tmp_path / "with a space"
    spaced.mkdir()
    moved = database.rename(spaced / "node.db")
    written = str(moved).replace(" ", "\\040")
    table = tmp_path / "mountinfo"
    table.write_text(f"36 35 98:0 /x {written} rw,noatime - ext4 /dev/sda1 rw\n")
    monkeypatch.setattr(database_checks, "_MOUNTS", table)
    assert "mounted as a single file" in only_line(moved)


def test_it_sees_a_hot_copy_without_its_wal(database: Path, tmp_path: Path) -> None:
    """0 events beside an existing key; a new node has none either, but its mark."""
    copy = tmp_path / "copy.db"
    with SqliteStore(tmp_path / "young.db", "regtest"):
        copy.write_bytes((tmp_path / "young.db").read_bytes())
    Path(f"{copy}.key").write_bytes(b"k" * 32)
    ((is_well, text),) = check_copy(str(copy), 0)
    assert not is_well
    assert "0 events beside a key file" in text
    path_of(copy).touch()
    assert list(check_copy(str(copy), 0)) == []
