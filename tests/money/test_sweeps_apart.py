"""What cannot be sent on keeps nothing else waiting: coins, payments, merchants."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.chain.broadcast import Sent
from engine.errors import SourceUnavailable
from engine.store.outgoing_port import Queued
from engine.store.port import StoreReader
from engine.wallet.fees import FeeRules
from engine.wallet.forward_policy import ForwardPolicy
from engine.wallet.forwards import Forwards, Signer
from tests.money.test_refunds import Refunding
from tests.tools.node import running_node
from tests.tools.seed_wallets import Seeds
from tests.tools.wait import wait_until
from transport.devchain.broadcast import DevBroadcaster
from transport.devchain.chain import DevChain

OWNER = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
POLICY = ForwardPolicy(
    destinations=frozenset({OWNER}),
    every_s=0.1,
    per_day_sat=1_000_000,
    fees=FeeRules(absent_sat_kvb=1_000),
)


def waiting(store: StoreReader, merchant: str) -> list[str]:
    found = store.forward_queue(merchant)
    return [one.payment.id for one in found if isinstance(one, Queued)]


class Poor(DevBroadcaster):
    """It shows some transactions wrong or not at all, and takes no sweep of some."""

    def __init__(self, chain: DevChain) -> None:
        super().__init__(chain)
        self.hidden: set[str] = set()
        self.swapped: dict[str, str] = {}
        self.refuses: set[str] = set()  # whose coins

    def raw_transaction(self, txid: str, block_hash: str = "") -> bytes:
        if txid in self.hidden:
            raise SourceUnavailable(f"does not know {txid}")
        return super().raw_transaction(self.swapped.get(txid, txid), block_hash)

    def send(self, raw: bytes) -> Sent:
        if any(bytes.fromhex(txid)[::-1] in raw for txid in self.refuses):
            raise SourceUnavailable("500 Internal Server Error")
        return super().send(raw)


class Desk(Refunding):
    ways: Poor
    seeds: Seeds

    def waits_for(self, payment: str, status: str) -> None:
        def is_there() -> bool:
            chain = self.node.chain
            if any(e.block_hash is None for e in chain.contents.entries.values()):
                chain.mine(1)
            return bool(self.node.payment(payment)["status"] == status)

        wait_until(
            is_there, 20, lambda: f"{payment} to be {status}: {self.events(payment)}"
        )

    def ordered(self, merchant: str) -> dict[str, Any]:
        fields = {"merchant": merchant, "amount_sat": 50_000, "confirmations": 2}
        made = self.node.post("/v1/payments", fields)
        assert made.status_code == 201, made.text
        found: dict[str, Any] = made.json()
        return found

    def waits(self, merchant: str) -> list[str]:
        found = self.node.get("/v1/alerts").json()["data"]
        return [
            one["detail"]
            for one in found
            if one["kind"] == "forward.waits" and one["subject"] == merchant
        ]


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    seeds = Seeds(POLICY)
    made: list[Poor] = []

    def forwards(chain: DevChain) -> Forwards:
        made.append(Poor(chain))
        return Forwards(made[0], Signer(seeds), POLICY)

    with running_node(forwards=forwards, web={"forwarding": POLICY}) as node:
        for merchant in ("limited", "poor", "ann", "bob"):
            seeds.give(node, merchant, forward_to=OWNER)
        desk = Desk(node)
        desk.ways, desk.seeds = made[0], seeds
        yield desk


def test_a_coin_above_the_days_limit_stays_queued_beside_one_that_goes(
    desk: Desk,
) -> None:
    payment = desk.paid(700_000, 400_000, merchant="limited", amount_sat=1_100_000)
    wait_until(lambda: desk.waits("limited"), 10, "the alert of the limit")
    store = desk.node.gateway._store
    wait_until(
        lambda: store.outgoing_of_payment(payment), 10, "the first coin to be sent"
    )
    assert waiting(store, "limited") == [payment]
    wait_until(
        lambda: desk.node.get("/health").json()["forwarding_at_limit"] == 1,
        10,
        "/health to count the merchant",
    )
    shown = desk.node.get("/v1/forwarding?merchant=limited").json()
    (sweep,) = shown["outgoing"]
    assert (shown["per_day_sat"], shown["sent_today_sat"]) == (
        1_000_000,
        sweep["sent_sat"],
    )
    other = desk.node.get("/v1/forwarding?merchant=ann").json()
    assert (other["per_day_sat"], other["sent_today_sat"]) == (1_000_000, 0)
    # And it stands in nobody's way: it is not due again at once.
    wait_until(
        lambda: "limited" not in store.forward_due(desk.node.gateway.now(), 600_000),
        10,
        "the payment to be put off",
    )


@pytest.mark.parametrize("is_shown", [False, True])
def test_a_coin_whose_transaction_nobody_shows_keeps_no_other_waiting(
    desk: Desk, is_shown: bool
) -> None:
    lost, other = desk.ordered("poor"), desk.ordered("poor")
    txid = desk.node.chain.pay(lost["address"], 60_000)
    fine = desk.node.chain.pay(other["address"], 50_000)
    if is_shown:
        desk.ways.swapped[txid] = fine
    else:
        desk.ways.hidden.add(txid)
    desk.node.chain.mine(2)
    desk.waits_for(other["id"], "forwarded")
    wait_until(
        lambda: any(lost["id"] in detail for detail in desk.waits("poor")),
        10,
        lambda: f"an alert: {desk.waits('poor')}",
    )
    store = desk.node.gateway._store
    assert lost["id"] in waiting(store, "poor")


def test_a_transaction_that_cannot_be_sent_keeps_no_other_waiting(desk: Desk) -> None:
    stuck = desk.ordered("ann")
    desk.ways.refuses.add(desk.node.chain.pay(stuck["address"], 50_000))
    desk.node.chain.mine(2)
    wait_until(
        lambda: [e for e in desk.events(stuck["id"]) if "forwarding" in e["type"]],
        10,
        "the sweep to be signed",
    )
    other = desk.paid(merchant="bob")
    desk.waits_for(other, "forwarded")
    assert desk.node.payment(stuck["id"])["status"] != "forwarded"
