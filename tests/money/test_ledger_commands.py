"""`run.py ledger check` and `run.py export` on a database, as a shop calls them."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from engine.store.sqlite.journal import Journal
from tests.tools import children
from tests.tools.wait import PATIENCE
from tests.unit.engine.store.test_conformance_ledger import created, debit
from transport.cli.ledger import export, ledger

RUN = Path(__file__).parents[2] / "run.py"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "shop.db"
    journal = Journal(path, synchronous="OFF")
    # More than two pages of an export.
    made = [write for number in range(600) for write in created(f"p{number}")]
    journal.commit([*made, debit("d", 30)])
    journal.close()
    return path


def run(command: click.Command, *arguments: object) -> Any:
    """In this process: to start another takes seconds."""
    return CliRunner().invoke(command, [*map(str, arguments)])


def test_a_right_ledger_is_said_to_be_right(database: Path) -> None:
    """By the whole command line, as all of them are started."""
    done = children.run(
        [sys.executable, str(RUN), "ledger", "check", "--db", str(database)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60 * PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert "1201 postings in 5 accounts: all zero in sum" in done.stdout


def test_a_wrong_one_is_not(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "wrong.db"
    copy.write_bytes(database.read_bytes())
    journal = Journal(copy)
    journal.connection.execute("UPDATE ledger_balances SET balance = balance + 1")
    journal.close()
    done = run(ledger, "check", "--db", copy)
    assert done.exit_code == 1
    assert "in its mirror" in done.stdout


def test_an_export_is_the_whole_ledger(database: Path, tmp_path: Path) -> None:
    file = tmp_path / "shop.csv"
    done = run(export, "--db", database, "--merchant", "shop", "--output", file)
    assert done.exit_code == 0, done.output
    text = io.StringIO(file.read_text("utf-8"), newline="")
    rows = list(csv.DictReader(text))
    assert len(rows) == 1_201
    sold = sum(int(r["amount"]) for r in rows if r["from_account"] == "sales")
    assert sold == 600 * 50_000
    again = run(export, "--db", database, "--merchant", "shop", "--output", file)
    assert again.exit_code == 1
    assert "there already" in again.output


def test_an_export_of_one_account_as_json_lines(database: Path) -> None:
    options = ("--merchant", "shop", "--account", "alice", "--format", "jsonl")
    done = run(export, "--db", database, *options)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 601
    assert lines[-1]["note"] == "song"
    assert {line["unit"] for line in lines} == {"credit"}
