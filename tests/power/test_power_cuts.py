"""Power cuts: what was acknowledged is there afterwards, whole and in order.

`PAYBELL_POWER_POINTS` sets how many cuts are tried (500; `make soak` tries 100,000);
a failing one prints the line that shows it again.
"""

import os
from collections.abc import Callable
from random import Random

import pytest

from engine.errors import JournalError
from tests.power.disk import HABITS, Disk
from tests.power.flips import flip_points
from tests.power.history import Life, lives, scratch
from tests.power.judge import Broken, judge
from tests.power.recorder import Sync, Wrote
from tests.power.run import judge_in_processes

POINTS = int(os.environ.get("PAYBELL_POWER_POINTS", "500"))
FLIPS = 100  # damaged pairs of files; `make soak` has 30,000
SEED = int(os.environ.get("PAYBELL_POWER_SEED", "1"))


@pytest.mark.timeout_s(600)
def test_no_power_cut_takes_back_what_was_acknowledged(
    record_property: Callable[[str, object], None],
) -> None:
    sums = judge_in_processes(SEED, range(POINTS), min(os.cpu_count() or 1, 4))
    record_property("figures", "\n".join(sums.lines()))
    assert sums.points == POINTS
    assert sums.unsynced > POINTS / 2, "too little was at stake to prove much"
    assert set(sums.habits) == set(HABITS)
    assert sums.moments["during a checkpoint"] > POINTS / 10


def test_a_journal_that_syncs_less_is_found_out() -> None:
    """The proof that the harness would see a loss: `synchronous=NORMAL` has one."""
    life = next(lives(Random("1/normal"), synchronous="NORMAL"))
    assert _acknowledged_but_lost(life) > 0


def test_a_disk_that_lies_about_a_sync_is_found_out() -> None:
    life = next(lives(Random("1/liar")))
    assert _acknowledged_but_lost(life) == 0
    honest = [not isinstance(op, Sync) or op.folder for op in life.ops]
    assert _acknowledged_but_lost(life, honest) > 0


def _acknowledged_but_lost(life: Life, honest: list[bool] | None = None) -> int:
    """How many of some cuts, just after an acknowledgement, lose a commit."""
    lost, disk = 0, Disk(life.base)
    told = set(life.acknowledged[::4])
    with scratch() as folder:
        for at, op in enumerate(life.ops):
            if at in told:
                try:
                    judge(disk.crash(Random(at), "nothing"), life, at, folder)
                except (Broken, JournalError):
                    lost += 1
            if honest is None or honest[at]:
                disk.apply(op)
    return lost


def test_half_a_commit_would_be_found_out() -> None:
    """What is found must be one of the contents noted: no event less, no event more."""
    life = next(lives(Random("1/mixture")))
    with scratch() as folder:
        disk = Disk(life.base)
        for op in life.ops:
            disk.apply(op)
        files = disk.crash(Random(1), "everything")
        assert judge(files, life, len(life.ops), folder) is False
        life.contents[-1] = ("another",) * len(life.contents[-1])
        with pytest.raises(Broken, match="what was there after no commit at all"):
            judge(files, life, len(life.ops), folder)


def test_the_same_seed_records_the_same_bytes() -> None:
    first, second = (next(lives(Random("1/same"))) for _ in range(2))
    assert [type(op) for op in first.ops] == [type(op) for op in second.ops]
    frames = [
        [op for op in life.ops if isinstance(op, Wrote) and len(op.data) == 24]
        for life in (first, second)
    ]
    assert [f.offset for f in frames[0]] == [f.offset for f in frames[1]]
    assert frames[0][0].data[8:16] == frames[1][0].data[8:16], "salts differ"
    assert first.contents == second.contents


def test_damage_to_the_database_file_never_changes_a_sum_unseen() -> None:
    sums = flip_points(SEED, range(FLIPS))
    assert sums.verdicts.total() == FLIPS
    assert not sums.tables["events of paybell.db"]
    assert not sums.tables["payments of paybell.db"]
    assert not sums.examples, "refused without a word on how to mend"
