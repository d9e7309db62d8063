"""An upgrade is restartable at every step, and one damaged row does not stop it.

PAYBELL_MIGRATION_STRIDE sets at which statements it is killed: each sixth, or with 1
(as `make soak` has it) each.
"""

import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils

from engine.store.records import DamagedPayment
from engine.store.sqlite import queries
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.migrations import migrations, names
from tests.tools import children

PAYMENTS = 60
STRIDE = int(os.environ.get("PAYBELL_MIGRATION_STRIDE", "6"))
KILLS_TAKE_S = 500 * max(1, 6 // STRIDE)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """As the first of all versions left it, with rows in every table."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("PRAGMA journal_mode=WAL")
        migrations.apply(sqlite_utils.Database(sql), stop_before="m004_checksums")
        with sql:
            for number in range(1, PAYMENTS + 1):
                payment(sql, number)
            sql.execute("INSERT INTO channels VALUES ('ch', '*', 1, '', 1, x'7b7d')")
            sql.execute("INSERT INTO api_keys VALUES ('k', 't', NULL, x'01', 1, NULL)")
            sql.execute("INSERT INTO idempotency VALUES ('s', 'k', x'01', 201, x'', 1)")
            sql.execute("INSERT INTO inbound VALUES (1, 'p', 'd', 1, NULL, 'ok', x'')")
            sql.execute("INSERT INTO source_tips VALUES ('node', 7, '00')")
            sql.execute(
                "INSERT INTO attempts VALUES (1,'ch',1,'pay_1',1,1,1,5,200,'ok',NULL)"
            )
    return path


def payment(sql: sqlite3.Connection, number: int) -> None:
    name = f"pay_{number}"
    sql.execute(
        "INSERT INTO events VALUES (?, ?, 1, 'payment.created', ?, 'shop', x'7b7d')",
        (number, name, number),
    )
    sql.execute(
        "INSERT INTO payments VALUES (?, ?, 'shop', ?, ?, 'pending', 1, 1, ?, x'7b7d')",
        (name, number, f"addr_{number}", f"order-{number}", number),
    )
    sql.execute(
        "INSERT INTO outbox VALUES ('ch', ?, ?, 1, 'pending', 0, 0)", (number, name)
    )


@pytest.mark.timeout_s(KILLS_TAKE_S + 100)
def test_an_upgrade_that_is_killed_at_each_step_is_gone_on_with(old: Path) -> None:
    """The next start leaves what one start would have left."""
    finished = children.run(
        [sys.executable, "-m", "tests.unit.engine.store.sqlite.kill_migrations",
         str(old.parent), str(STRIDE)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=KILLS_TAKE_S,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    *killed, whole = map(json.loads, finished.stdout.splitlines())
    assert len(killed) * STRIDE > 3 * len(names()), "each migration is some statements"
    assert whole["migrations"] == sorted(names())
    assert whole["check"] == "ok"
    assert whole["rows"]["events"] == PAYMENTS
    assert whole["rows"]["payments"] == PAYMENTS
    assert whole["rows"]["outbox"] == PAYMENTS
    for found in killed:
        number = found.pop("killed_at")
        assert found == whole, f"killed at statement {number}"


def test_one_damaged_row_does_not_stop_an_upgrade_and_is_named(old: Path) -> None:
    with closing(sqlite3.connect(old)) as sql, sql:
        sql.execute("UPDATE payments SET state = x'00ff' WHERE id = 'pay_7'")
        sql.execute("UPDATE events SET body = x'00ff', at = 'x' WHERE seq = 1 AND"
                    " payment_id = 'pay_8'")  # fmt: skip
    with closing(Journal(old)) as journal:
        assert journal.last_offset == PAYMENTS
        watched = queries.watched(journal.connection, limit=PAYMENTS)
        assert DamagedPayment("pay_7", "addr_7") in watched
        assert len(watched) == PAYMENTS
