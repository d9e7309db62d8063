"""A payer whose payment expired unpaid gets a new one from its page, over a real
socket: the same terms, a fresh address, the price of now; once, and not for ever."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
import requests

from engine.money.rates import SET, Policy, Quote
from engine.ports import RateAnswer
from tests.lightning.lightning_node import lightning_node
from tests.tools.node import RunningNode, running_node
from tests.tools.wait import PATIENCE, wait_until

SHOP = "cafe"


class Market:
    """What a bitcoin is worth, as the operator sets it."""

    name = SET

    def __init__(self) -> None:
        self.euro = Decimal(50_000)

    def ask(self, now: int) -> RateAnswer:
        return RateAnswer((Quote(SET, "EUR", self.euro, now),))


MARKET = Market()


@pytest.fixture
def without_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows has more time than the first, which was to be over soon."""
    monkeypatch.setattr("transport.control.reorder.time_of", lambda _old: 3_600)


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node(rates=([MARKET], Policy(every_s=1))) as running:
        wait_until(lambda: running.get("/v1/rates").json()["data"], 10, "rates")
        for name, allowed in ((SHOP, True), ("strict", False)):
            record = {"reorder": allowed, "return_urls": ["https://shop.example/"]}
            answer = running.call("PUT", f"/v1/merchants/{name}", json=record)
            assert answer.status_code == 200, answer.text
        yield running


def expired(node: RunningNode, **fields: Any) -> dict[str, Any]:
    """A payment whose time is over."""
    asked = {"amount_sat": 50_000, "merchant": SHOP, "expires_in_s": 1, **fields}
    if "amount" in fields:
        del asked["amount_sat"]
    made = node.post("/v1/payments", asked)
    assert made.status_code == 201, made.text
    return node.wait_for_status(made.json()["id"], "expired")


def page(node: RunningNode, payment: str) -> str:
    return requests.get(f"{node.url}/pay/{payment}", timeout=30 * PATIENCE).text


def reorder(node: RunningNode, payment: str, query: str = "") -> requests.Response:
    headers = {"Accept": "text/html"}
    url = f"{node.url}/pay/{payment}/reorder{query}"
    return requests.post(
        url, headers=headers, timeout=30 * PATIENCE, allow_redirects=False
    )


def successor(node: RunningNode, payment: str) -> dict[str, Any]:
    answer = reorder(node, payment)
    assert answer.status_code == 303, answer.text
    return node.payment(answer.headers["Location"].removeprefix("../"))


@pytest.mark.usefixtures("without_haste")
def test_the_page_of_an_expired_payment_leads_on_to_a_new_one(
    node: RunningNode,
) -> None:
    asked = {
        "external_id": "order-7",
        "metadata": {"table": 7},
        "description": "Two coffees",
        "confirmations": 2,
        "return_url": "https://shop.example/7",
    }
    old = expired(node, **asked)
    assert f'action="{old["id"]}/reorder"' in page(node, old["id"])
    new = successor(node, old["id"])
    assert new["status"] == "pending"
    assert new["address"] != old["address"]
    assert new["metadata"] == {"table": 7, "replaces": old["id"]}
    for field in ("amount_sat", "external_id", "description", "return_url"):
        assert new[field] == old[field], field
    assert new["confirmations_required"] == 2
    assert f'href="{new["id"]}"' in page(node, old["id"])
    assert "/reorder" not in page(node, old["id"])
    assert f'href="bitcoin:{new["address"]}' in page(node, new["id"])


def test_asking_again_gives_the_same_one(node: RunningNode) -> None:
    old = expired(node)["id"]
    with ThreadPoolExecutor(10) as pool:
        places = list(pool.map(lambda _: reorder(node, old), range(10)))
    assert {answer.status_code for answer in places} == {303}
    assert len({answer.headers["Location"] for answer in places}) == 1
    german = reorder(node, old, "?lang=de").headers["Location"]
    assert german == places[0].headers["Location"] + "?lang=de"


