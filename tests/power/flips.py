"""Damage to what was synced: flipped bits, lost sectors and pages, and who notices.

A power cut does not do this to an honest disk; age, cables and firmware do. SQLite
has checksums over the WAL's frames, none over the pages of the database file. So this
does not prove a promise, it measures which damage is noticed, and by what:

* refused: the journal does not start, and its error names the way to mend;
* found: it starts, and `run.py replay --check` or SQLite's own check names the damage;
* harmless: the content is as it was (free space, a copy that is not read);
* older: it starts without a complaint, and without the last commits (a WAL frame that
  fails its checksum looks like a commit that never came to its end);
* unseen: it starts, another content is there, and no check notices.

The last two by kind of damage, and the last one by table, are what a reader of
`docs/reliability.md` has to know.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec

from engine.errors import JournalError
from engine.store.sqlite.high_water_mark import slot
from engine.store.sqlite.journal import Journal
from tests.power.disk import SECTOR, Disk, Files
from tests.power.history import DB, TABLES, Life, contents, lives, scratch
from tests.power.judge import faults, lay_out

__all__ = ["FlipSums", "flip_points"]

GROUP = 200
PAGE = 4096
KINDS = (
    "a bit",
    "eight bytes",
    "a sector of zeros",
    "a sector of rubbish",
    "a page",
    "half a page",
    "the end",
)


class FlipSums(msgspec.Struct):
    """How often what came of which damage."""

    verdicts: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    tables: Counter[str] = msgspec.field(default_factory=Counter)
    examples: list[str] = []

    def lines(self) -> list[str]:
        lines = []
        for where in sorted({where for where, _ in self.verdicts}):
            counts = {v: n for (w, v), n in self.verdicts.items() if w == where}
            told = ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))
            lines.append(f"{where}: {sum(counts.values())} damaged: {told}")
        unseen = ", ".join(f"{n} {table}" for table, n in sorted(self.tables.items()))
        return [*lines, f"unseen, by table: {unseen or 'none'}", *self.examples[:5]]


def flip_points(seed: int, numbers: Sequence[int]) -> FlipSums:
    """Damage files at these points; what is refused must say how to mend."""
    sums = FlipSums()
    with scratch() as folder:
        for first in range(0, len(numbers), GROUP):
            group = numbers[first : first + GROUP]
            life = next(lives(Random(f"{seed}/flips {first}")))
            cuts = sorted(Random(f"{seed}/{n}").choice(_calm(life)) for n in group)
            disk, done = Disk(life.base), 0
            for number, cut in zip(group, cuts, strict=True):
                for op in life.ops[done:cut]:
                    disk.apply(op)
                done = cut
                random = Random(f"{seed}/flip {number}")
                _damage(disk.crash(random, "nothing"), life, cut, random, folder, sums)
    return sums


def _calm(life: Life) -> list[int]:
    """Moments with commits behind them: just told, or all closed."""
    return [*life.acknowledged[5:], *[len(life.ops)] * (len(life.acknowledged) // 2)]


def _damage(
    files: Files, life: Life, cut: int, random: Random, folder: Path, sums: FlipSums
) -> None:
    name = random.choice([name for name, data in sorted(files.items()) if data])
    kind = random.choice(KINDS)
    files[name] = _damaged(files[name], kind, random)
    files[f"{DB}.acked"] = slot(life.events[life.bounds(cut)[0]])
    verdict, unseen = _verdict(lay_out(files, folder), life, cut, sums)
    sums.tables.update(f"{table} of {name}" for table in unseen)
    sums.verdicts[f"{name}, {kind}", verdict] += 1


def _damaged(data: bytes, kind: str, random: Random) -> bytes:
    content, at = bytearray(data), random.randrange(len(data))
    sector, page = at // SECTOR * SECTOR, at // PAGE * PAGE
    match kind:
        case "a bit":
            content[at] ^= 1 << random.randrange(8)
        case "eight bytes":
            content[at : at + 8] = random.randbytes(len(content[at : at + 8]))
        case "a sector of zeros":
            content[sector : sector + SECTOR] = bytes(len(data[sector:][:SECTOR]))
        case "a sector of rubbish":
            size = len(data[sector : sector + SECTOR])
            content[sector : sector + SECTOR] = random.randbytes(size)
        case "a page":  # written where another belongs
            other = random.randrange(len(data)) // PAGE * PAGE
            size = len(data[page : page + PAGE])
            content[page : page + size] = data[other : other + size]
        case "half a page":  # the rest was never written
            middle = page + PAGE // 2
            content[middle : page + PAGE] = bytes(len(data[middle : page + PAGE]))
        case "the end":  # cut off
            del content[at:]
    return bytes(content)


def _verdict(path: Path, life: Life, cut: int, sums: FlipSums) -> tuple[str, list[str]]:
    """What came of it, and the tables that changed unseen."""
    try:
        journal = Journal(path)
    except JournalError as error:
        if "restore a backup" in str(error) or "--db" in str(error):
            return "refused", []
        sums.examples.append(str(error))
        return "refused without advice", []
    try:
        return _look(journal.connection, life, cut)
    finally:
        journal.close()


def _look(sql: sqlite3.Connection, life: Life, cut: int) -> tuple[str, list[str]]:
    try:
        if faults(sql):
            return "found", []
        tables = contents(sql)
    except (sqlite3.Error, UnicodeDecodeError):
        return "found", []
    expected = life.contents[life.bounds(cut)[0]]
    if tables == expected:
        return "harmless", []
    if tables in life.contents:
        return "older", []
    pairs = zip(TABLES, tables, expected, strict=True)
    return "unseen", [table for table, found, was in pairs if found != was]
