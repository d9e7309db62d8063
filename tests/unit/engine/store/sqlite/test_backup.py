"""A backup: all that was committed at one moment, made beside whoever writes on."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gevent.event import AsyncResult

from engine.errors import BackupError, DatabaseInUse
from engine.store.sqlite.backup import make_backup, note_in
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.opening import reading
from engine.store.sqlite.store import SqliteStore
from engine.store.writes import Outcome
from tests.tools import children
from tests.unit.journal_cases import creation


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


@pytest.fixture
def store(database: Path) -> Iterator[SqliteStore]:
    with SqliteStore(database, "regtest") as opened:
        yield opened


def commit(store: SqliteStore, *names: str) -> None:
    done: AsyncResult[list[Outcome]] = AsyncResult()
    store.writer.submit([creation(name) for name in names], done.set)
    done.get()


def ids_in(backup: Path) -> list[str]:
    with reading(backup) as sql:
        return [name for (name,) in sql.execute("SELECT id FROM payments ORDER BY id")]


def test_what_is_committed_is_in_it_and_it_is_one_file(
    database: Path, store: SqliteStore, tmp_path: Path
) -> None:
    commit(store, "pay_1", "pay_2")
    target = tmp_path / "monday.db"
    note = make_backup(str(database), target, 1_700)
    assert (note.made_at, note.last_offset) == (1_700, 2)
    assert ids_in(target) == ["pay_1", "pay_2"]
    with reading(target) as sql:
        assert note_in(sql) == note
        assert sql.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert sql.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert [path.name for path in tmp_path.glob("monday*")] == ["monday.db"]
    assert target.stat().st_mode & 0o077 == 0


def test_it_never_writes_in_the_database_nor_makes_a_checkpoint(
    database: Path, store: SqliteStore, tmp_path: Path
) -> None:
    commit(store, "pay_1")
    wal = Path(f"{database}-wal")
    before = wal.stat().st_ino, wal.read_bytes()
    with reading(database) as sql:
        version = sql.execute("PRAGMA data_version").fetchone()
        make_backup(str(database), tmp_path / "monday.db", 0)
        assert sql.execute("PRAGMA data_version").fetchone() == version
    assert (wal.stat().st_ino, wal.read_bytes()) == before
    commit(store, "pay_2")  # and is in nobody's way
    assert ids_in(tmp_path / "monday.db") == ["pay_1"]


_WRITER = """
import sys
from itertools import count
from engine.store.sqlite.journal import Journal
from tests.unit.journal_cases import creation
journal = Journal(sys.argv[1])
for number in count():
    journal.commit([creation(f"p{number}a"), creation(f"p{number}b")])
    print(number, flush=True)
"""


def test_it_is_of_one_moment_while_another_process_commits(
    database: Path, tmp_path: Path
) -> None:
    """No gap, no half of a commit, and it ends, however much is written meanwhile."""
    writer = children.start(
        [sys.executable, "-c", _WRITER, str(database)],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        assert writer.stdout is not None
        for number in range(3):
            writer.stdout.readline()
            target = tmp_path / f"{number}.db"
            note = make_backup(str(database), target, 0)
            assert writer.poll() is None
            with reading(target) as sql:
                events = 'SELECT count(*), max("offset") FROM events'
                assert sql.execute(events).fetchone() == (note.last_offset,) * 2
            assert note.last_offset > 0
            assert note.last_offset % 2 == 0
    finally:
        writer.kill()
        writer.wait()


def test_a_file_that_is_there_is_not_overwritten(
    database: Path, store: SqliteStore, tmp_path: Path
) -> None:
    there = tmp_path / "there.db"
    there.write_text("precious")
    with pytest.raises(BackupError, match="exists already; name a new file"):
        make_backup(str(database), there, 0)
    with pytest.raises(BackupError, match="exists already"):
        make_backup(str(database), database, 0)
    assert there.read_text() == "precious"


def test_no_database_makes_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"there is no database .*--db"):
        make_backup(str(tmp_path / "none.db"), tmp_path / "backup.db", 0)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_leaves_nothing(
    database: Path, store: SqliteStore, tmp_path: Path
) -> None:
    with pytest.raises(BackupError, match="no copy was made"):
        make_backup(str(database), tmp_path / "nowhere" / "backup.db", 0)


def test_what_lost_acknowledged_events_is_not_backed_up_as_if_it_were_whole(
    database: Path, tmp_path: Path
) -> None:
    with closing(Journal(database)) as journal:
        journal.commit([creation("pay_1")])
    whole = database.read_bytes()
    with closing(Journal(database)) as journal:
        journal.commit([creation("pay_2")])
    database.write_bytes(whole)
    target = tmp_path / "backup.db"
    with pytest.raises(BackupError, match=r"event 1, but event 2.*no backup was made"):
        make_backup(str(database), target, 0)
    assert not list(tmp_path.glob("backup.db*"))


def test_what_an_earlier_attempt_left_is_no_obstacle(
    database: Path, store: SqliteStore, tmp_path: Path
) -> None:
    commit(store, "pay_1")
    (tmp_path / "monday.db.part").write_bytes(b"half of a backup")
    make_backup(str(database), tmp_path / "monday.db", 0)
    assert ids_in(tmp_path / "monday.db") == ["pay_1"]
    assert not (tmp_path / "monday.db.part").exists()


def test_without_a_node_none_can_start_meanwhile(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Journal(database)) as journal:
        journal.commit([creation("pay_1")])
    connect = sqlite3.connect
    tried: list[bool] = []

    def noted(*args: object, **options: object) -> sqlite3.Connection:
        if not tried:
            tried.append(True)
            with pytest.raises(DatabaseInUse):
                SqliteStore(database, "regtest")
        return connect(*args, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", noted)
    make_backup(str(database), tmp_path / "monday.db", 0)
    assert tried
    monkeypatch.undo()
    SqliteStore(database, "regtest").close()
