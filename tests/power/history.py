"""A journal's life to be cut: payments told in group commits, recorded byte by byte.

A `Life` is one start of the production `Journal` on files as they were before, a
random number of group commits, often a clean end and another start on the same files.
After each commit that was acknowledged the whole content of the database is noted (a
digest of every table, events, projection and outbox among them): whatever is found
after a power cut has to be one of these contents, no mixture, and no older than the
last one that was acknowledged.

Every second life begins on what a power cut left of another: half-written commits lie
about in the WAL, and the recovery, too, is cut.

Everything follows from one seed, WAL salts included. Runs in one thread; the files are
in memory (`/dev/shm`) where there is such a thing, as only what SQLite asks for
counts, not what this machine's disk does.
"""

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import msgspec

from engine.store.sqlite.journal import CHECKPOINT_PAGES, Journal
from tests.power.disk import HABITS, Disk, Files
from tests.power.recorder import Op, Recording, record
from tests.power.shop import Shop

__all__ = ["DB", "TABLES", "Content", "Life", "contents", "lives", "scratch"]

DB = "paybell.db"

TABLES = (
    "events",
    "payments",
    "outbox",
    "attempts",
    "channels",
    "inbound",
    "idempotency",
    "source_tips",
    "api_keys",
    "merchants",
)


Content = tuple[str, ...]

_encode = msgspec.msgpack.Encoder().encode


class Life(msgspec.Struct):
    """What was done to the files, and what had to be in them when.

    The commit that leads from content `n` to content `n + 1` began before operation
    `begun[n]` and was acknowledged before operation `acknowledged[n]`.
    """

    base: Files
    ops: list[Op]
    contents: list[Content] = []
    events: list[int] = []  # how many there are in each content
    begun: list[int] = []
    acknowledged: list[int] = []

    def bounds(self, cut: int) -> tuple[int, int]:
        """The oldest and the newest content that may be found after this cut."""
        oldest = sum(1 for end in self.acknowledged if end <= cut)
        return oldest, sum(1 for start in self.begun if start < cut)


def contents(sql: sqlite3.Connection) -> Content:
    """Everything that is in the database: a digest of every table."""
    digests = []
    for table in TABLES:
        rows = sql.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3")  # noqa: S608
        digests.append(hashlib.sha256(_encode(list(rows))).hexdigest()[:16])
    return tuple(digests)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for files that need not outlive us."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder made in it is our own
    where = str(memory) if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="paybell-power-", dir=where) as folder:
        yield Path(folder)


def lives(random: Random, synchronous: str = "FULL") -> Iterator[Life]:
    """A first life, and one on the ruins it left.

    With another `synchronous` than production's, to see what that would cost.
    """
    with scratch() as folder:
        first = _live(folder / "first", {}, random, synchronous)
        yield first
        yield _live(folder / "second", _ruins(first, random), random, synchronous)


def _ruins(life: Life, random: Random) -> Files:
    """What a power cut in the later part of the life leaves."""
    cut = random.randrange(len(life.ops) // 2, len(life.ops))
    disk = Disk(life.base)
    for op in life.ops[:cut]:
        disk.apply(op)
    return disk.crash(random, random.choice(HABITS))


def _live(folder: Path, base: Files, random: Random, synchronous: str) -> Life:
    folder.mkdir()
    for name, data in base.items():
        (folder / name).write_bytes(data)
    with record(random) as recording:
        life = Life(base, recording.ops)
        for _ in range(random.choice((1, 1, 2, 3))):
            journal = Journal(folder / DB, synchronous=synchronous)
            _one_start(journal, life, recording, random)
    return life


def _one_start(
    journal: Journal, life: Life, recording: Recording, random: Random
) -> None:
    sql = journal.connection
    if not life.contents:
        _note(life, journal)
    assert contents(sql) == life.contents[-1]
    # Production's pages, or checkpoints all the time; a cache that spills
    # unfinished commits into the WAL, as a very large commit would.
    sql.execute(
        f"PRAGMA wal_autocheckpoint={random.choice((CHECKPOINT_PAGES, 25, 60, 120))}"
    )
    sql.execute(f"PRAGMA cache_size={random.choice((-2000, -2000, 12))}")
    shop = Shop(journal, random)
    reader: sqlite3.Connection | None = None
    for _ in range(random.randint(10, 60)):
        batch = shop.batch()
        life.begun.append(len(recording.ops))
        shop.learn(batch, journal.commit(batch))
        life.acknowledged.append(len(recording.ops))
        _note(life, journal)
        if random.random() < 0.1:
            reader = _toggled(reader, journal.path)
    if reader is not None:
        reader.close()
    journal.close()


def _note(life: Life, journal: Journal) -> None:
    life.contents.append(contents(journal.connection))
    life.events.append(journal.last_offset)


def _toggled(reader: sqlite3.Connection | None, path: str) -> sqlite3.Connection | None:
    """A reader that comes and goes: while it reads, no checkpoint gets to the end."""
    if reader is not None:
        reader.close()
        return None
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    reader.execute("PRAGMA query_only=ON")
    reader.execute("PRAGMA wal_autocheckpoint=0")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchone()
    return reader
