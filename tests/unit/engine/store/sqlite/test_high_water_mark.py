"""What was acknowledged is there at the next start, or there is no next start.

The files of a journal that was killed are cut off, exchanged or taken away; the power
cuts of tests/power/ have a mark beside them, too.
"""

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import JournalError
from engine.store.sqlite import queries
from engine.store.sqlite.high_water_mark import HighWaterMark, acked, path_of, slot
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.store import SqliteStore
from engine.store.writes import Committed
from tests.unit.journal_cases import creation

Files = dict[str, bytes]


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A database of five events, all of them in the WAL, as a SIGKILL leaves it."""
    journal = Journal(tmp_path / "live.db")
    for number in range(5):
        journal.commit([creation(f"pay_{number}")])
    copies = tmp_path / "killed"
    copies.mkdir()
    for name in ("live.db", "live.db-wal", "live.db.acked"):
        shutil.copy(tmp_path / name, copies / name)
    journal.close()
    return copies / "live.db"


def test_it_goes_on_where_it_was_killed(killed: Path) -> None:
    with closing(Journal(killed)) as journal:
        assert journal.last_offset == 5
        journal.commit([creation("pay_more")])
    assert acked(killed) == 6


@pytest.mark.parametrize("kept", [0.0, 0.2, 0.9])
def test_a_wal_that_was_cut_off_is_not_gone_on_with(killed: Path, kept: float) -> None:
    wal = killed.with_name("live.db-wal")
    whole = wal.read_bytes()
    wal.write_bytes(whole[: int(len(whole) * kept)])
    left = wal.read_bytes()
    with pytest.raises(JournalError, match=r"event 5 was acknowledged.*restore.*acked"):
        Journal(killed)
    assert wal.read_bytes() == left, "it was touched"
    path_of(killed).unlink()
    with closing(Journal(killed)) as journal:
        assert journal.last_offset < 5


def test_a_database_that_was_emptied_is_not_a_new_one(killed: Path) -> None:
    killed.with_name("live.db-wal").unlink()
    killed.write_bytes(b"")
    with pytest.raises(JournalError, match="gone or empty, but event 5 was ackn"):
        Journal(killed)


@pytest.mark.parametrize("before", [0, 1])
def test_an_older_database_in_its_place_is_told_from_it(
    tmp_path: Path, before: int
) -> None:
    """Also one from before the first event."""
    db, backup = tmp_path / "live.db", tmp_path / "backup.db"
    with closing(Journal(db)) as journal:
        for number in range(before):
            journal.commit([creation(f"pay_{number}")])
        with closing(sqlite3.connect(backup)) as copy:
            journal.connection.backup(copy)
        journal.commit([creation("pay_more")])
    shutil.copy(backup, db)
    said = f"ends with event {before}, but event {before + 1}"
    with pytest.raises(JournalError, match=said):
        Journal(db)


@pytest.mark.parametrize("events", [0, 2])
def test_what_is_gone_on_with_without_its_mark_gives_no_id_again(
    tmp_path: Path, events: int
) -> None:
    """An older one is put in its place and the mark removed, as the README says."""
    db, backup = tmp_path / "live.db", tmp_path / "backup.db"
    with closing(Journal(db)) as journal:
        for number in range(events):
            journal.commit([creation(f"pay_{number}")])
        with closing(sqlite3.connect(backup)) as copy:
            journal.connection.backup(copy)
        journal.commit([creation("pay_lost")])
        first = journal.epoch
    with closing(Journal(db)) as journal:
        assert journal.epoch == first, "it has its mark"
    path_of(db).unlink()
    shutil.copy(backup, db)
    with closing(Journal(db)) as journal:
        assert journal.last_offset == events
        (outcome,) = journal.commit([creation("pay_new")])
        assert isinstance(outcome, Committed)
        (event,) = outcome.events
    assert journal.epoch != first
    assert event.wire.startswith(f'{{"id":"evt_{journal.epoch}_'.encode())
    with closing(Journal(db)) as again:
        assert again.epoch == journal.epoch, "it has a mark of its own now"


def test_a_database_that_is_gone_is_not_begun_anew(killed: Path) -> None:
    """Nor is an empty file left in its place by whoever looked."""
    for name in ("live.db", "live.db-wal"):
        killed.with_name(name).unlink()
    with pytest.raises(JournalError, match=r"gone or empty.*paybell restore"):
        SqliteStore(killed, "regtest")
    assert not killed.exists()
    path_of(killed).unlink()
    with closing(Journal(killed)) as journal:
        assert journal.last_offset == 0
    assert acked(killed) == 0


def test_a_mark_that_cannot_be_written_or_read_is_none(tmp_path: Path) -> None:
    db = tmp_path / "live.db"
    path_of(db).mkdir()
    with closing(Journal(db)) as journal:
        journal.commit([creation("pay_1")])
    assert acked(db) == 0
    with closing(Journal(db)) as journal:
        assert journal.last_offset == 1


@pytest.mark.parametrize("torn", range(0, 40, 3))
def test_a_torn_write_leaves_the_one_before_it(tmp_path: Path, torn: int) -> None:
    db = tmp_path / "live.db"
    mark = HighWaterMark(db, 0)
    for offset in (7, 8):
        mark.note(offset)
    before = bytearray(path_of(db).read_bytes())
    mark.note(9)
    mark.close()
    after = path_of(db).read_bytes()
    changed = [
        at for at in range(len(after)) if before[at : at + 1] != after[at : at + 1]
    ]
    for at in changed[:torn]:
        before[at] = after[at]
    path_of(db).write_bytes(before)
    assert acked(db) in {8, 9}


def test_rubbish_says_nothing(tmp_path: Path) -> None:
    db = tmp_path / "live.db"
    for content in (b"", b"x", bytes(4096), slot(5)[:-1], b"\xff" * 600):
        path_of(db).write_bytes(content)
        assert acked(db) == 0


# -- the name it once had --------------------------------------------------------------


@pytest.fixture
def former(killed: Path) -> Path:
    """The same database, with its mark under the former name: `<db>.told`."""
    return path_of(killed).rename(f"{killed}.told")


def test_a_former_mark_is_taken_over_at_the_first_start(
    killed: Path, former: Path
) -> None:
    assert acked(killed) == 5
    with closing(Journal(killed)) as journal:
        journal.commit([creation("pay_more")])
    assert not former.exists()
    assert acked(killed) == 6


def test_a_former_mark_notices_what_is_missing(killed: Path, former: Path) -> None:
    killed.with_name("live.db-wal").unlink()
    with pytest.raises(JournalError, match=r"event 5 was acknowledged.*remove \S+told"):
        Journal(killed)
    assert former.exists()
    assert not path_of(killed).exists()


def test_a_former_mark_goes_after_its_successor_is_on_the_disk(
    killed: Path, former: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def sync(fd: int) -> None:
        assert former.exists()
        assert path_of(killed).read_bytes().count(slot(5)) == 2
        steps.append("file" if stat.S_ISREG(os.fstat(fd).st_mode) else "folder")

    def unlink(path: Path) -> None:
        steps.append(f"unlink {path.name}")

    monkeypatch.setattr("os.fsync", sync)
    monkeypatch.setattr(Path, "unlink", unlink)
    Journal(killed).close()
    assert steps == ["file", "folder", "unlink live.db.told"]


def test_a_start_that_was_cut_off_in_between_is_made_good(
    killed: Path, former: Path
) -> None:
    path_of(killed).write_bytes(b"")  # made, and never written
    assert acked(killed) == 5
    Journal(killed).close()
    assert not former.exists()
    assert acked(killed) == 5


def test_a_former_mark_stays_where_no_other_can_be_made(
    killed: Path, former: Path
) -> None:
    path_of(killed).mkdir()
    Journal(killed).close()
    assert former.exists()
    assert acked(killed) == 5


def test_a_former_mark_stays_while_the_disk_is_full(
    killed: Path, former: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(HighWaterMark, "_write", lambda *_: None)
        Journal(killed).close()
    assert former.exists()
    assert acked(killed) == 5
    Journal(killed).close()
    assert not former.exists()


def test_a_first_start_that_is_cut_off_has_its_mark_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next one would take the database for one from elsewhere: clients that
    come with a number alone would be told that everything begins anew."""
    db = tmp_path / "live.db"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_scalar", killed)  # the schema is there by then
        with pytest.raises(KeyboardInterrupt):
            Journal(db)
    assert path_of(db).exists()
    with closing(Journal(db)) as journal:
        assert len(queries.epochs(journal.connection)._starts) == 1
