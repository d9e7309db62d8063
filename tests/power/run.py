"""Ten thousand power cuts: points, each from a seed and a number, judged and counted.

Point `n` of seed `s` belongs to group `n // GROUP`; a group has lives of its own
(`history.lives`), and its points are spread over them. So a point can be judged again
alone, and groups can be divided among processes.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import msgspec

from engine.errors import JournalError
from engine.store.sqlite.high_water_mark import slot
from tests.power.disk import HABITS, Disk
from tests.power.history import DB, Life, lives, scratch
from tests.power.judge import Broken, judge
from tests.power.recorder import Sync, Truncate, Wrote
from tests.tools import children

__all__ = ["GROUP", "PointFailed", "Sums", "judge_in_processes", "judge_points"]

GROUP = 250
"""Points on the same two lives."""

SHARE = 2 * GROUP
"""Points that one process judges at a time."""

THREADS_EVERY = 50
"""Every so many points the journal is opened with the node's own threads."""


class PointFailed(AssertionError):
    """A point broke a promise; the message says how to see it again."""


class Sums(msgspec.Struct):
    """What was tried, for the report."""

    points: int = 0
    lives: int = 0
    commits: int = 0  # acknowledged, over all lives
    operations: int = 0  # recorded writes, syncs and the like
    habits: Counter[str] = msgspec.field(default_factory=Counter)
    moments: Counter[str] = msgspec.field(default_factory=Counter)
    unsynced: int = 0  # points at which some writes could be lost
    unsynced_writes: int = 0
    unasked: int = 0  # a commit was found whole that nobody had been told of

    def add(self, other: "Sums") -> None:
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))

    @classmethod
    def of_json(cls, text: bytes) -> "Sums":
        fields = msgspec.json.decode(text)
        for name in ("habits", "moments"):
            fields[name] = Counter(fields[name])
        return cls(**fields)

    def lines(self) -> list[str]:
        def spread(counter: Counter[str]) -> str:
            return ", ".join(f"{n} {name}" for name, n in sorted(counter.items()))

        return [
            f"{self.points} power cuts in {self.lives} lives of {self.commits} group"
            f" commits and {self.operations} recorded file operations",
            f"when: {spread(self.moments)}",
            f"how: {spread(self.habits)}",
            f"{self.unsynced} cuts with writes at stake, {self.unsynced_writes} writes"
            f" in all; {self.unasked} times a commit was found whole before anybody"
            " was told",
        ]


class _Point(msgspec.Struct):
    number: int
    random: Random
    cut: int
    habit: str
    stale_shm: bool


def judge_points(seed: int, numbers: Sequence[int]) -> Sums:
    """Judge these points. Raises `PointFailed` at the first that breaks a promise."""
    sums = Sums()
    groups: dict[int, list[int]] = {}
    for number in numbers:
        groups.setdefault(number // GROUP, []).append(number)
    with scratch() as folder:
        for group, members in groups.items():
            _judge_group(seed, group, members, folder, sums)
    return sums


def judge_in_processes(seed: int, numbers: range, jobs: int) -> Sums:
    """As `judge_points`, divided among processes; what they print says what broke."""
    waiting = [numbers[at : at + SHARE] for at in range(0, len(numbers), SHARE)]
    running: list[children.Child[bytes]] = []
    sums = Sums()
    while waiting or running:
        while waiting and len(running) < jobs:
            share = waiting.pop(0)
            command = [sys.executable, "-m", "tests.power", "--json"]
            command += ["--seed", str(seed), "--first", str(share[0])]
            command += ["--points", str(len(share))]
            running.append(
                children.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            )
        done = running.pop(0)
        printed, said = done.communicate()
        if done.returncode:
            for other in running:
                other.terminate()
            raise PointFailed(said.decode())
        sums.add(Sums.of_json(printed))
    return sums


def _judge_group(
    seed: int, group: int, numbers: list[int], folder: Path, sums: Sums
) -> None:
    for which, life in enumerate(lives(Random(f"{seed}/{group}"))):
        mine = [n for n in numbers if n % 2 == which]
        moments = _Moments(life)
        points = [_point(seed, number, moments) for number in mine]
        sums.lives += 1
        sums.commits += len(life.acknowledged)
        sums.operations += len(life.ops)
        for point, disk in _along(life, sorted(points, key=lambda p: p.cut)):
            _judge_point(seed, point, life, disk, folder, sums)


class _Moments:
    """Where a life may be cut, by what goes on there."""

    def __init__(self, life: Life) -> None:
        self.end = len(life.ops)
        self.told = life.acknowledged
        self.syncs = [at for at, op in enumerate(life.ops) if isinstance(op, Sync)]
        self.in_place = [
            at + 1
            for at, op in enumerate(life.ops)
            if isinstance(op, Wrote | Truncate) and op.name == DB
        ]


def _point(seed: int, number: int, moments: _Moments) -> _Point:
    random = Random(f"{seed}/point {number}")
    moment = random.random()
    if moment < 0.25:  # just before a sync: most is at stake
        cut = random.choice(moments.syncs)
    elif moment < 0.35:  # just when somebody was told
        cut = random.choice(moments.told)
    elif moment < 0.6:  # amid a checkpoint, which writes to the database file
        cut = random.choice(moments.in_place)
    else:
        cut = random.randint(0, moments.end)
    habit = HABITS[number // 2 % len(HABITS)]
    return _Point(number, random, cut, habit, random.random() < 0.1)


def _along(life: Life, points: list[_Point]) -> Iterator[tuple[_Point, Disk]]:
    disk, done = Disk(life.base), 0
    for point in points:
        for op in life.ops[done : point.cut]:
            disk.apply(op)
        done = point.cut
        yield point, disk


def _judge_point(
    seed: int, point: _Point, life: Life, disk: Disk, folder: Path, sums: Sums
) -> None:
    files = disk.crash(point.random, point.habit)
    if point.stale_shm:
        files[f"{DB}-shm"] = point.random.randbytes(32_768)
    if mark := _mark(life, point):
        files[f"{DB}.acked"] = mark
    threads = point.number % THREADS_EVERY == 0
    try:
        unasked = judge(files, life, point.cut, folder, threads=threads)
    except (Broken, JournalError) as error:
        raise PointFailed(
            f"power cut {point.number} ({point.habit}, before operation {point.cut}):"
            f" {error}\n  python -m tests.power --seed {seed} --point {point.number}"
        ) from error
    sums.points += 1
    sums.unasked += unasked
    sums.habits[point.habit] += 1
    sums.moments[_moment(life, point.cut)] += 1
    sums.unsynced += disk.unsynced > 0
    sums.unsynced_writes += disk.unsynced


def _mark(life: Life, point: _Point) -> bytes:
    """It is written when an acknowledgement goes out, and never synced by us."""
    random, (last, _) = point.random, life.bounds(point.cut)
    match random.randrange(4):
        case 0:
            return b""
        case 1:
            return slot(life.events[random.randint(0, last)])
        case 2:
            return random.randbytes(600)
        case _:
            return slot(life.events[last])


def _moment(life: Life, cut: int) -> str:
    """What was going on, in words."""
    oldest, newest = life.bounds(cut)
    last = life.ops[cut - 1] if cut else None
    if isinstance(last, Wrote | Truncate) and last.name == DB:
        return "during a checkpoint"
    if newest > oldest:
        return "during a commit"
    if cut == 0 or not life.acknowledged or cut < life.begun[0]:
        return "during a start"
    if cut in life.acknowledged:
        return "just told"
    return "closing or starting again"
