"""`replay` and `doctor`: the commands that look at the database themselves."""

import os
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.merchants.record import Limits, Merchant, MerchantSettings
from engine.merchants.rules import replaced
from engine.secrets.key_file import node_key
from engine.secrets.vault import Vault
from engine.store.merchant_rows import merchant_row
from engine.store.sqlite.journal import Journal
from engine.store.writes import ApiKey, Write
from run import main
from tests.tools.core_double import CoreDouble
from tests.tools.paybell import API_KEY, Finished, Paybell, paybell, serving
from tests.tools.ports import free_ports
from tests.tools.terminal import at_terminal
from tests.tools.wait import wait_until

KEY = {"PAYBELL_API_KEY": API_KEY}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paybell]:
    with serving(tmp_path_factory.mktemp("node")) as started:
        yield started


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A database with a confirmed payment and one that waits; nobody holds it."""
    with serving(tmp_path) as node:
        paid = node.create(amount_sat=5_000, confirmations=1)
        node.post("/dev/pay", address=paid["address"], amount_sat=5_000)
        node.post("/dev/mine", blocks=1)
        node.wait_for_status(paid["id"], "confirmed")
        node.create(amount_sat=7_000)
        assert node.stop() == 0
    return tmp_path / "node.db"


def tamper(database: Path, statement: str) -> None:
    with sqlite3.connect(database) as sql:
        assert sql.execute(statement).rowcount > 0
    sql.close()


def test_replay_finds_nothing_in_an_untouched_database(stopped: Path) -> None:
    finished = paybell("replay", "--check", "--db", stopped)
    assert finished.returncode == 0, finished.stdout
    assert re.fullmatch(r"2 payments, \d+ events: 0 differ\n", finished.stdout)
    assert finished.stderr == ""  # no progress bar without a terminal


def test_replay_names_a_payment_that_was_changed_and_puts_it_right(
    stopped: Path,
) -> None:
    tamper(stopped, "UPDATE payments SET status = 'forwarded' WHERE seq > 1")
    with sqlite3.connect(stopped) as sql:
        (name,) = sql.execute("SELECT id FROM payments WHERE seq > 1").fetchone()
    sql.close()
    checked = paybell("replay", "--check", "--db", stopped)
    assert checked.returncode == 1
    assert f"{name}: projection says forwarded" in checked.stdout
    assert checked.stdout.endswith("1 differ\n")
    mended = paybell("replay", "--db", stopped)
    assert mended.returncode == 0
    assert mended.stdout.endswith("1 differed, 1 put right\n")
    assert paybell("replay", "--check", "--db", stopped).returncode == 0


def test_replay_reports_a_story_with_a_gap_and_leaves_it(stopped: Path) -> None:
    tamper(stopped, "DELETE FROM events WHERE seq = 2")
    before = stopped.read_bytes()
    for _ in range(2):
        finished = paybell("replay", "--db", stopped)
        assert finished.returncode == 1
        assert "1 events are missing from the journal" in finished.stdout
        assert "(cannot be put right)" in finished.stdout
        assert finished.stdout.endswith("1 differed, 0 put right\n")
    assert stopped.read_bytes() == before


def test_replay_shows_its_progress_on_a_terminal(stopped: Path) -> None:
    assert "100%" in at_terminal("replay", "--check", "--db", stopped)


def test_replay_of_no_database_is_one_line(tmp_path: Path) -> None:
    finished = paybell("replay", "--db", tmp_path / "none.db")
    assert finished.returncode == 1
    assert len(finished.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_replay_while_a_node_runs_is_one_line(node: Paybell) -> None:
    database = Path(f"/proc/{node.pid}/cwd").resolve() / "node.db"
    finished = paybell("replay", "--check", "--db", database)
    assert finished.returncode == 1
    assert f"(process {node.pid})" in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_the_doctor_finds_a_good_node_well_and_changes_nothing(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    finished = paybell(
        "doctor", "--db", tmp_path / "node.db", "--port", str(port), cwd=tmp_path
    )
    assert finished.returncode == 0, finished.stdout
    assert "FAIL" not in finished.stdout
    assert "none yet, `serve` will create it" in finished.stdout
    assert not list(tmp_path.iterdir())


def test_the_doctor_counts_what_a_shop_has_not_been_told(tmp_path: Path) -> None:
    """It said that all is well while no webhook arrived."""
    with serving(tmp_path) as node:
        made = node.post("/v1/channels", url="https://shop.invalid/hook")
        assert made.status_code == 201, made.text
        node.create(amount_sat=5_000)
        assert node.stop() == 0
    finished = paybell("doctor", "--port", "0", "--db", tmp_path / "node.db", env=KEY)
    assert "ok   deliveries given up: 0\n" in finished.stdout
    assert "ok   deliveries that wait: 1; if they become no fewer" in finished.stdout
    assert finished.returncode == 0, finished.stdout


def test_the_doctor_looks_at_a_database_in_use(node: Paybell) -> None:
    database = Path(f"/proc/{node.pid}/cwd").resolve() / "node.db"
    there = f"address 127.0.0.1:{node.port}: a Paybell node"

    def answered() -> Finished | None:
        """It waits 2 s for the node, which a busy machine may take."""
        asked = ("doctor", "--db", database, "--port", str(node.port))
        finished = paybell(*asked, env=KEY)
        return finished if there in finished.stdout else None

    finished = wait_until(answered, 20, "the node to answer the doctor")
    assert finished is not None
    assert f"ok   database {database}: " in finished.stdout
    assert finished.returncode == 0, finished.stdout


def test_the_doctor_looks_at_every_row_when_asked_to(stopped: Path) -> None:
    ask = ("doctor", "--deep", "--port", "0", "--db", stopped)
    assert "ok   every row is as it was written" in paybell(*ask).stdout
    tamper(stopped, "INSERT INTO source_tips VALUES ('esplora', 7, '00', 1)")
    finished = paybell(*ask)
    assert finished.returncode == 1
    assert "FAIL source_tips: esplora is not as it was written" in finished.stdout
    checked = paybell("replay", "--check", "--db", stopped)
    assert "source_tips: esplora is not as it was written" in checked.stdout
    assert checked.returncode == 1


def test_the_doctor_looks_at_merchants_and_at_keys_of_everybody(
    tmp_path: Path,
) -> None:
    path = tmp_path / "node.db"
    said = MerchantSettings(webhook_secrets={"btc": "a secret"})
    others = Vault(os.urandom(32))
    ann, bob = (
        replaced(Merchant(name=name), said, others.seal, Limits(), 1)
        for name in ("ann", "bob")
    )
    key = ApiKey("key_1", "all", "*", b"1" * 32, 1, ("read",))
    with closing(Journal(path)) as journal:
        rows = (merchant_row(ann), merchant_row(bob), key)
        journal.commit([Write(rows=rows)])
        journal.connection.execute("UPDATE merchants SET crc = 1 WHERE name = 'bob'")
    node_key(str(path), may_make=True)
    command = ["doctor", "--db", str(path), "--port", "0", "--network", "regtest"]
    shown = CliRunner().invoke(main, command).output
    assert "FAIL the secret of merchant ann btc was sealed with another key" in shown
    assert "FAIL merchant bob: its record is damaged; put it anew with PUT" in shown
    assert "FAIL API key key_1: made for a merchant that cannot be" in shown


def test_the_doctor_names_a_stranger_on_the_port(tmp_path: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        finished = paybell("doctor", "--db", tmp_path / "n.db", "--port", str(port))
    assert f"FAIL address 127.0.0.1:{port}: Address already in use" in finished.stdout
    assert finished.returncode == 1


def test_the_doctor_names_what_is_wrong_and_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "node.db").write_bytes(b"notes " * 1_000)
    (dead,) = free_ports(1)
    finished = paybell(
        "doctor", "--db", "node.db",
        env={"PAYBELL_SOURCES": f"bitcoind=http://u:canary@127.0.0.1:{dead}"},
        cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == 1
    assert "FAIL database node.db: file is not a database" in finished.stdout
    assert "FAIL source bitcoind: " in finished.stdout
    assert "canary" not in finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr


def test_the_doctor_finds_a_node_of_another_network(tmp_path: Path) -> None:
    with CoreDouble() as node:
        node.network = "main"
        finished = paybell(
            "doctor", "--port", "0", "--source", f"bitcoind={node.url}", cwd=tmp_path
        )
    assert finished.returncode == 1
    assert "FAIL source bitcoind: " in finished.stdout
    assert "another network than regtest" in finished.stdout


def test_compacting_makes_an_old_database_one_that_can_shrink(stopped: Path) -> None:
    with sqlite3.connect(stopped) as sql:  # as version 0.1.0 made it
        sql.execute("PRAGMA auto_vacuum=NONE")
    sql.execute("VACUUM")
    assert sql.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    sql.execute("CREATE TABLE filler AS SELECT zeroblob(2000000)")
    sql.execute("DROP TABLE filler")
    sql.close()
    before = stopped.stat().st_size
    finished = paybell("compact", "--db", stopped)
    assert finished.returncode == 0, finished.stderr
    assert re.fullmatch(r".*: \d+\.\d MB before, \d+\.\d MB now\n", finished.stdout)
    assert stopped.stat().st_size < before - 1_500_000
    sql = sqlite3.connect(stopped)
    assert sql.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    sql.close()
    assert paybell("replay", "--check", "--db", stopped).returncode == 0


def test_what_does_not_exist_is_not_compacted(tmp_path: Path) -> None:
    finished = paybell("compact", "--db", tmp_path / "none.db")
    assert finished.returncode == 1
    assert "there is no database" in finished.stderr
