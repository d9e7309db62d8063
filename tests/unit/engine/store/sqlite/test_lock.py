"""Two nodes on one database: what they are on is the file, not its name.

A "stranger" is a process of its own that opens the database with SQLite and leaves
again; if SQLite's locks of the holder were gone, SQLite would take it for the last one
out, who checkpoints and deletes the WAL under the holder's hands.
"""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent.event import AsyncResult

from engine.errors import DatabaseInUse, LockFileError
from engine.store.sqlite.lock import DatabaseLock
from engine.store.sqlite.offline import OfflineDatabase, examine
from engine.store.sqlite.opening import reading
from engine.store.sqlite.store import SqliteStore
from engine.store.writes import Committed, Outcome
from tests.tools import children
from tests.unit.journal_cases import creation

_STRANGER = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
    " print(c.execute('SELECT count(*) FROM events').fetchone()[0]); c.close()"
)

_SECOND = """
import sys
from engine.errors import CannotOpenStore
from engine.store.sqlite.offline import OfflineDatabase
try:
    with OfflineDatabase(sys.argv[1]) as database:
        print("opened", database.count_events())
except CannotOpenStore as error:
    print(type(error).__name__, error)
"""

_UNDER_A_BIND_MOUNT = """
import sys
from pathlib import Path
from tests.tools.own_network import NotAllowed, enter, mount_over
try:
    enter()
except NotAllowed:
    print("NotAllowed")
else:
    mount_over(sys.argv[2], sys.argv[1])
    exec(Path(sys.argv[3]).read_text())
"""


def run(program: str, *arguments: str | Path) -> str:
    finished = children.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=180,
    )
    assert finished.returncode == 0, finished.stderr
    return str(finished.stdout).strip()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


@pytest.fixture
def held(database: Path) -> Iterator[SqliteStore]:
    """A node's store, with commits that are in the WAL only."""
    with SqliteStore(database, "regtest") as store:
        commit(store, "pay_1")
        assert wal_of(database).stat().st_size > 0
        yield store


def commit(store: SqliteStore, name: str) -> None:
    done: AsyncResult[list[Outcome]] = AsyncResult()
    store.writer.submit([creation(name)], done.set)
    outcomes = done.get()
    assert outcomes is not None
    (outcome,) = outcomes
    assert isinstance(outcome, Committed)


def wal_of(database: Path) -> Path:
    return Path(f"{database}-wal")


def is_safe_from_strangers(database: Path) -> bool:
    """Whether SQLite still knows that somebody is at work."""
    before = wal_of(database).stat().st_ino
    assert run(_STRANGER, database) == "1"
    return wal_of(database).exists() and wal_of(database).stat().st_ino == before


# -- under another name ----------------------------------------------------------------


def test_a_second_node_through_a_symbolic_link_is_refused(
    database: Path, held: SqliteStore
) -> None:
    held.note("http://127.0.0.1:8080")
    link = database.with_name("link.db")
    link.symlink_to(database)
    refused = run(_SECOND, link)
    assert refused.startswith("DatabaseInUse")
    assert f"(process {os.getpid()}) that listens on http://127.0.0.1:8080" in refused
    assert sorted(p.name for p in link.parent.glob("link*")) == ["link.db"]


def test_a_second_node_through_a_hard_link_is_refused(
    database: Path, held: SqliteStore
) -> None:
    link = database.with_name("other.db")
    link.hardlink_to(database)
    assert run(_SECOND, link).startswith("DatabaseInUse")
    assert sorted(p.name for p in link.parent.glob("other*")) == ["other.db"]


