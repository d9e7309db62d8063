"""An upgrade and a backup of a grown database: how long until the node is ready.

A database as 0.1.0's first form left it (eight migrations), with 1.5 million events of
300,000 payments and a delivery of each, is opened for writing as a start does it: all
that has been added to the schema since is made, in steps. A copy of it is served by
`run.py serve`, until `/ready` says so. Then it is backed up, the way `run.py backup`
does it, and looked through and put in place, as `restore` does.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import sqlite_utils

from bench.grown import node_on
from bench.measure import folder, fresh
from bench.report import Row, Section
from engine.delivery.channel import Channel, channel_row
from engine.secrets.key_file import node_key
from engine.store.sqlite.backup import make_backup
from engine.store.sqlite.checksum import event_crc, state_crc
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.migrations import migrations
from engine.store.sqlite.restore import Restore
from tests.tools.many_events import EVENTS_EACH, address_of, name_of, states

__all__ = ["old_database", "run", "upgrade"]

PAYMENTS = 1_500_000 // EVENTS_EACH
READY_S = 30
NOW = 1_760_000_000_000

FIRST_NEW = "m009_epochs"
"""The first migration that the databases of before 0.1.0's release do not have."""


def run() -> Section:
    figures = fresh("migration:upgrade", PAYMENTS)
    rows = [
        Row(
            "upgrade, until it can be written",
            _s(figures["upgrade"]),
            aim=f"{READY_S} s",
        ),
        Row("upgrade, processor time", _s(figures["upgrade_cpu"])),
        Row(
            "upgrade by `run.py serve`, until /ready",
            _s(figures["served"]),
            aim=f"{READY_S} s",
        ),
        Row("its next start, until /ready", _s(figures["served_again"])),
        Row("start when nothing is to be adapted", _s(figures["start"])),
        Row("backup", _s(figures["backup"])),
        Row("restore: copy, integrity, every row's checksum", _s(figures["restore"])),
        Row("size of the database", f"{figures['bytes'] / 1e9:.2f} GB"),
    ]
    return Section(
        "migration",
        "Upgrade, backup and restore of 1.5 million events",
        "A database of eight migrations (the first form of 0.1.0) with"
        f" {PAYMENTS * EVENTS_EACH:,} events of {PAYMENTS:,} payments and a delivery of"
        " each event is opened by the journal of today; then backed up and restored.",
        rows,
    )


def upgrade(payments: int) -> dict[str, float]:
    with folder() as place:
        path = Path(place) / "old.db"
        old_database(path, payments)
        figures: dict[str, float] = {"bytes": path.stat().st_size}
        served = Path(place) / "served" / "node.db"
        served.parent.mkdir()
        shutil.copy(path, served)
        node_key(str(served), may_make=True)
        figures["served"] = _until_ready(served)
        figures["served_again"] = _until_ready(served)
        shutil.rmtree(served.parent)
        began, cpu = time.monotonic(), time.process_time()
        journal = Journal(path)
        figures["upgrade"] = time.monotonic() - began
        figures["upgrade_cpu"] = time.process_time() - cpu
        assert journal.last_offset == payments * EVENTS_EACH
        journal.close()
        began = time.monotonic()
        Journal(path).close()
        figures["start"] = time.monotonic() - began
        began = time.monotonic()
        make_backup(str(path), Path(place) / "backup.db", NOW)
        figures["backup"] = time.monotonic() - began
        began = time.monotonic()
        with Restore(Path(place) / "backup.db", f"{path}.new") as restore:
            assert restore.look().damaged == []
            restore.accept("old")
        figures["restore"] = time.monotonic() - began
    return figures


def _until_ready(db: Path) -> float:
    """What an operator waits for, with the start of Python in it."""
    began = time.monotonic()
    with node_on(db):
        return time.monotonic() - began


def old_database(path: Path, payments: int) -> None:
    """As a node of then left it, but for what its events say."""
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("PRAGMA journal_mode=WAL")
        sql.execute("PRAGMA synchronous=OFF")
        migrations.apply(sqlite_utils.Database(sql), stop_before=FIRST_NEW)
        with sql:
            sql.execute(
                "INSERT INTO channels VALUES ('ch_1', '*', 0, '', ?, ?, NULL)",
                (NOW, _channel()),
            )
            sql.executemany(
                "INSERT INTO events VALUES (?,?,?,?,?,?,?,?)", _events(payments)
            )
            sql.executemany(
                "INSERT INTO payments VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                _payments(payments),
            )
            sql.execute(
                "INSERT INTO outbox SELECT 'ch_1', \"offset\", payment_id, seq,"
                " 'delivered', 1, 0 FROM events"
            )


def _events(payments: int) -> Iterator[tuple[object, ...]]:
    offset, body = 0, b'{"v":1,"status":"pending","data":"' + b"x" * 500 + b'"}'
    for number in range(payments):
        name, merchant = name_of(number), _owner(number)
        for seq in range(1, EVENTS_EACH + 1):
            offset += 1
            row = offset, name, seq, "payment.confirming", NOW + offset, merchant, body
            yield *row, event_crc(*row)


def _payments(payments: int) -> Iterator[tuple[object, ...]]:
    state_of = states(_owner)
    for number in range(payments):
        state = state_of(number)
        watched = int(number >= payments - 1_000)
        yield (
            number + 1, name_of(number), _owner(number), address_of(number),
            f"order-{number}", "confirmed", EVENTS_EACH, watched, NOW, state,
            state_crc(state),
        )  # fmt: skip


def _channel() -> bytes:
    """What its row holds. It rests: nobody is told of what a start finds."""
    made = Channel(
        id="ch_1",
        url="http://127.0.0.1:59999/",
        secret="",
        created_at=NOW,
        merchant="*",
        enabled=False,
    )
    return channel_row(made).state


def _owner(number: int) -> str:
    return f"m{number % 50}"


def _s(seconds: float) -> str:
    return f"{seconds:.1f} s"
