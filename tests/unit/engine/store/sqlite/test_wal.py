"""The look into the WAL before a start: damage is told from a power cut."""

import shutil
from pathlib import Path

import pytest

from engine.errors import JournalError
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.wal import has_lost_commits
from tests.tools.steps import steps
from tests.unit.journal_cases import creation

HEADER, FRAME = 32, 24 + 4096


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """What a process that was killed after ten commits leaves."""
    journal = Journal(tmp_path / "live.db")
    journal.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for n in range(10):
        journal.commit([creation(f"pay_{n}")])
    for ending in ("", "-wal"):
        shutil.copy(tmp_path / f"live.db{ending}", tmp_path / f"paybell.db{ending}")
    journal.close()
    return tmp_path / "paybell.db"


def wal(db: Path) -> Path:
    return db.with_name(db.name + "-wal")


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 4
    path.write_bytes(raw)


def offsets_after_start(db: Path) -> int:
    journal = Journal(db)
    journal.close()
    return journal.last_offset


@pytest.mark.parametrize(
    "where",
    [
        HEADER + FRAME + 2_000,  # a page
        HEADER + FRAME + 20,  # a checksum
        HEADER + FRAME + 10,  # a salt
        HEADER + 2,  # the number of the first page
    ],
)
def test_damage_with_commits_behind_it_stops_the_start_and_changes_nothing(
    crashed: Path, where: int
) -> None:
    flip(wal(crashed), where)
    before = crashed.read_bytes(), wal(crashed).read_bytes()
    with pytest.raises(JournalError, match=r"-wal is damaged.*restore a backup"):
        Journal(crashed)
    assert (crashed.read_bytes(), wal(crashed).read_bytes()) == before


def test_a_torn_last_commit_is_only_a_power_cut(crashed: Path) -> None:
    raw = wal(crashed).read_bytes()
    frames = (len(raw) - HEADER) // FRAME
    flip(wal(crashed), HEADER + (frames - 2) * FRAME + 100)
    assert not has_lost_commits(wal(crashed))
    assert offsets_after_start(crashed) == 9


def test_a_wal_cut_off_at_any_byte_is_only_a_power_cut(crashed: Path) -> None:
    raw = wal(crashed).read_bytes()
    for size in (0, 31, 32, 33, HEADER + FRAME, len(raw) // 2, len(raw) - 1):
        wal(crashed).write_bytes(raw[:size])
        assert not has_lost_commits(wal(crashed))


def test_without_a_wal_there_is_nothing_to_lose(tmp_path: Path) -> None:
    assert not has_lost_commits(tmp_path / "none.db-wal")
    (tmp_path / "notes").write_bytes(b"Dear diary, " * 500)
    assert not has_lost_commits(tmp_path / "notes")


def test_frames_of_an_older_round_mean_nothing(tmp_path: Path) -> None:
    """A WAL that began anew is written over the old one, whose end stays."""
    journal = Journal(tmp_path / "paybell.db")
    for n in range(10):
        journal.commit([creation(f"pay_{n}")])
    journal.connection.execute("PRAGMA wal_checkpoint(RESTART)")
    journal.commit([creation("pay_new")])
    copy = tmp_path / "copy-wal"
    shutil.copy(tmp_path / "paybell.db-wal", copy)
    journal.close()
    assert not has_lost_commits(copy)


def test_a_full_wal_is_looked_through_in_a_moment(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "paybell.db")
    fat = [creation(f"pay_{n}", address="a" * 3_000 + str(n)) for n in range(400)]
    journal.connection.execute("PRAGMA wal_autocheckpoint=0")
    journal.commit(fat)
    wal = tmp_path / "paybell.db-wal"
    assert not has_lost_commits(wal)
    pages = wal.stat().st_size / 4_096
    assert pages > 300
    assert steps(lambda: has_lost_commits(wal)) < 1_500 * pages
    journal.close()
