"""A band of 0 confirmations: paid in the mempool, taken back when it is replaced."""

from collections.abc import Iterator

import pytest

from tests.tools.node import RunningNode, running_node

RECORD = {
    "defaults": {"bands": [{"below_sat": 10_000, "confirmations": 0}]},
    "packages": {"small": {"amount_sat": 9_000, "credits": 10}},
}


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as started:
        made = started.call("PUT", "/v1/merchants/kiosk", json=RECORD)
        assert made.status_code == 200, made.text
        yield started


def balance(node: RunningNode, user: str) -> int:
    shown = node.get(f"/v1/accounts/{user}?merchant=kiosk").json()
    found: int = shown["balance"]
    return found


def test_it_is_paid_at_once_and_a_double_spend_takes_it_back(node: RunningNode) -> None:
    body = {"package": "small", "account": "ada", "merchant": "kiosk"}
    made = node.post("/v1/payments", body).json()
    assert made["confirmations_required"] == 0
    txid = node.chain.pay(made["address"], 9_000)
    paid = node.wait_for_status(made["id"], "confirmed")
    assert (paid["confirmations"], paid["tx_hash"]) == (0, txid)
    assert balance(node, "ada") == 10
    node.chain.replace(txid, to=node.chain.new_address())
    node.wait_for_status(made["id"], "pending")
    assert balance(node, "ada") == 0
    events = node.get(f"/v1/payments/{made['id']}/events").json()["data"]
    kinds = [event["type"].removeprefix("payment.") for event in events]
    for kind in ("confirmed", "credited", "replaced", "reversed"):
        assert kinds.count(kind) == 1, kinds
    node.chain.pay(made["address"], 9_000)
    node.wait_for_status(made["id"], "confirmed")
    assert balance(node, "ada") == 10


def test_what_is_above_the_band_waits_for_its_blocks(node: RunningNode) -> None:
    made = node.create(amount_sat=10_000, merchant="kiosk")
    node.chain.pay(made["address"], 10_000)
    node.wait_for_status(made["id"], "confirming")
    assert node.payment(made["id"])["confirmations_required"] == 3
