"""The receipt of each kind of paid payment, over a real socket, held against the
ledger's postings to the satoshi and to the cent."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from engine.merchants.scopes import Scope
from engine.money.rates import Policy
from tests.lightning.lightning_node import LightningNode, lightning_node
from tests.seeds.gateway_calls import node_with_gateways
from tests.tools.node import RunningNode
from tests.tools.wait import PATIENCE, wait_until
from transport.rates.providers import FixedRates

BOTH = {"methods": ["onchain", "lightning"]}


@pytest.fixture(scope="module")
def shop() -> Iterator[LightningNode]:
    rates = FixedRates({"EUR": Decimal(50_000)})
    with lightning_node(rates=([rates], Policy())) as running:
        node = running.node
        wait_until(lambda: node.get("/v1/rates").json()["data"], 10, "rates")
        yield running


def receipt(node: RunningNode, payment: str) -> dict[str, Any]:
    """As the page's twin has it, and the page itself can be read."""
    place = f"{node.url}/pay/{payment}/receipt"
    page = requests.get(place, headers={"Accept": "text/html"}, timeout=30 * PATIENCE)
    assert (page.status_code, "<h1>Receipt</h1>" in page.text) == (200, True)
    found: dict[str, Any] = requests.get(f"{place}.json", timeout=30 * PATIENCE).json()
    return found


def postings(
    node: RunningNode, payment: str, merchant: str = "default"
) -> list[dict[str, Any]]:
    path = f"/v1/accounts/export.jsonl?merchant={merchant}"
    lines = node.get(path).text.splitlines()
    return [p for p in map(json.loads, lines) if p["payment_id"] == payment]


def balance(found: list[dict[str, Any]], account: str, unit: str = "sat") -> int:
    """What came into the account less what went out, in this unit."""
    of_unit = [p for p in found if p["unit"] == unit]
    came = sum(int(p["amount"]) for p in of_unit if p["to_account"] == account)
    went = sum(int(p["amount"]) for p in of_unit if p["from_account"] == account)
    return came - went


def equals_the_ledger(node: RunningNode, payment: str) -> dict[str, Any]:
    """The receipt, once its sums are those of the ledger."""
    said, found = receipt(node, payment), postings(node, payment)
    assert said["received_sat"] == -balance(found, "sales")
    assert said["refunded_sat"] == balance(found, "refunds")
    assert sum(p["amount_sat"] for p in said["proofs"]) == said["received_sat"]
    assert sum(r["amount_sat"] for r in said["refunds"]) == said["refunded_sat"]
    by_lightning = [p for p in said["proofs"] if p["method"] == "lightning"]
    kept = balance(found, "fees")
    assert sum(p["amount_sat"] for p in by_lightning) == (
        balance(found, "lightning:purse") + kept
    )
    return said


def paid(shop: LightningNode, *sats: int, **fields: Any) -> str:
    """A payment that these outputs pay, in blocks; its id."""
    made = shop.node.post("/v1/payments", {"confirmations": 1, **fields}).json()
    for sat in sats or (made["amount_sat"],):
        shop.node.chain.pay(made["address"], sat)
    shop.node.chain.mine(1)
    shop.node.wait_for_status(made["id"], "confirmed")
    total = sum(sats) or made["amount_sat"]
    wait_until(
        lambda: shop.node.payment(made["id"])["confirmed_sat"] == total, 10, "it all"
    )
    return str(made["id"])


def test_an_exact_one_on_the_chain(shop: LightningNode) -> None:
    payment = paid(shop, amount="25", currency="EUR", external_id="order-9")
    said = equals_the_ledger(shop.node, payment)
    assert (said["state"], said["method"], said["order"]) == (
        "paid",
        "onchain",
        "order-9",
    )
    assert (said["price"]["amount"], said["worth"]["amount"]) == ("25.00", "25.00")
    assert said["price"]["rate"] == "50000"
    (posted,) = postings(shop.node, payment)
    assert posted["worth"] == said["worth"]["amount"]
    (proof,) = said["proofs"]
    assert proof["txid"] == shop.node.payment(payment)["receipts"][0]["txid"]
    assert proof["block_height"] > 0


def test_one_that_was_overpaid_in_two_parts(shop: LightningNode) -> None:
    payment = paid(shop, 30_000, 25_000, amount_sat=50_000)
    said = equals_the_ledger(shop.node, payment)
    assert (said["received_sat"], said["over_sat"]) == (55_000, 5_000)
    assert len(said["proofs"]) == 2


