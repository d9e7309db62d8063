"""The snippets of the client libraries' READMEs, with a node, as they stand there."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from paybell_client import Client
from tests.clients.events import event
from tests.clients.packed import packed_once
from tests.docs.runs import Runs, here
from tests.tools import children
from tests.tools.paybell import API_KEY, Paybell, serving
from transport.outbound.webhook import new_secret, parse_secret, sign

RUN = Runs()
CREATED, FOLLOWED, VERIFIED, KEPT = RUN.all("clients/python/README.md", "python")
TS_CREATED, TS_FOLLOWED = RUN.all("clients/ts/README.md", "js")

AT_NODE = "http://127.0.0.1:8080"
GIVEN_TS = """
const load = () => null, save = cursor => told.push(cursor.length > 0);
const askForAllOpen = () => {};
const told = [payment.id];
function handle(event) {
  if (event.payment_id !== payment.id) return;
  told.push(event.type);
  if (event.type === "payment.confirmed") {
    console.log(JSON.stringify(told));
    process.exit(0);
  }
}
"""


class Received(Exception):
    """The shop has heard enough."""


def pay(node: Paybell, payment: dict[str, Any]) -> None:
    paid = {"address": payment["address"], "amount_sat": payment["amount_sat"]}
    node.post("/dev/pay", **paid)
    node.post("/dev/mine", blocks=payment["confirmations_required"])
    node.wait_for_status(payment["id"], "confirmed")


def test_the_python_client_asks_for_a_payment_and_follows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path) as node:
        names: dict[str, Any] = {"key": API_KEY}
        exec(here(CREATED.text, {AT_NODE: node.url}), names)  # noqa: S102
        payment = names["payment"]
        assert payment["client_secret"] in capsys.readouterr().out
        pay(node, payment)
        told: list[str] = []

        def handle(said: dict[str, Any]) -> None:
            told.append(said["type"])
            if said["type"] == "payment.confirmed":
                raise Received

        with Client(node.url, API_KEY) as paybell:
            names |= {"paybell": paybell, "handle": handle, "ask_for_all_open": None}
            with pytest.raises(Received):
                exec(FOLLOWED.text, names)  # noqa: S102
    assert told[0] == "payment.created"
    assert (tmp_path / "paybell.cursor").exists()


def test_the_python_shop_verifies_a_webhook_and_ships_once() -> None:
    secret, said = new_secret(), event(3, type="payment.confirmed", status="confirmed")
    body = json.dumps(
        {"type": said["type"], "timestamp": said["at"], "data": said}
    ).encode()
    now = int(time.time())
    headers = {
        "webhook-id": said["id"],
        "webhook-timestamp": str(now),
        "webhook-signature": sign([parse_secret(secret)], said["id"], now, body),
    }
    row, shipped = SimpleNamespace(state=None, shipped=False), list[str]()
    names: dict[str, Any] = {
        "request": SimpleNamespace(get_data=lambda: body, headers=headers),
        "secret": secret,
        "old_secret": new_secret(),
        "row": row,
        "ship": lambda: shipped.append("shipped"),
    }
    exec("from paybell_client import PaymentState, verify_webhook", names)  # noqa: S102
    exec(VERIFIED.text, names)  # noqa: S102
    assert names["event"] == said
    for _ in range(2):
        exec(KEPT.text, names)  # noqa: S102
    assert shipped == ["shipped"]
    assert row.state is not None


def test_the_typescript_client_asks_for_a_payment_and_follows_it(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as node:
        created = here(TS_CREATED.text, {AT_NODE: node.url})
        paid = """
for (const [path, body] of [
  ["pay", { address: payment.address, amount_sat: payment.amount_sat }],
  ["mine", { blocks: payment.confirmations_required }],
]) await fetch(`${url}/dev/${path}`, { method: "POST", body: JSON.stringify(body),
  headers: { "content-type": "application/json", authorization: `Bearer ${key}` } });
"""
        given = f'const url = "{node.url}", key = "{API_KEY}";\n'
        program = packed_once().folder / "readme.mjs"
        program.write_text(given + created + paid + GIVEN_TS + TS_FOLLOWED.text)
        done = children.run(
            ["node", program], capture_output=True, text=True, timeout=180
        )
    assert done.returncode == 0, done.stderr
    payment_id, *told = json.loads(done.stdout.splitlines()[-1])
    assert payment_id in done.stdout.splitlines()[0]
    assert told[0] == "payment.created"
    assert told[-1] == "payment.confirmed"
