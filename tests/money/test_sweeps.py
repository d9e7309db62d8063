"""Money goes on to its owner, once, on a node of Core's lineage: see `sweeps.py`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.money.sweeps import PATIENCE_S, Till, judged
from tests.money.vault import DRAWN, KINDS
from tests.node.litecoin import LitecoinNode
from tests.tools.wait import wait_until

EACH = int(os.environ.get("SWEEPS", "12")) // len(KINDS)
"""Payments of each kind. `make soak` has 300 in all."""


CRUMB_SAT = 700


@pytest.fixture(scope="module")
def node() -> Iterator[LitecoinNode]:
    with LitecoinNode("-txindex=1") as node:
        node.fund_wallet()
        yield node


@pytest.fixture(scope="module")
def till(
    node: LitecoinNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Till]:
    till = Till(node, tmp_path_factory.mktemp("till"))
    with till.paybell:
        yield till


@pytest.mark.timeout_s(600)
def test_payments_of_all_kinds_are_swept_to_the_satoshi(
    node: LitecoinNode, tmp_path: Path
) -> None:
    till = Till(node, tmp_path)
    with till.paybell:
        for number in range(EACH):
            for kind in (*KINDS, *DRAWN):
                payment = till.order(kind, 50_000 + number)
                till.pay(payment, 50_000 + number)
            if number % 3 == 2:  # a chain in the mempool has an end
                node.generate(1)
        crumb = till.order("p2wpkh", CRUMB_SAT)  # to spend it costs too much of it
        node.pay(crumb["address"], CRUMB_SAT)
        till.settle()
        till.wait_for_status("confirmed", [crumb["id"]])
        received = sum(till.payments.values())
        swept = till.outgoing()
        fees = sum(one["fee_sat"] for one in swept if one["state"] == "confirmed")
        assert till.arrived_sat() + fees == received
        books = [till.balances(kind) for kind in (*KINDS, *DRAWN)]
        assert abs(sum(book["own"] for book in books)) == till.arrived_sat()
        assert abs(sum(book["fees"] for book in books)) == fees
        assert sum(book.get("onchain", 0) for book in books) == CRUMB_SAT
        for one in swept:
            tx = judged(node, one["txid"])
            assert sum(out.amount_sat for out in tx.outputs) == one["sent_sat"]
        for name in till.payments:
            last = till.paybell.events(name)[-1]
            assert last["type"] == "payment.forwarded"
            assert last["data"]["forwarding_tx_hash"] in {o["txid"] for o in swept}
            assert last["data"]["swept_sat"] == till.payments[name]
    assert till.paybell.trouble == []


def test_a_sweep_that_loses_its_block_is_sent_again_and_counts_once(
    node: LitecoinNode, tmp_path: Path
) -> None:
    till = Till(node, tmp_path)
    with till.paybell:
        payment = till.order("p2tr", 60_000)
        till.pay(payment, 60_000)
        till.settle()
        name = payment["id"]
        node.replace_blocks(1)
        till.wait_to_be_told(name, "payment.forwarded", "payment.forwarding")
        node.generate(1)
        till.wait_for_status("forwarded", [name])
        events = till.paybell.events(name)
        assert sum(event["data"].get("swept_sat", 0) for event in events) == 60_000
        (swept,) = [one for one in till.outgoing() if one["payments"] == [name]]
        assert swept["state"] == "confirmed"
        assert abs(till.balances("p2tr")["own"]) == swept["sent_sat"]


def test_forwarding_is_paused_across_a_restart_and_resumed(
    node: LitecoinNode, tmp_path: Path
) -> None:
    till = Till(node, tmp_path)
    with till.paybell as paybell:
        till.switch(paused=True)
        assert paybell.get("/v1/forwarding")["paused"]
        paybell.stop()
        paybell.start()
        wait_until(
            lambda: paybell.get("/health")["forwarding"] == "paused",
            PATIENCE_S,
            "/health to say that it is paused",
        )
        payment = till.order("p2wpkh", 50_000)
        till.pay(payment, 50_000)
        node.generate(1)
        till.wait_for_status("confirmed", [payment["id"]])
        assert till.outgoing() == []
        till.switch(paused=False)
        till.settle()


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"forward_to": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}, "not regtest"),
        (
            {"forward_to": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"},
            "is no destination that this node's configuration names",
        ),
        (
            {"address": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"},
            "needs an address of a wallet of this node",
        ),
    ],
)
def test_a_destination_is_judged_when_the_payment_is_created(
    till: Till, terms: dict[str, str], why: str
) -> None:
    wanted = {"merchant": "p2wpkh", "amount_sat": 50_000}
    body = wanted | {"forward_to": till.destination} | terms
    answer = till.paybell.call("POST", "/v1/payments", json=body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["path"] == "/forward_to"
    assert why in error["message"]
