"""Inbound webhooks over real sockets: who is believed, what is told, what is kept."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.facts.published import Published
from tests.integration.inbound_calls import TXID, callback, detected, kept
from tests.tools.livenode import SECRET, LiveNode, live_node
from tests.tools.wait import wait_until
from transport.server.limits import CallLimits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hooks")


@pytest.fixture(scope="module")
def node(folder: Path) -> Iterator[LiveNode]:
    lenient = CallLimits(failure_rate_per_s=1_000, failure_burst=1_000)
    with live_node(folder, webhook={"limits": lenient}) as running:
        yield running


def test_a_signed_webhook_is_told_to_browsers_at_once_as_not_verified(
    node: LiveNode,
) -> None:
    payment = node.create(amount_sat=100_000)
    browser = node.watch(payment.address)
    assert browser.recv_json()["type"] == "state"
    assert browser.recv_json()["type"] == "source"
    # The body of the document: BTC as a JSON number.
    body = f'{{"address":"{payment.address}","amount":0.001}}'.encode()
    answer = node.tell_webhook(body)
    event = browser.recv_json()
    assert answer.status == 200
    assert answer.json == {"status": "accepted", "payment_id": payment.id}
    assert (event["type"], event["status"]) == ("payment.detected", "pending")
    assert event["data"]["source"] == "webhook"
    assert event["data"]["verified"] is False
    assert event["data"]["claim"]["amount_sat"] == 100_000
    assert event["received_sat"] == 0  # nothing is counted on a claim
    browser.close()


@pytest.mark.parametrize(
    ("payload", "sat"),
    [
        ('"amount":0.1', 10_000_000),
        ('"amount":0.00000001', 1),
        ('"amount":"20999999.9769"', 2_099_999_997_690_000),
        ('"amount":20999999.97690001', 2_099_999_997_690_001),
        ('"amount":1e-3', 100_000),
        ('"amount":2', 200_000_000),
        ('"value":123', 123),
        ('"value":100000,"amount":"0.001"', 100_000),
    ],
)
def test_amounts_are_read_digit_by_digit(
    node: LiveNode, payload: str, sat: int
) -> None:
    payment = node.create()
    body = f'{{"address":"{payment.address}",{payload}}}'.encode()
    assert node.tell_webhook(body).status == 200
    found = node.gateway.payment(payment.id)
    assert found is not None
    assert found.claims[0].amount_sat == sat


def test_a_signature_may_have_its_prefix_and_capitals(node: LiveNode) -> None:
    payment = node.create()
    body = {"address": payment.address, "value": 1_000}
    assert node.tell_webhook(body, prefix="sha256=").status == 200


@pytest.mark.parametrize("signature", [None, "", "00", "é", "sha256=", "f" * 64])
def test_without_the_right_signature_nobody_is_believed(
    node: LiveNode, signature: str | None
) -> None:
    payment = node.create()
    body = json.dumps({"address": payment.address, "value": 1_000}).encode()
    headers = {} if signature is None else {"X-Signature": signature}
    answer = node.ask("/webhook/btc", method="POST", body=body, headers=headers)
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert SECRET not in answer.body.decode()
    assert detected(node, payment.id) == 0


def test_a_signature_over_another_body_is_wrong(node: LiveNode) -> None:
    payment = node.create()
    body = {"address": payment.address, "value": 1_000}
    assert node.tell_webhook(body, secret="another").status == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b'{"address":"x","address":"y","value":1}', 400),
        (b'{"address":"x","value":NaN}', 400),
        (b'{"address":"x","value":' + b"9" * 5_000 + b"}", 400),
        (b"[" * 5_000, 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"address":"x"}', 422),
        (b'{"address":7,"value":1}', 422),
        (b'{"address":"","value":1}', 422),
        (b'{"address":"a b","value":1}', 422),
        (b'{"address":"x","value":1.5}', 422),
        (b'{"address":"x","value":-1}', 422),
        (b'{"address":"x","value":true}', 422),
        (b'{"address":"x","amount":-0.1}', 422),
        (b'{"address":"x","amount":0.000000001}', 422),
        (b'{"address":"x","amount":1e999999999}', 422),
        (b'{"address":"x","amount":"0,1"}', 422),
        (b'{"address":"x","amount":[1]}', 422),
        (b'{"address":"x","amount":0.1,"value":1}', 422),
        (b'{"address":"x","value":1,"txid":"zz"}', 422),
        (b'{"address":"x","value":1,"status":[]}', 422),
        (b'{"address":"x","value":1,"status":"' + b"s" * 41 + b'"}', 422),
    ],
)
def test_what_is_malformed_is_refused_and_named(
    node: LiveNode, body: bytes, status: int
) -> None:
    answer = node.tell_webhook(body)
    assert answer.status == status
    assert answer.json["status"] == status


def test_a_body_over_16_kib_is_413(node: LiveNode) -> None:
    body = b'{"address":"x","value":1,"more":"' + b"x" * 16_384 + b'"}'
    assert node.tell_webhook(body).status == 413


def test_a_webhook_and_then_the_chain_are_one_detection(node: LiveNode) -> None:
    payment = node.create()
    txid = node.chain.pay(payment.address, 1_000)
    node.wait_for(payment.id, "confirming")
    payload = {"address": payment.address, "value": 1_000, "txid": txid, "status": 0}
    assert node.tell_webhook(payload).status == 200
    node.chain.mine(2)
    node.wait_for(payment.id, "confirmed")
    assert detected(node, payment.id) == 1


@pytest.mark.parametrize("with_txid", [True, False])
def test_the_chain_bears_a_webhook_out_without_a_second_detection(
    tmp_path: Path, with_txid: bool
) -> None:
    with live_node(tmp_path) as node:
        payment = node.create()
        payload: dict[str, Any] = {"address": payment.address, "value": 1_000}
        if with_txid:
            # The provider is quicker than our source.
            txid = node.chain.pay(payment.address, 1_000)
            payload["txid"] = txid
            assert node.tell_webhook(payload).status == 200
        else:
            assert node.tell_webhook(payload).status == 200
            node.chain.pay(payment.address, 1_000)
        node.chain.mine(2)
        confirmed = node.wait_for(payment.id, "confirmed")
        assert confirmed.claims == ()
        assert detected(node, payment.id) == 1


def test_what_the_chain_does_not_corroborate_is_withdrawn(tmp_path: Path) -> None:
    webhook = {"claim_window_s": 1}
    with live_node(tmp_path, webhook=webhook) as node:
        payment = node.create()
        browser = node.watch(payment.address)
        payload = {"address": payment.address, "value": 1_000, "txid": TXID}
        assert node.tell_webhook(payload).status == 200
        told: list[dict[str, Any]] = []
        while len(told) < 2:
            message = browser.recv_json(10)
            if message["type"].startswith("payment."):
                told.append(message)
        assert [e["type"] for e in told] == ["payment.detected", "payment.replaced"]
        assert told[1]["status"] == "pending"
        assert "does not corroborate" in told[1]["data"]["reason"]
        browser.close()


def test_a_webhook_makes_the_watcher_look_at_the_chain_at_once(
    node: LiveNode,
) -> None:
    payment = node.create(poll_interval_s=3_600)
    before = node.gateway.watcher(payment.address)
    assert before is not None
    seen = before.seen_at or 0
    payload = {"address": payment.address, "value": 1_000}
    assert node.tell_webhook(payload).status == 200

    def looked() -> bool:
        now = node.gateway.watcher(payment.address)
        return now is not None and (now.seen_at or 0) > seen

    wait_until(looked, 5, "the watcher to have asked its source")


def test_the_same_webhook_twice_is_a_duplicate_and_one_detection(
    node: LiveNode,
) -> None:
    payment = node.create()
    payload = {"address": payment.address, "value": 1_000, "txid": TXID, "status": 0}
    assert node.tell_webhook(payload).json["status"] == "accepted"
    again = node.tell_webhook({**payload, "status": "0"})  # the same in other bytes
    assert (again.status, again.json["status"]) == (200, "duplicate")
    assert detected(node, payment.id) == 1
    # Another status is another word, and here without effect.
    assert node.tell_webhook({**payload, "status": 2}).json["status"] == "accepted"
    assert detected(node, payment.id) == 1


@pytest.mark.parametrize("status", [-1, "-1", "dropped", "Double-spent", "what?"])
def test_a_status_that_says_no_money_is_noted_and_claims_nothing(
    node: LiveNode, status: Any
) -> None:
    payment = node.create()
    payload = {"address": payment.address, "value": 1_000, "status": status}
    answer = node.tell_webhook(payload)
    assert (answer.status, answer.json["status"]) == (200, "noted")
    assert detected(node, payment.id) == 0


def test_an_address_that_nobody_waits_at_is_logged_and_404(
    node: LiveNode, folder: Path
) -> None:
    address = node.chain.new_address()
    payload = {"address": address, "value": 1_000, "txid": TXID}
    assert node.tell_webhook(payload).status == 404
    assert any(
        address.encode() in body and verdict == "unknown_address"
        for _, _, verdict, body in kept(folder)
    )
    # Once the payment exists the same words are news, not a duplicate.
    payment = node.create(address=address)
    assert node.tell_webhook(payload).json == {
        "status": "accepted",
        "payment_id": payment.id,
    }


def test_a_webhook_for_a_confirmed_payment_changes_nothing(node: LiveNode) -> None:
    payment = node.create()
    txid = node.chain.pay(payment.address, 1_000)
    node.chain.mine(2)
    node.wait_for(payment.id, "confirmed")
    before = node.seqs(payment.id)
    payload = {"address": payment.address, "value": 1_000, "txid": txid, "status": 2}
    assert node.tell_webhook(payload).status == 200
    assert node.seqs(payment.id) == before


def test_money_at_an_address_that_is_no_longer_watched_is_logged_and_said(
    tmp_path: Path,
) -> None:
    with live_node(tmp_path) as node:
        now = node.gateway.now()
        payment = node.create(expires_at=now + 100, monitor_until=now + 200)
        wait_until(
            lambda: node.gateway.watcher(payment.address) is None,
            10,
            "the watcher to be let go",
        )
        payload = {"address": payment.address, "value": 1_000, "txid": TXID}
        assert node.tell_webhook(payload).status == 409
        assert callback(node, addr=payment.address).json["status"] == "ignored"
        verdicts = [(row[0], row[2]) for row in kept(tmp_path)]
        assert verdicts == [("btc", "not_watched"), ("blockonomics", "not_watched")]


def test_what_was_heard_is_kept_with_what_it_caused(
    node: LiveNode, folder: Path
) -> None:
    payment = node.create()
    payload = {"address": payment.address, "value": 1_000, "txid": TXID, "note": SECRET}
    assert node.tell_webhook(payload).status == 200
    (row,) = [row for row in kept(folder) if row[1] == payment.id]
    assert (row[0], row[2]) == ("btc", "claimed")
    assert payment.address.encode() in row[3]
    assert SECRET.encode() not in row[3]


def test_without_a_secret_in_the_configuration_there_is_no_such_route(
    tmp_path: Path,
) -> None:
    with live_node(tmp_path, secret=None) as node:
        for answer in (node.tell_webhook(b"{}"), callback(node, addr="x")):
            assert answer.status == 404
            assert "PAYBELL_WEBHOOK_BTC_SECRET" in answer.json["detail"]


def test_who_calls_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    limits = CallLimits(rate_per_s=0.01, burst=2)
    with live_node(tmp_path, webhook={"limits": limits}) as node:
        payment = node.create()
        for value in (1, 2):
            payload = {"address": payment.address, "value": value}
            assert node.tell_webhook(payload).status == 200
        answer = node.tell_webhook({"address": payment.address, "value": 3})
        assert answer.status == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 100


def test_who_guesses_secrets_is_slowed_down(tmp_path: Path) -> None:
    limits = CallLimits(failure_rate_per_s=0.001, failure_burst=2)
    with live_node(tmp_path, webhook={"limits": limits}) as node:
        tries = [callback(node, addr="x", secret=str(n)) for n in range(3)]
        assert [tried.status for tried in tries] == [401, 401, 429]
        assert tries[-1].json["limit"] == "wrong_signatures_per_minute"


def test_while_the_journal_cannot_write_nothing_is_answered_200(
    tmp_path: Path,
) -> None:
    with live_node(tmp_path) as node:
        payment = node.create()
        own = node.node.journal_report
        full = replace(own.now, trouble="the disk is full")
        node.node.journal_report = Published(full)
        payload = {"address": payment.address, "value": 1_000, "txid": TXID}
        answer = node.tell_webhook(payload)
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) >= 1
        node.node.journal_report = own
        assert node.tell_webhook(payload).json["status"] == "accepted"
