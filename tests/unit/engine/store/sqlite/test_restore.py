"""A restore: looked at before anything is touched, a new epoch, nothing deleted."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import BackupError, DatabaseInUse, JournalError
from engine.payment.events import opening
from engine.payment.lightning_terms import Invoice
from engine.payment.observations import Cancel
from engine.store.sqlite import queries
from engine.store.sqlite.backup import make_backup
from engine.store.sqlite.high_water_mark import acked, path_of
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.opening import reading
from engine.store.sqlite.restore import Contents, Replaced, Restore
from engine.store.sqlite.store import SqliteStore
from engine.store.writes import Entry, Write
from tests.tools.direct_store import DirectStore
from tests.unit.journal_cases import creation, decided, stored
from tests.unit.payment_cases import T0, terms


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two events when it was backed up, three now."""
    path = tmp_path / "node.db"
    with closing(Journal(path)) as journal:
        journal.commit([creation("pay_1"), creation("pay_2")])
    make_backup(str(path), tmp_path / "backup.db", 1_700)
    with closing(Journal(path)) as journal:
        journal.commit([creation("pay_3")])
    return path


@pytest.fixture
def backup(database: Path) -> Path:
    return database.with_name("backup.db")


def restored(backup: Path, database: Path) -> Contents:
    with Restore(backup, str(database)) as place:
        found = place.look()
        place.accept("old")
    return found


def offsets(database: Path) -> list[int]:
    with reading(database) as sql:
        return [offset for (offset,) in sql.execute('SELECT "offset" FROM events')]


def lose(database: Path) -> None:
    for path in database.parent.glob("node.db*"):
        path.unlink()


def test_what_is_in_it_is_said_before_it_is_accepted(
    backup: Path, database: Path
) -> None:
    with Restore(backup, str(database)) as place:
        found = place.look()
        assert found.note is not None
        assert found.note.made_at == 1_700
        assert (found.last_offset, found.payments, found.watched) == (2, 2, 2)
        assert found.damaged == []
        assert found.relies_on_key
        assert place.replaced() == Replaced(3, is_older_part=False)
        assert place.acknowledged() == 3
    assert offsets(database) == [1, 2, 3]  # it was not accepted
    assert not list(database.parent.glob("*.restoring*"))
    Journal(database).close()


def test_it_goes_on_as_a_new_epoch_with_the_ids_of_what_it_holds(
    backup: Path, database: Path
) -> None:
    with reading(database) as sql:
        before = [event.wire for event in queries.events_after(sql, 0)]
        lost_epoch = queries.epochs(sql).present
    restored(backup, database)
    with closing(Journal(database)) as journal:
        assert journal.epoch != lost_epoch
        journal.commit([creation("pay_4")])
        after = [e.wire for e in queries.events_after(journal.connection, 0)]
    assert after[:2] == before[:2]
    assert after[2] != before[2]
    assert f"evt_{lost_epoch}_3".encode() in before[2]
    assert f"evt_{lost_epoch}_3".encode() not in after[2]
    assert acked(database) == 3


def test_what_was_there_is_moved_aside_with_its_wal_and_its_mark(
    backup: Path, database: Path
) -> None:
    killed = database.with_name("killed.db")
    with closing(Journal(database)) as journal:
        journal.commit([creation("pay_only_in_the_wal")])
        for suffix in ("", "-wal", ".acked"):
            shutil.copy(f"{database}{suffix}", f"{killed}{suffix}")
    restored(backup, killed)
    old = database.with_name("killed.db.old")
    assert not Path(f"{killed}-wal").exists()
    assert offsets(killed) == [1, 2]
    assert offsets(old) == [1, 2, 3, 4]
    assert path_of(old).exists()


def test_where_all_is_lost_it_is_the_database(backup: Path, database: Path) -> None:
    lose(database)
    with Restore(backup, str(database)) as place:
        place.look()
        assert place.replaced() is None
        assert place.acknowledged() == 0
        place.accept("old")
    with SqliteStore(database, None) as store:
        assert store.reader.last_offset() == 2
    assert not list(database.parent.glob("*.old*"))


def test_a_database_that_the_backup_has_all_of_is_an_older_part(
    backup: Path, database: Path
) -> None:
    lose(database)
    restored(backup, database)
    with Restore(backup, str(database)) as place:
        place.look()
        assert place.replaced() == Replaced(2, is_older_part=True)


def test_a_database_with_another_story_is_none(backup: Path, database: Path) -> None:
    lose(database)
    with closing(Journal(database)) as journal:
        journal.commit([creation("pay_of_another")])
    with Restore(backup, str(database)) as place:
        place.look()
        assert place.replaced() == Replaced(1, is_older_part=False)


def test_a_database_that_cannot_be_read_may_have_more(
    backup: Path, database: Path
) -> None:
    database.write_bytes(b"rubbish " * 1_000)
    with Restore(backup, str(database)) as place:
        place.look()
        assert place.replaced() == Replaced(None, is_older_part=False)


def test_a_node_that_runs_is_not_restored_under_its_hands(
    backup: Path, database: Path
) -> None:
    with (
        SqliteStore(database, None),
        pytest.raises(DatabaseInUse),
        Restore(backup, str(database)),
    ):
        pass