def test_one_by_lightning_of_which_the_node_kept_some(shop: LightningNode) -> None:
    made = shop.node.create(method="lightning", amount_sat=5_000)
    shop.pay(made, fees_msat=300_500)
    said = equals_the_ledger(shop.node, made["id"])
    assert (said["method"], said["received_sat"]) == ("lightning", 5_000)
    assert said["proofs"][0]["payment_hash"] == made["lightning"]["payment_hash"]
    told = [*said.values(), *said["proofs"][0].values()]
    assert not {301, 5_000 - 301} & {one for one in told if isinstance(one, int)}


def test_one_half_by_lightning_and_half_on_the_chain(shop: LightningNode) -> None:
    made = shop.node.create(**BOTH, amount_sat=5_000, confirmations=1)
    shop.node.chain.pay(made["address"], 2_000)
    shop.pay(made)
    shop.node.chain.mine(1)
    wait_until(
        lambda: len(receipt(shop.node, made["id"])["proofs"]) == 2, 10, "both of them"
    )
    said = equals_the_ledger(shop.node, made["id"])
    assert (said["method"], said["received_sat"]) == ("both", 7_000)


def test_one_that_came_late(shop: LightningNode) -> None:
    made = shop.node.create(amount_sat=40_000, confirmations=1, expires_in_s=1)
    shop.node.wait_for_status(made["id"], "expired")
    place = f"{shop.node.url}/pay/{made['id']}/receipt"
    assert requests.get(place, timeout=30 * PATIENCE).status_code == 404
    shop.node.chain.pay(made["address"], 40_000)
    shop.node.chain.mine(1)
    wait_until(
        lambda: "late" in shop.node.payment(made["id"])["flags"], 20, "it to be late"
    )
    shop.node.wait_for_status(made["id"], "confirmed")
    said = equals_the_ledger(shop.node, made["id"])
    assert (said["received_sat"], said["is_late"]) == (40_000, True)
    page = requests.get(place, timeout=30 * PATIENCE).text
    assert '<p class="state">Received after the deadline</p>' in page, "not: paid"


def test_one_of_which_a_part_was_given_back(shop: LightningNode) -> None:
    payment = paid(shop, 60_000, amount_sat=50_000)
    path = f"/v1/payments/{payment}/refunds"
    refunds = []
    key = {"Authorization": f"Bearer {_refund_key(shop.node)}"}
    for sat in (10_000, 20_000):
        body = {"amount_sat": sat, "address": shop.node.chain.new_address()}
        answer = shop.node.post(path.removesuffix("s"), body, **key)
        assert answer.status_code == 201, answer.text
        refunds.append(answer.json()["id"])
    assert equals_the_ledger(shop.node, payment)["state"] == "paid", "not sent yet"
    for refund in refunds:
        answer = shop.node.post(f"{path}/{refund}/paid", {"txid": "ab" * 32}, **key)
        assert answer.status_code == 200, answer.text
    said = equals_the_ledger(shop.node, payment)
    assert (said["state"], said["refunded_sat"]) == ("refunded_in_part", 30_000)


def test_one_that_a_person_confirmed_books_nothing(shop: LightningNode) -> None:
    made = shop.node.create(amount_sat=40_000)
    shop.node.post(f"/v1/payments/{made['id']}/confirm")
    said = equals_the_ledger(shop.node, made["id"])
    assert (said["method"], said["received_sat"]) == ("by_hand", 0)


def test_one_by_a_gateway_to_the_cent() -> None:
    with node_with_gateways() as gateways:
        assert gateways.external(external_id="inv_7").status_code == 201
        thing = {"metadata": {"invoice": "inv_7"}, "currency": "eur", "id": "pi_7"}
        paid = {**thing, "amount_received": 1_250}
        gateways.stripe("payment_intent.succeeded", paid, "evt_1")
        payment = gateways.payment("inv_7", "cafe")["id"]
        gateways.node.wait_for_status(payment, "confirmed")
        back = {**thing, "amount_refunded": 250}
        gateways.stripe("charge.refunded", back, "evt_2")
        said = receipt(gateways.node, payment)
        found = postings(gateways.node, payment, "cafe")
        assert (said["method"], said["gateway"]) == ("external", "stripe")
        assert said["received"] == {"currency": "EUR", "amount": "12.50"}
        assert said["refunded"] == {"currency": "EUR", "amount": "2.50"}
        assert said["state"] == "refunded_in_part"
        assert balance(found, "gateway:stripe", "EUR") == 1_250 - 250


def _refund_key(node: RunningNode) -> str:

    return node.add_key(None, "refunds", Scope.REFUND)
