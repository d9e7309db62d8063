"""What cuts off a run of hours, what holds it up, and what is left of its worlds."""

import gc
import logging
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.simulation import many
from tests.simulation.kept import Kept
from tests.simulation.many import Crew, run_range
from tests.simulation.run import DAYS, run_world
from tests.simulation.sums import Result, Sums
from tests.simulation.world import World
from tests.tools import children

DYING = """
import sys
for line in sys.stdin:
    first, last = map(int, line.split())
    if first <= 7 <= last:
        sys.exit(9)
    print('{"worlds": %d}' % (last - first + 1), flush=True)
"""
"""A worker that does not live through seed 7."""


@pytest.fixture
def quiet() -> Iterator[None]:
    """What is logged is kept until the test's end, with all that an error names."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def profiled() -> Iterator[None]:
    before = signal.signal(signal.SIGPROF, many._end_world)
    yield
    signal.signal(signal.SIGPROF, before)


def test_a_run_that_was_cut_off_goes_on_from_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "CHUNK", 2)
    file, seeds = tmp_path / "sums.jsonl", range(6)
    first = Crew(seeds, 0.05, 1)
    kept = Kept(file, "", 0.05)

    def keep_two(chunk: range, sums: Sums) -> None:
        kept.add(chunk, sums)
        if chunk[0] == 2:
            first.stop()

    first.run(keep_two)
    with file.open("ab") as cut_off:
        cut_off.write(b'{"first":4,"la')

    again = Kept(file, "", 0.05)
    sums, done = again.within(seeds)
    assert done == {0, 1, 2, 3}
    run: list[int] = []
    rest = Crew(seeds, 0.05, 1, sums=sums, done=done)

    def keep(chunk: range, new: Sums) -> None:
        again.add(chunk, new)
        run.extend(chunk)

    told = rest.run(keep)
    whole = Crew(seeds, 0.05, 1).run(lambda _seeds, _sums: None)
    assert run == [4, 5]
    assert _said(told) == _said(whole) == _said(Kept(file, "", 0.05).within(seeds)[0])
    assert whole.worlds == len(seeds)


def test_a_worker_that_ended_before_it_read_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hire(_crew: Crew) -> children.Child[bytes]:
        pipe = subprocess.PIPE
        worker = children.start([sys.executable, "-c", ""], stdin=pipe, stdout=pipe)
        worker.wait()
        return worker

    monkeypatch.setattr(Crew, "_hire", hire)
    crew = Crew(range(6), 0.05, 1)
    crew.stop()
    assert crew.run(lambda _seeds, _sums: None).worlds == 0


def test_what_is_kept_of_other_worlds_is_not_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "sums.jsonl"
    Kept(file, "money", 1.0).add(range(25), Sums(worlds=25))
    with pytest.raises(ValueError, match="another kind"):
        Kept(file, "", 1.0)
    kept = Kept(file, "money", 1.0)
    assert kept.within(range(100))[0].worlds == 25
    assert kept.within(range(10, 100)) == (Sums(), set())


def test_the_seed_that_ends_its_process_is_named_and_all_others_are_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hire(_crew: Crew) -> children.Child[bytes]:
        pipe = subprocess.PIPE
        return children.start([sys.executable, "-c", DYING], stdin=pipe, stdout=pipe)

    monkeypatch.setattr(Crew, "_hire", hire)
    sums = Crew(range(60), 1.0, 2).run(lambda _seeds, _sums: None)
    assert [failure.seed for failure in sums.failures] == [7]
    assert "died" in sums.failures[0].error
    assert sums.worlds == 59


@pytest.mark.usefixtures("profiled")
def test_a_world_that_does_not_end_is_a_failure_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(seed: int, _days: float) -> Result:
        while seed == 1:
            pass
        return Result(seed, 1.0, {}, {}, {}, "")

    monkeypatch.setattr(many, "run_seed", run)
    monkeypatch.setattr(many, "MOST_CPU_S", 0.01)
    sums = run_range(range(3), 1.0)
    assert sums.worlds == 2
    assert [failure.seed for failure in sums.failures] == [1]
    assert "of CPU" in sums.failures[0].error


@pytest.mark.usefixtures("quiet")
def test_nothing_of_a_world_is_left_when_it_is_over() -> None:
    """In these two mail waited for a source when its process died. The collector does
    not look into such mail, and by it a whole world stayed: 0.3 MB for each world that
    was run, 484 MB after 1,500."""
    worlds = []
    for seed in (2000, 2002):
        world = World(seed)
        worlds.append(weakref.ref(world))
        run_world(world, DAYS)
        del world
    gc.collect()
    assert [world() for world in worlds] == [None, None]


def _said(sums: Sums) -> bytes:
    """Without what differs from run to run, and in one order."""
    said = msgspec.structs.replace(sums, cpu_s=0.0, most_mb=0)
    return msgspec.json.encode(said, order="sorted")