def test_a_second_node_through_a_bind_mount_is_refused(
    database: Path, held: SqliteStore, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    mounted = elsewhere / "node.db"
    mounted.touch()
    program = tmp_path / "second.py"
    program.write_text(_SECOND)
    found = run(_UNDER_A_BIND_MOUNT, mounted, database, program)
    if found == "NotAllowed":
        pytest.skip("this kernel gives no mounts to this user")
    assert found.startswith("DatabaseInUse")


def test_a_second_node_is_refused_when_the_lock_file_was_removed(
    database: Path, held: SqliteStore
) -> None:
    Path(f"{database}.lock").unlink()
    assert run(_SECOND, database).startswith("DatabaseInUse")


def test_a_second_node_is_refused_by_an_earlier_versions_lock(database: Path) -> None:
    """Which locks the lock file alone. The database has the same name as its own."""
    program = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
        " f.write('pid 77\\n'); f.flush(); print('held', flush=True); sys.stdin.read()"
    )
    earlier = children.start(
        [sys.executable, "-c", program, f"{database}.lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    with earlier:
        assert earlier.stdout is not None
        assert earlier.stdout.readline() == "held\n"
        with pytest.raises(DatabaseInUse, match="process 77"):
            SqliteStore(database, "regtest")
        assert not database.exists()
        assert earlier.stdin is not None
        earlier.stdin.close()


def test_a_database_with_two_names_is_not_begun_with(database: Path) -> None:
    """Commits that wait in the WAL of one name are not there under the other."""
    with SqliteStore(database, "regtest") as store:
        commit(store, "pay_1")
    other = database.with_name("other.db")
    other.hardlink_to(database)
    for name in (database, other):
        with pytest.raises(LockFileError, match=r"2 names \(hard links\).*remove all"):
            SqliteStore(name, "regtest")
    other.unlink()
    with SqliteStore(database, "regtest") as store:
        assert store.reader.last_offset() == 1


def test_its_files_lie_beside_the_file_and_not_beside_the_link(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    (here / "link.db").symlink_to(there / "node.db")
    with SqliteStore(here / "link.db", "regtest") as store:
        commit(store, "pay_1")
    assert [path.name for path in here.iterdir()] == ["link.db"]
    assert {path.name for path in there.iterdir()} == {
        "node.db",
        "node.db.lock",
        "node.db.acked",
    }
    with SqliteStore(there / "node.db", "regtest") as store:
        assert store.reader.last_offset() == 1


# -- the trap: POSIX locks go with any descriptor that is closed -----------------------


def test_the_trap_is_real(database: Path, held: SqliteStore) -> None:
    """And this is how the tests below would see it."""
    assert is_safe_from_strangers(database)
    os.close(os.open(database, os.O_RDONLY))
    assert not is_safe_from_strangers(database)


def test_nothing_that_a_node_does_drops_sqlites_locks(
    database: Path, held: SqliteStore
) -> None:
    held.note("http://127.0.0.1:8080")
    assert held.reader.last_offset() == 1
    with pytest.raises(DatabaseInUse):
        SqliteStore(database, "regtest")
    link = database.with_name("link.db")
    link.symlink_to(database)
    with pytest.raises(DatabaseInUse):
        OfflineDatabase(str(link))
    with reading(database) as sql:
        assert sql.execute("SELECT count(*) FROM events").fetchone() == (1,)
    assert examine(database, deep=True, limit=9).events == 1
    assert is_safe_from_strangers(database)


def test_the_files_own_descriptor_is_opened_first_and_closed_last(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    connect, close = sqlite3.connect, os.close

    def noted_close(fd: int) -> None:
        if os.path.samestat(os.fstat(fd), os.stat(database)):
            order.append("let go")
        close(fd)

    def noted_connect(*args: object, **options: object) -> sqlite3.Connection:
        with pytest.raises(DatabaseInUse):  # it is held by now
            DatabaseLock(str(database)).__enter__()
        order.append("sqlite opened")
        return connect(*args, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", noted_connect)
    monkeypatch.setattr(os, "close", noted_close)
    with SqliteStore(database, "regtest") as store:
        journal = store.writer._journal
        closed = journal.close

        def noted_close_of_journal() -> None:
            closed()
            order.append("sqlite closed")

        monkeypatch.setattr(journal, "close", noted_close_of_journal)
        store.reader.last_offset()
    assert order[0] == "sqlite opened"
    assert order[-2:] == ["sqlite closed", "let go"]
    assert order.count("let go") == 1


def test_who_is_turned_away_takes_nothing_with_him(
    database: Path, held: SqliteStore
) -> None:
    for _ in range(3):
        with pytest.raises(DatabaseInUse):
            SqliteStore(database, "regtest")
    commit(held, "pay_2")
    with reading(database) as sql:
        assert sql.execute("SELECT count(*) FROM events").fetchone() == (2,)