def test_a_price_in_a_currency_is_asked_at_the_rate_of_now(node: RunningNode) -> None:
    old = expired(node, amount="50", currency="EUR")
    assert old["amount_sat"] == 100_000
    MARKET.euro = Decimal(40_000)
    wait_until(
        lambda: node.get("/v1/rates").json()["data"][0]["rate"].startswith("40000"),
        60,
        "the new rate",
    )
    new = successor(node, old["id"])
    assert new["amount_sat"] == 125_000
    assert (new["price"]["currency"], new["price"]["amount"]) == ("EUR", "50.00")


def test_a_chain_of_them_has_an_end(node: RunningNode) -> None:
    """Ids are not believed because metadata names them: only those that follow."""
    first = expired(node, metadata={"replaces": "pay_of_somebody_else"})
    one, made = first, 0
    while (answer := reorder(node, one["id"])).status_code == 303:
        made += 1
        assert made <= 5, "without an end"
        new = answer.headers["Location"].removeprefix("../")
        one = node.wait_for_status(new, "expired")
    assert made == 5
    assert answer.status_code == 409
    assert "cannot be renewed" in answer.text
    assert "/reorder" not in page(node, one["id"])


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"merchant": "strict"}, "the shop has not said that it may be"),
        ({"merchant": "nobody"}, "nothing is said of this shop"),
    ],
)
def test_what_the_shop_does_not_offer_is_not_made(
    node: RunningNode, fields: dict[str, Any], why: str
) -> None:
    old = expired(node, **fields)["id"]
    assert "/reorder" not in page(node, old), why
    assert reorder(node, old).status_code == 409


def test_only_what_expired_without_money_has_a_successor(node: RunningNode) -> None:
    pending = node.create(amount_sat=50_000, merchant=SHOP)
    assert reorder(node, pending["id"]).status_code == 409
    cancelled = node.create(amount_sat=50_000, merchant=SHOP)["id"]
    node.post(f"/v1/payments/{cancelled}/cancel")
    assert reorder(node, cancelled).status_code == 409
    late = expired(node)
    node.chain.pay(late["address"], 20_000)  # too little, and too late
    wait_until(
        lambda: node.payment(late["id"])["received_sat"] == 20_000, 20, "the money"
    )
    assert "/reorder" not in page(node, late["id"])
    assert reorder(node, late["id"]).status_code == 409
    assert reorder(node, "pay_of_nobody").status_code == 404


def test_an_order_that_another_payment_has_paid_is_not_asked_for_again(
    node: RunningNode,
) -> None:
    """The shop made a new one by itself, and the payer still has the old link."""
    old = expired(node, external_id="order-8")
    assert "/reorder" in page(node, old["id"])
    other = node.create(amount_sat=50_000, merchant=SHOP, external_id="order-8")
    node.chain.pay(other["address"], 50_000)
    node.wait_for_status(other["id"], "confirming")
    assert "/reorder" not in page(node, old["id"])
    assert reorder(node, old["id"]).status_code == 409
    theirs = node.create(amount_sat=50_000, merchant="strict", external_id="order-9")
    node.chain.pay(theirs["address"], 50_000)
    node.wait_for_status(theirs["id"], "confirming")
    own = expired(node, external_id="order-9")["id"]
    assert "/reorder" in page(node, own), "that was another shop's order"


@pytest.mark.usefixtures("without_haste")
def test_an_invoice_that_expired_is_followed_by_a_fresh_one() -> None:
    with lightning_node() as shop:
        record = {"reorder": True, "methods": ["lightning"]}
        said = shop.node.call("PUT", "/v1/merchants/default", json=record)
        assert said.status_code == 200, said.text
        old = shop.node.create(amount_sat=5_000, expires_in_s=5)
        shop.node.wait_for_status(old["id"], "expired")
        new = successor(shop.node, old["id"])
        assert new["lightning"]["payment_hash"] != old["lightning"]["payment_hash"]
        assert (new["address"], new["amount_sat"]) == (None, 5_000)
        shop.pay(new)
        assert shop.node.payment(new["id"])["status"] == "confirmed"
