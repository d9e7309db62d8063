"""A forward that fails for good, over a real socket: its payment stays paid, for its
payer, its shop, the credited account and the watch for reorganisations."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from msgspec.structs import replace

from engine.bitcoin.address import parse_address
from engine.wallet.forward_policy import FINAL_DEPTH
from engine.wallet.forwards import Forwards, Signer
from engine.wallet.plan import PlannedOutput
from tests.money.test_accounts import findings_of
from tests.money.test_sweeps_apart import OWNER, POLICY, Desk, Poor
from tests.tools.node import running_node
from tests.tools.seed_wallets import Seeds
from tests.tools.wait import PATIENCE, wait_until
from transport.devchain.chain import DevChain

STRANGER = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
PACKAGES = {"small": {"amount_sat": 50_000, "credits": 40}}


@pytest.fixture
def desk() -> Iterator[Desk]:
    seeds = Seeds(POLICY)
    made: list[Poor] = []

    def forwards(chain: DevChain) -> Forwards:
        made.append(Poor(chain))
        return Forwards(made[0], Signer(seeds), POLICY)

    web = {"forwarding": POLICY, "seeds": {"bitcoin": "shop"}}
    with running_node(forwards=forwards, web=web) as node:
        seeds.give(node, "shop", forward_to=OWNER, packages=PACKAGES)
        desk = Desk(node)
        desk.ways, desk.seeds = made[0], seeds
        yield desk


def bought(desk: Desk) -> tuple[dict[str, Any], str]:
    """A payment whose sweep is signed and reaches no node, and who paid it."""
    asked = {"merchant": "shop", "package": "small", "account": "ann"}
    payment = desk.node.post("/v1/payments", {**asked, "confirmations": 1}).json()
    txid = desk.node.chain.pay(payment["address"], 50_000)
    desk.ways.refuses.add(txid)
    desk.node.chain.mine(1)
    told(desk, payment, "payment.forwarding")
    return payment, txid


def told(desk: Desk, payment: dict[str, Any], kind: str) -> dict[str, Any]:
    def found() -> list[dict[str, Any]]:
        return [e for e in desk.events(payment["id"]) if e["type"] == kind]

    wait_until(found, 20, lambda: f"{kind}: {desk.events(payment['id'])}")
    return found()[-1]


def stolen(desk: Desk, payment: dict[str, Any]) -> None:
    """Somebody else who has the key was faster."""
    (sweep,) = desk.node.gateway._store.outgoing_of_payment(payment["id"])
    to = parse_address(STRANGER, "regtest").script
    plan = replace(sweep.plan, outputs=(PlannedOutput(to, sweep.sent_sat),))
    (coin,) = plan.coins
    previous = {coin.txid: desk.ways.raw_transaction(coin.txid)}
    desk.node.chain.broadcast(Signer(desk.seeds).sign(plan, previous).raw)
    desk.node.chain.mine(FINAL_DEPTH)
    desk.ways.refuses.clear()


def credits_of(desk: Desk) -> int:
    return int(desk.node.get("/v1/accounts/ann?merchant=shop").json()["balance"])


@pytest.mark.timeout_s(180)
def test_its_payment_stays_paid_until_a_reorganisation_takes_it(desk: Desk) -> None:
    payment, txid = bought(desk)
    stolen(desk, payment)
    failed = told(desk, payment, "payment.failed")
    assert "was spent by" in failed["data"]["reason"]
    assert failed["status"] == "failed"
    node = desk.node
    shown = node.payment(payment["id"])
    assert (shown["status"], shown["tx_hash"]) == ("failed", txid)
    assert shown["confirmed_sat"] == 50_000
    assert credits_of(desk) == 40
    page = requests.get(f"{node.url}/pay/{payment['id']}.json", timeout=30 * PATIENCE)
    assert page.json()["stage"] == "paid"
    receipt = f"{node.url}/pay/{payment['id']}/receipt.json"
    paid = requests.get(receipt, timeout=30 * PATIENCE).json()
    assert paid["received_sat"] == 50_000
    again = node.call(
        "POST",
        f"/api/v1/bitcoin/confirm/{payment['id']}",
        headers={"Authorization": f"Bearer {payment['client_secret']}"},
    )
    assert again.json()["message"] == "Already processed"
    assert again.json()["status"] == "confirmed"
    alerts = node.get("/v1/alerts").json()["data"]
    assert "forward.failed" in {one["kind"] for one in alerts}
    (sweep,) = node.get("/v1/forwarding?merchant=shop").json()["outgoing"]
    assert sweep["state"] == "failed"
    book = node.get("/v1/accounts?merchant=shop").json()["data"]
    sums = {one["account"]: one["balance"] for one in book if one["unit"] == "sat"}
    assert sums == {"onchain": 50_000, "sales": -50_000}
    assert findings_of(node) == []
    node.chain.reorg(FINAL_DEPTH + 1, [txid])
    told(desk, payment, "payment.reversed")
    assert credits_of(desk) == 0
    assert findings_of(node) == []
