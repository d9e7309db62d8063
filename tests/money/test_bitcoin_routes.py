"""`/api/v1/bitcoin/…`: who may ask, what is told to whom, and that a call is a look."""

import json
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
import requests
from gevent.event import Event

from engine.ports import Freshness
from tests.tools.node import RunningNode, running_node
from tests.tools.site_token import SECRET, claims, token
from tests.tools.wait import PATIENCE, wait_until
from transport.seeds import bitcoin

STATUS = "/api/v1/bitcoin/status"
NOBODY = {"Authorization": None}


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node(web={"seeds": {"bitcoin": "shop"}}) as started:
        record = {"jwt": {"algorithm": "HS256", "secret": SECRET}}
        made = started.call("PUT", "/v1/merchants/shop", json=record)
        assert made.status_code == 200, made.text
        yield started


@pytest.fixture
def payment(node: RunningNode) -> dict[str, Any]:
    return node.create(amount_sat=50_000, merchant="shop", confirmations=2)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the chain is waited for, however long it takes."""
    monkeypatch.setattr(bitcoin, "LOOK_S", 60.0)


def pay(node: RunningNode, payment: dict[str, Any], blocks: int) -> str:
    txid = node.chain.pay(payment["address"], 50_000)
    if blocks:
        node.chain.mine(blocks)
    return txid


def status(node: RunningNode, payment_id: str, **headers: Any) -> requests.Response:
    body = {"payment_id": payment_id}
    return node.call("POST", STATUS, json=body, headers={**NOBODY, **headers})


def confirm(
    node: RunningNode, payment_id: str, bearer: str | None
) -> requests.Response:
    sent = None if bearer is None else f"Bearer {bearer}"
    path = f"/api/v1/bitcoin/confirm/{payment_id}"
    return node.call("POST", path, headers={"Authorization": sent})


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", None]
)
def test_who_knows_the_id_is_told_how_it_stands(
    node: RunningNode, payment: dict[str, Any], content_type: str | None
) -> None:
    body = json.dumps({"payment_id": payment["id"]})
    headers = {**NOBODY, "Content-Type": content_type}
    told = node.call("POST", STATUS, data=body, headers=headers)
    assert told.status_code == 200, told.text
    assert told.json() == {
        "payment_id": payment["id"],
        "status": "pending",
        "address": payment["address"],
        "amount_btc": "0.0005",
        "amount_sat": 50_000,
        "received_sat": 0,
        "confirmations": 0,
        "confirmations_required": 2,
        "tx_hash": None,
        "forwarding_tx_hash": None,
        "created_at": payment["created_at"][:19],
        "expires_at": payment["expires_at"][:19],
        "confirmed_at": None,
        "completed_at": None,
    }
    form = {"payment_id": payment["id"]}
    assert node.call("POST", STATUS, data=form, headers=NOBODY).json() == told.json()


def test_the_statuses_are_the_documents(
    node: RunningNode, payment: dict[str, Any]
) -> None:
    txid = pay(node, payment, 0)
    node.wait_for_status(payment["id"], "confirming")
    assert status(node, payment["id"]).json()["status"] == "confirming"
    node.chain.mine(2)
    shown = node.wait_for_status(payment["id"], "confirmed")
    told = status(node, payment["id"]).json()
    assert (told["status"], told["tx_hash"]) == ("confirmed", txid)
    assert told["confirmations"] == 2
    assert shown["tx_hash"] == txid
    assert shown["confirmed_at"][:19] == told["confirmed_at"]
    assert shown["forwarding_tx_hash"] is shown["completed_at"] is None
    cancelled = node.create(amount_sat=1_000, merchant="shop")
    node.post(f"/v1/payments/{cancelled['id']}/cancel")
    assert status(node, cancelled["id"]).json()["status"] == "expired"


def test_a_payment_of_this_merchant_is_looked_at_every_30_s(
    node: RunningNode, payment: dict[str, Any]
) -> None:
    def every_s(payment_id: str) -> int:
        found = node.gateway.payment(payment_id)
        assert found is not None
        return found.terms.poll_interval_s

    assert every_s(payment["id"]) == bitcoin.POLL_S == 30
    assert every_s(node.create(amount_sat=1)["id"]) == 60
    said = node.create(amount_sat=1, merchant="shop", poll_interval_s=10)
    assert every_s(said["id"]) == 10


def test_confirm_wants_a_token_that_opens_the_payment(
    node: RunningNode, payment: dict[str, Any]
) -> None:
    other = node.create(amount_sat=50_000, merchant="shop")
    for bearer, code in (
        (None, 401),
        ("no-such-key", 401),
        ("cs_of_nothing", 401),
        (other["client_secret"], 401),
        (token(claims(exp=1)), 401),
        (token(claims(), "another-secret:" + SECRET), 401),
        (node.add_key("elsewhere"), 404),
    ):
        refused = confirm(node, payment["id"], bearer)
        assert refused.status_code == code, (bearer, refused.text)
    assert status(
        node, payment["id"], Authorization=f"Bearer {token(claims(exp=1))}"
    ).ok is (False)


@pytest.mark.parametrize("kind", ["key", "client_secret", "jwt"])
def test_confirm_confirms_nothing_by_hand(
    node: RunningNode, payment: dict[str, Any], kind: str
) -> None:
    bearer = {
        "key": node.add_key("shop"),
        "client_secret": payment["client_secret"],
        "jwt": token(claims()),
    }[kind]
    pay(node, payment, 1)
    refused = confirm(node, payment["id"], bearer)
    assert refused.status_code == 409
    assert refused.json()["code"] == "wrong_payment_state"
    assert node.payment(payment["id"])["status"] != "confirmed"
    node.chain.mine(1)
    done = confirm(node, payment["id"], bearer)
    assert done.status_code == 200, done.text
    assert done.json()["status"] == "confirmed"
    again = confirm(node, payment["id"], bearer)
    assert (again.status_code, again.json()["message"]) == (200, "Already processed")


def test_another_merchants_payment_and_none_are_the_same(node: RunningNode) -> None:
    other = node.create(amount_sat=50_000)
    for payment_id in (other["id"], "pay_nothing", "", "x" * 500, "../etc"):
        told = status(node, payment_id)
        assert told.status_code in {404, 422}, payment_id
        assert "application/problem+json" in told.headers["Content-Type"]
    assert confirm(node, other["id"], node.api_key).status_code == 404


def test_fifty_at_once_are_one_look_and_one_confirmation(
    node: RunningNode, payment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them ask before it is paid; the look goes on when it is."""
    asked: list[str] = []
    come, is_paid = [0], Event()
    poll, freshness = node.gateway.poll, node.gateway.freshness

    def noted() -> Freshness:  # right before a look, or the wait for one
        come[0] += 1
        return freshness()

    def held(address: str) -> bool:
        asked.append(address)
        is_paid.wait()
        return poll(address)

    monkeypatch.setattr(node.gateway, "freshness", noted)
    monkeypatch.setattr(node.gateway, "poll", held)
    calls = [
        gevent.spawn(
            requests.post,
            f"{node.url}/api/v1/bitcoin/confirm/{payment['id']}",
            headers={"Authorization": f"Bearer {payment['client_secret']}"},
            timeout=60 * PATIENCE,
        )
        for _ in range(50)
    ]
    try:
        wait_until(lambda: come[0] >= 50, 20, lambda: f"50 to ask: {come[0]}")
        pay(node, payment, 2)
        node.wait_for_status(payment["id"], "confirmed")
    finally:
        is_paid.set()
    gevent.joinall(calls, raise_error=True)
    answers = [call.value for call in calls]
    assert {one.status_code for one in answers if one is not None} == {200}
    messages = {one.json()["message"] for one in answers if one is not None}
    assert messages <= {bitcoin.ALREADY, bitcoin.PROCESSED}
    assert asked == [payment["address"]]
    events = node.get(f"/v1/payments/{payment['id']}/events").json()["data"]
    assert [e["type"] for e in events].count("payment.confirmed") == 1


def test_while_the_chain_cannot_be_read_the_answer_says_so(
    node: RunningNode, payment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = Freshness(source="devchain", live=False, since=1)
    monkeypatch.setattr(node.gateway, "freshness", lambda: stale)
    refused = confirm(node, payment["id"], payment["client_secret"])
    assert refused.status_code == 503
    assert refused.json()["code"] == "source_unavailable"
    assert int(refused.headers["Retry-After"]) > 0
