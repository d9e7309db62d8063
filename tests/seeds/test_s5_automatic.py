"""S5, automatic processing of Bitcoin payments: the document's flow on a whole node.

`run.py serve` as an operator starts it, on the dev chain; the document's own curl lines
and log searches run as they stand, with its host, id and token filled in.
"""

import json
import os
import re
import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import gevent
import pytest
import requests

from tests.tools import children
from tests.tools.paybell import Paybell, serving
from tests.tools.site_token import SECRET, claims, token
from tests.tools.wait import PATIENCE, wait_until

CONFIG = f"""
[seeds]
bitcoin = "credits"
[merchants.credits]
display_name = "Buy Credits"
jwt = {{algorithm = "HS256", secret = "{SECRET}"}}
[merchants.credits.packages]
small = {{amount_sat = 50000, credits = 40}}
medium = {{amount_sat = 90000, credits = 100}}
large = {{amount_sat = 300000, credits = 400}}
"""
STATUS_CURL = """curl -X POST /api/v1/bitcoin/status \\
  -d '{"payment_id": "xxx"}'"""
CONFIRM_CURL = """curl -X POST /api/v1/bitcoin/confirm/{payment_id} \\
  -H "Authorization: Bearer {token}\""""


KEPT: dict[str, Any] = {}
"""The payment that waited when the node was killed."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paybell]:
    folder = tmp_path_factory.mktemp("s5")
    config = folder / "paybell.toml"
    config.write_text(CONFIG, encoding="utf-8")
    with serving(folder, "--config", str(config)) as first:
        KEPT.update(buy(first, "small", "kept"))
        first.process.kill()  # in the middle of its work; the tests have what follows
        first.process.wait()
    with serving(folder, "--config", str(config)) as running:
        yield running


def buy(node: Paybell, package: str, user: str) -> dict[str, Any]:
    """The site's backend, when a user selects a package."""
    body = {"package": package, "account": user, "merchant": "credits"}
    made = node.post("/v1/payments", **body)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def pay(node: Paybell, payment: dict[str, Any], blocks: int = 3) -> None:
    said = {"address": payment["address"], "amount_sat": payment["amount_sat"]}
    assert node.post("/dev/pay", **said).ok
    if blocks:
        assert node.post("/dev/mine", blocks=blocks).ok


def curl(node: Paybell, line: str) -> dict[str, Any]:
    """A line of the document, at this node."""
    words = shlex.split(line.replace("\\\n", " "))
    at = next(i for i, word in enumerate(words) if word.startswith("/api/"))
    words[at] = node.url + words[at]
    environ = {"PATH": os.environ["PATH"], "NO_PROXY": "*", "HOME": "/nonexistent"}
    ran = children.run(
        [words[0], "-sS", *words[1:]], capture_output=True, text=True, env=environ
    )
    assert ran.returncode == 0, ran.stderr
    answered: dict[str, Any] = json.loads(ran.stdout)
    return answered


def status(node: Paybell, payment: dict[str, Any]) -> dict[str, Any]:
    return curl(node, STATUS_CURL.replace("xxx", payment["id"]))


def wait_for(node: Paybell, payment: dict[str, Any], word: str) -> dict[str, Any]:
    def reached() -> dict[str, Any] | None:
        body = json.dumps({"payment_id": payment["id"]})
        url = f"{node.url}/api/v1/bitcoin/status"
        answer = node.session.post(url, data=body, timeout=30 * PATIENCE)
        told: dict[str, Any] = answer.json()
        return told if told["status"] == word else None

    found = wait_until(reached, 30, f"{payment['id']} to be {word}")
    assert found is not None
    return found


def credits_of(node: Paybell, user: str) -> int:
    shown = node.get(f"/v1/accounts/{user}?merchant=credits")
    assert shown.status_code == 200, shown.text
    balance: int = shown.json()["balance"]
    return balance


def test_s5_1_a_package_maps_a_price_to_credits_at_an_address_with_a_code(
    node: Paybell,
) -> None:
    for package, sat in (("small", 50_000), ("medium", 90_000), ("large", 300_000)):
        made = buy(node, package, "ada")
        assert made["amount_sat"] == sat
        code = node.get(f"/v1/payments/{made['id']}/qr.svg")
        assert code.status_code == 200
        assert "<svg" in code.text
        page = node.get(f"/pay/{made['id']}").text
        assert "Buy Credits" in page


def test_s5_2_s5_3_with_the_browser_closed_the_user_is_credited_once(
    node: Paybell,
) -> None:
    made = buy(node, "large", "bob")
    assert made["confirmations_required"] == 3
    told = status(node, made)
    assert told["status"] == "pending"
    pay(node, made, blocks=0)
    assert wait_for(node, made, "confirming")["confirmations"] == 0
    node.post("/dev/mine", blocks=3)
    told = wait_for(node, made, "confirmed")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", told["confirmed_at"])
    assert told["tx_hash"]
    assert told["confirmations"] == 3
    assert credits_of(node, "bob") == 400
    node.post("/dev/mine", blocks=3)
    assert credits_of(node, "bob") == 400


