"""At a terminal, text of others is shown and never obeyed: each command, with hostile
data from whomever it hears of."""

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.store.sqlite.offline import OfflineDatabase
from engine.store.writes import ApiKey, Committed, Write
from run import main
from tests.integration.test_cli import commands
from tests.tools import children
from tests.tools.fake_upstream import Request, Upstream, of, text
from tests.tools.paybell import command
from tests.unit.transport.cli.log_pipe import Pipe

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b41m\u202egolo\u2066\r\n\u2028Error\x7f\x00"
OURS = re.compile(r"\x1b\[(0|1|3[1-7])m")  # what `style` writes
KEY = "a-key-of-the-node"


def run(*arguments: str, **options: Any) -> Result:
    """A command as at a terminal, with its colours."""
    return CliRunner().invoke(main, arguments, color=True, **options)


def assert_only_shown(result: Result) -> None:
    assert result.exception is None or isinstance(result.exception, SystemExit)
    for line in OURS.sub("", result.output).split("\n"):
        assert line.isprintable(), repr(line)


def hostile(value: object) -> object:
    """As it is, but with all its texts hostile; what it is counted in stays."""
    if isinstance(value, dict):
        return {key: hostile(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [hostile(inner) for inner in value]
    return HOSTILE if isinstance(value, str) else value


PAYMENT = {
    "id": "", "status": "", "amount_sat": 1, "received_sat": 0, "confirmations": 0,
    "confirmations_required": 1, "external_id": "", "address": "", "flags": [""],
    "at": "", "seq": 3,
}  # fmt: skip
KEYS = {"id": "", "revoked_at": None, "merchant": "", "name": "", "scopes": [""]}

FORWARD = {
    "id": "", "state": "", "payment_id": "", "source": "", "target": "", "net_sat": 1,
    "amount_sat": 1, "fee_sat": 0, "reason": "",
}  # fmt: skip


def as_a_hostile_node(request: Request) -> Any:
    """Answers every call rightly, but for what its texts hold."""
    if request.path.startswith("/events/"):
        data = json.dumps(hostile(PAYMENT))
        story = f"event: state\ndata: {data}\n\nevent: payment.{HOSTILE[:7]}\n"
        last = json.dumps({**PAYMENT, "status": "confirmed", "at": HOSTILE})
        body = f"{story}data: {data}\n\nevent: payment.confirmed\ndata: {last}\n\n"
        return text(body, content_type="text/event-stream")
    answers: dict[str, object] = {
        "/dev/pay": {"txid": ""},
        "/dev/mine": {"height": ""},
        "/v1/payments": {"data": [PAYMENT]},
        "/v1/forwarding/lightning": {"data": [FORWARD]},
        "/v1/keys": {"data": [KEYS], "id": "", "key": "", "scopes": [""]},
    }
    return of(hostile(answers.get(request.path.partition("?")[0], {})))


def as_a_refusing_node(request: Request) -> Any:
    faults = [{"path": HOSTILE, "message": f"{HOSTILE}, too"}]
    return of({"detail": HOSTILE, "errors": faults}, 400)


def as_something_else(request: Request) -> Any:
    return of([HOSTILE, {"data": HOSTILE}])


@pytest.fixture
def node() -> Iterator[Upstream]:
    with Upstream(answer=as_a_hostile_node) as upstream:
        yield upstream


Case = Callable[[Upstream, Path], Result]


def by_url(*arguments: str) -> Case:
    return lambda node, _: run(
        *arguments, "--url", f"http://127.0.0.1:{node.port}", env={"PAYBELL_KEY": KEY}
    )


def with_a_file(*arguments: str) -> Case:
    def case(_node: Upstream, folder: Path) -> Result:
        file = folder / "paybell.toml"
        file.write_text(f"{json.dumps(HOSTILE)} = 1\n", encoding="utf-8")
        return run(*arguments, "--config", str(file))

    return case


def listed_offline(_node: Upstream, folder: Path) -> Result:
    """A key that somebody called so before names were checked."""
    db = database(folder)
    row = ApiKey("key_2", HOSTILE, None, b"0" * 32, 1, scopes=())
    with OfflineDatabase(str(db)) as opened:
        assert isinstance(opened.commit(Write(rows=(row,))), Committed)
    return run("keys", "list", "--db", str(db))


def damaged(*arguments: str) -> Case:
    """A database in which somebody wrote: what is not as it was is named."""

    def case(_node: Upstream, folder: Path) -> Result:
        db = database(folder, "damaged.db")
        with sqlite3.connect(db) as sql:
            sql.execute("UPDATE api_keys SET id = ?", (HOSTILE,))
        sql.close()
        return run(*arguments, "--db", str(db))

    return case


def restored(node: Upstream, folder: Path) -> Result:
    """A backup in which somebody wrote: what is damaged in it is named."""
    damaged("keys", "list")(node, folder)
    db, copy = str(folder / "new.db"), str(folder / "damaged.db")
    return run("restore", copy, "--db", db, "--without-key")


def doctored(node: Upstream, folder: Path) -> Result:
    """A source that answers with hostile errors."""
    node.answer = lambda _: of(
        {"id": 0, "result": None, "error": {"code": -1, "message": HOSTILE}}, 500
    )
    source = f"bitcoind=http://u:p@127.0.0.1:{node.port}"
    return run("doctor", "--db", str(folder / "none.db"), "--source", source)


def database(folder: Path, name: str = "node.db") -> Path:
    path = folder / name
    made = run("keys", "create", "shop", "--db", str(path))
    assert made.exit_code == 0, made.output
    return path


CASES: dict[str, list[tuple[Case, bool]]] = {
    "pay": [(by_url("pay", "bcrt1q", "1", "--mine", "1"), True)],
    "payments": [
        (by_url("payments"), True),
        (by_url("payments", "--json"), False),  # JSON has its own way to show
    ],
    "listen": [(by_url("listen", "--forward-to", "http://127.0.0.1:9/"), False)],
    "trigger": [(by_url("trigger", "confirmed"), False)],
    "watch": [(by_url("watch", "bcrt1q", "--once"), True)],
    "keys": [],
    "keys create": [(by_url("keys", "create", "shop"), True)],
    "keys list": [
        (by_url("keys", "list"), True),
        (listed_offline, True),
        (damaged("keys", "list"), True),
    ],
    "keys revoke": [(by_url("keys", "revoke", HOSTILE), True)],
    "serve": [(with_a_file("serve"), True)],
    "doctor": [
        (with_a_file("doctor"), True),
        (doctored, True),
        (damaged("doctor", "--deep"), True),
    ],
    "replay": [(with_a_file("replay"), True), (damaged("replay", "--check"), True)],
    "backup": [(with_a_file("backup", "copy.db"), True)],
    "restore": [(with_a_file("restore", "copy.db"), True), (restored, True)],
    "compact": [(with_a_file("compact"), True), (damaged("compact"), False)],
    "wallet": [],
    "wallet add": [(with_a_file("wallet", "add", "shop"), True)],
    "wallet new": [(with_a_file("wallet", "new"), True)],
    "wallet list": [(with_a_file("wallet", "list"), True)],
    "wallet check": [(with_a_file("wallet", "check", "shop"), True)],
    "wallet unlock": [(with_a_file("wallet", "unlock"), True)],
    "forwarding": [],
    "forwarding pause": [(by_url("forwarding", "pause"), False)],
    "forwarding resume": [(by_url("forwarding", "resume"), False)],
    "forwarding list": [(by_url("forwarding", "list"), True)],
    "forwarding go-on": [(by_url("forwarding", "go-on", HOSTILE), False)],
    "forwarding give-up": [(by_url("forwarding", "give-up", HOSTILE), False)],
    "forwarding retry": [(by_url("forwarding", "retry", HOSTILE), False)],
    "ledger": [],
    "ledger check": [
        (with_a_file("ledger", "check"), True),
        (damaged("ledger", "check"), False),
    ],
    "export": [(with_a_file("export"), True), (damaged("export"), False)],
    "demo": [],  # everything that it shows is its own
}
"""What each command can hear of others, and whether that must be seen."""


def test_every_command_has_its_hostile_cases() -> None:
    assert {" ".join(path) for path, _ in commands()} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_text_of_others_is_shown_and_not_obeyed(
    name: str, node: Upstream, tmp_path: Path
) -> None:
    for case, is_seen in CASES[name]:
        result = case(node, tmp_path)
        assert_only_shown(result)
        if is_seen:
            assert "owned" in result.output


@pytest.mark.parametrize(
    "answer", [as_a_refusing_node, as_something_else], ids=["refuses", "is another"]
)
@pytest.mark.parametrize("name", [name for name, cases in CASES.items() if cases])
def test_a_node_that_refuses_or_is_none_is_one_line(
    name: str, answer: Callable[[Request], Any], node: Upstream, tmp_path: Path
) -> None:
    node.answer = answer
    for case, _ in CASES[name]:
        result = case(node, tmp_path)
        assert_only_shown(result)
        assert "Traceback" not in result.output


def test_a_full_disk_behind_standard_output_is_one_line_and_exit_code_1(
    node: Upstream,
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        finished = children.run(
            command("payments", "--url", f"http://127.0.0.1:{node.port}"),
            stdout=full,
            stderr=-1,
            text=True,
            env={**os.environ, "PAYBELL_KEY": KEY},
            timeout=60,
        )
    finally:
        os.close(full)
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert line == "Error: cannot write to standard output: No space left on device"


def test_a_command_that_fails_does_not_wait_for_who_reads_its_errors() -> None:
    with Pipe() as pipe:
        pipe.fill()
        finished = children.run(
            command("serve", "--port", "nonsense"),
            stderr=pipe.fd,
            timeout=60,
        )
    assert finished.returncode == 2