# -- what is no backup -----------------------------------------------------------------


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4_096])


def spoilt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4_096 * 3 : 4_096 * 4] = b"\xa5" * 4_096
    path.write_bytes(content)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as sql, sql:
        sql.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('paybell', 'm999_of_tomorrow', '')"
        )


def no_database(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 1_000)


def empty(path: Path) -> None:
    """As a hot copy without its WAL is."""
    path.unlink()
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("PRAGMA journal_mode=WAL")


def behind_its_mark(path: Path) -> None:
    path_of(path).write_bytes(path_of(path.with_name("node.db")).read_bytes())


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut_off, "damaged|malformed"),
        (spoilt, "damaged|malformed"),
        (newer, "newer version"),
        (no_database, "not a database"),
        (empty, "holds no events.*-wal"),
        (behind_its_mark, r"event 2, but by the \.acked.*event 3"),
    ],
)
def test_what_is_no_backup_is_refused_and_all_stays_as_it_is(
    backup: Path, database: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(backup)
    before = database.read_bytes(), path_of(database).read_bytes()
    with (
        pytest.raises(BackupError, match=words),
        Restore(backup, str(database)) as place,
    ):
        place.look()
    assert (database.read_bytes(), path_of(database).read_bytes()) == before
    assert not list(database.parent.glob("*.restoring*"))


def test_no_backup_is_one_line(database: Path) -> None:
    with (
        pytest.raises(BackupError, match="there is no backup"),
        Restore(database.with_name("none.db"), str(database)),
    ):
        pass


def test_damaged_rows_are_named_and_are_no_obstacle(
    backup: Path, database: Path
) -> None:
    with closing(sqlite3.connect(backup)) as sql, sql:
        sql.execute("UPDATE payments SET state = x'00' WHERE id = 'pay_2'")
    found = restored(backup, database)
    assert len(found.damaged) == 1
    assert "pay_2" in found.damaged[0]


def test_a_copy_with_its_wal_is_taken_with_what_is_in_that(
    database: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    with closing(Journal(database)) as journal:
        journal.commit([creation("pay_4")])
        for suffix in ("", "-wal"):
            shutil.copy(f"{database}{suffix}", f"{elsewhere}{suffix}")
    found = restored(elsewhere, database)
    assert found.note is None
    assert found.last_offset == 4


def test_a_snapshot_that_was_put_back_by_hand_is_restored_in_place(
    backup: Path, database: Path
) -> None:
    """A mark that came back with it cannot tell; a new epoch must be drawn."""
    shutil.copy(backup, database)
    with pytest.raises(JournalError, match="is a backup"):
        Journal(database)
    found = restored(database, database)
    assert found.last_offset == 2
    with closing(Journal(database)) as journal:
        assert journal.last_offset == 2
        payment = stored(journal, "pay_1")
        journal.commit([decided(payment, Cancel("api"))])
    assert acked(database) == 3


# -- cut off ---------------------------------------------------------------------------


class PowerCut(BaseException):
    pass


@pytest.mark.parametrize("steps", range(8))
def test_cut_off_at_any_step_no_node_goes_on_with_what_is_not_whole(
    backup: Path, database: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    left = steps
    rename = Path.rename

    def renaming(path: Path, target: Path) -> Path:
        nonlocal left
        if not left:
            raise PowerCut
        left -= 1
        return rename(path, target)

    with closing(Journal(database)) as journal:
        old_epoch = journal.epoch
    monkeypatch.setattr(Path, "rename", renaming)
    with Restore(backup, str(database)) as place:
        place.look()
        try:
            place.accept("old")
        except PowerCut:
            was_cut = True
        else:
            was_cut = False
    monkeypatch.undo()
    assert was_cut == (steps < 4)
    try:
        with closing(Journal(database)) as journal:
            is_old = journal.last_offset == 3 and journal.epoch == old_epoch
            is_new = journal.last_offset == 2 and journal.epoch != old_epoch
            assert is_old or is_new
    except JournalError as error:
        assert was_cut
        assert "paybell restore" in str(error)
    restored(backup, database)
    assert offsets(database) == [1, 2]


@pytest.mark.parametrize("has_invoice", [True, False])
def test_money_does_not_go_on_from_a_copy_until_a_person_has_looked(
    tmp_path: Path, has_invoice: bool
) -> None:
    """What was passed on after the copy was made is not in it."""
    path = tmp_path / "node.db"
    invoice = Invoice(node="till", payment_hash="ab" * 32, bolt11="ln", expires_at=T0)
    agreed = terms(id="pay_1", lightning=invoice if has_invoice else None)
    event, payment = opening(agreed)
    with closing(Journal(path)) as journal:
        journal.commit([Write(entries=(Entry(payment, (event,)),))])
    make_backup(str(path), tmp_path / "backup.db", 1_700)
    restored(tmp_path / "backup.db", path)
    with closing(Journal(path)) as journal:
        paused = DirectStore(journal).forward_paused()
    assert (paused is not None) is has_invoice
    assert paused is None or paused.by == "restore"