def test_s5_2_it_expires_after_60_minutes(node: Paybell) -> None:
    made = buy(node, "small", "eve")
    began, ends = (
        datetime.fromisoformat(made[name]) for name in ("created_at", "expires_at")
    )
    assert (ends - began).total_seconds() == 60 * 60


def test_s5_4_the_documents_lines_run_and_a_second_call_is_already_processed(
    node: Paybell,
) -> None:
    made = buy(node, "small", "u1")
    line = CONFIRM_CURL.replace("{payment_id}", made["id"])
    line, of_another = (
        line.replace("{token}", token(claims(userId=user))) for user in ("u1", "u2")
    )
    refused = curl(node, line)
    assert refused["code"] == "wrong_payment_state"
    pay(node, made)
    early = {
        "wrong_payment_state",
        "source_unavailable",
    }  # its look may end before it has seen

    def confirmed() -> dict[str, Any] | None:
        told = curl(node, line)
        return None if told.get("code") in early else told

    done = wait_until(confirmed, 30, "it to be confirmed")
    assert done is not None
    assert done["status"] == "confirmed"
    assert done["credits"] == 40
    assert curl(node, line)["message"] == "Already processed"
    assert status(node, made)["status"] == "confirmed"
    assert credits_of(node, "u1") == 40
    assert curl(node, of_another)["code"] == "payment_not_found"


def test_s5_4_fifty_calls_race_the_background_and_credit_once(node: Paybell) -> None:
    made = buy(node, "medium", "racer")
    pay(node, made)
    url = f"{node.url}/api/v1/bitcoin/confirm/{made['id']}"
    headers = {"Authorization": f"Bearer {made['client_secret']}"}

    def is_confirmed() -> bool:
        """409: the look that it waited for ended before the chain was seen."""
        code = requests.post(url, headers=headers, timeout=60 * PATIENCE).status_code
        assert code in {200, 409, 503}
        return code == 200

    def call() -> bool:
        return wait_until(is_confirmed, 30, "it to be confirmed")

    calls = [gevent.spawn(call) for _ in range(50)]
    gevent.joinall(calls, raise_error=True)
    assert credits_of(node, "racer") == 100
    events = node.get(f"/v1/payments/{made['id']}/events").json()["data"]
    kinds = [event["type"] for event in events]
    assert kinds.count("payment.confirmed") == kinds.count("payment.credited") == 1


def test_s5_6_the_log_names_the_payment_in_the_documents_words(node: Paybell) -> None:
    made = buy(node, "small", "logged")
    pay(node, made)
    wait_for(node, made, "confirmed")
    name = made["id"]
    wait_until(lambda: f"Auto-processed payment {name}" in node.err, 10, "the line")
    lines = [line for line in node.err.splitlines() if "payment" in line]  # grep
    assert any("Bitcoin payment background processor started" in one for one in lines)
    for words in (
        f"Created Bitcoin payment {name} for user logged: 0.0005 BTC",
        f"Auto-processed payment {name}: Added 40 credits to user logged",
    ):
        assert any(words in line for line in lines), words


def test_s5_6_payments_an_hour_confirmation_time_forwards_and_errors_are_metrics(
    node: Paybell,
) -> None:
    page = node.get("/metrics").text
    found = dict(
        re.findall(r"^(paybell_\w+)(?:\{[^}]*\})? ([0-9.e+]+)$", page, re.MULTILINE)
    )
    assert float(found["paybell_payments_created_total"]) >= 1
    assert float(found["paybell_payments_confirmed_total"]) >= 1
    for name in (
        "paybell_payments_confirmation_seconds_total",
        "paybell_payments_forward_failed_total",
        "paybell_payments_forwarded_total",
        "paybell_source_requests_total",
        "paybell_source_request_errors_total",
    ):
        assert name in found
    promtool = os.environ.get("PROMTOOL", "promtool")
    ran = children.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, text=True
    )
    own = [line for line in ran.stdout.splitlines() if "paybell_payments" in line]
    assert not own, own


def refusals(node: Paybell) -> int:
    (source,) = node.get("/v1/sources").json()["data"]
    errors: int = source["errors"]
    return errors


def test_s5_5_a_429_of_the_chain_delays_and_loses_nothing(node: Paybell) -> None:
    made = buy(node, "small", "later")
    before = refusals(node)

    def refused() -> bool:
        """It is down until it was asked: how soon that is depends on the machine."""
        assert node.post("/dev/down", seconds=20, status=429).ok  # and "wait so long"
        return refusals(node) > before

    assert node.post("/dev/down", seconds=20, status=429).ok
    pay(node, made)
    wait_until(refused, 30, "the chain to refuse a question")
    told = wait_for(node, made, "confirmed")
    assert told["confirmations"] >= 3
    assert credits_of(node, "later") == 40


def test_s5_5_the_processor_goes_on_after_it_was_killed(node: Paybell) -> None:
    assert status(node, KEPT)["status"] == "pending"
    pay(node, KEPT)
    wait_for(node, KEPT, "confirmed")
    assert credits_of(node, "kept") == 40
