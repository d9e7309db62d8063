"""What is missing of a short payment, asked for and paid by Lightning on its page, in a
real browser: nothing jumps, axe-core finds nothing, each language says it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lightning.lightning_node import LightningNode, lightning_node
from tests.pages.conftest import Visited
from tests.pages.shots_checkout import PHONE, WIDE
from tests.tools.wait import wait_until
from transport.pages.language import all_words

LARGEST_SHIFT = 0.05
WIDTH = "document.documentElement.scrollWidth <= innerWidth"
SHOWN = "document.querySelector('[data-way=\"{}\"]').checkVisibility()"


@pytest.fixture(scope="module")
def shop() -> Iterator[LightningNode]:
    with lightning_node() as running:
        yield running


def short(shop: LightningNode, missing: int) -> dict[str, Any]:
    fields: dict[str, Any] = {"methods": ["onchain", "lightning"], "amount_sat": 5_000}
    made = shop.node.create(**fields, confirmations=0)
    shop.node.chain.pay(made["address"], 5_000 - missing)
    wait_until(
        lambda: "underpaid" in shop.node.payment(made["id"])["flags"], 20, "underpaid"
    )
    return made


def is_sound(visited: Visited) -> None:
    assert visited.do("axe") == []
    assert visited.do("shifts") <= LARGEST_SHIFT
    assert visited.do("evaluate", WIDTH)


def rest(shop: LightningNode, payment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = shop.node.payment(payment["id"])["lightning"]["rest"]
    return found


@pytest.mark.parametrize("options", [PHONE, WIDE], ids=["phone", "desktop"])
def test_the_rest_is_asked_for_shown_beside_the_chain_and_paid(
    shop: LightningNode, visited: Visited, options: dict[str, object]
) -> None:
    visited.begin(**options)
    made = short(shop, 2_000)
    visited.do("goto", shop.node.url + made["checkout_url"])
    visited.do("wait_for_text", "#freshness", "Live")
    visited.do("wait_for", "#address")
    is_sound(visited)
    visited.do("click", "#pay-rest")
    visited.do("wait_for", "#invoice")
    visited.do("wait_for_text", "#freshness", "Live")
    assert visited.do("text", "#invoice") == rest(shop, made)["bolt11"]
    is_sound(visited)
    visited.do("click", "label[for=way-onchain]")
    assert visited.do("evaluate", SHOWN.format("onchain"))
    assert "0.00002" in visited.do("text", "#amount")
    is_sound(visited)
    shop.phoenixd.receive(rest(shop, made)["payment_hash"])
    visited.do("wait_for_text", "h1", "Paid")
    is_sound(visited)


def test_an_invoice_for_another_sum_leaves_the_page_by_itself(
    shop: LightningNode, visited: Visited
) -> None:
    visited.begin(**PHONE)
    made = short(shop, 2_000)
    visited.do("goto", shop.node.url + made["checkout_url"])
    visited.do("click", "#pay-rest")
    visited.do("wait_for", "#invoice")
    visited.do("wait_for_text", "#freshness", "Live")
    shop.node.chain.pay(made["address"], 1_700)
    visited.do("wait_until", "!document.querySelector('#invoice')")
    visited.do("wait_for_text", "#pay-rest", "Pay the rest by Lightning")
    assert not visited.do("evaluate", "!!document.querySelector('.qr')"), "too little"
    is_sound(visited)
    visited.do("click", "#pay-rest")
    visited.do("wait_for", "#invoice")
    assert rest(shop, made)["amount_msat"] == 300_000
    assert not visited.do("evaluate", "!!document.querySelector('#address')")
    is_sound(visited)
    shop.node.chain.pay(made["address"], 300)
    visited.do("wait_for_text", "h1", "Paid")
    is_sound(visited)


@pytest.mark.parametrize("tag", sorted(all_words()))
def test_each_language_says_it(shop: LightningNode, visited: Visited, tag: str) -> None:
    words = all_words()[tag]
    visited.begin(**PHONE)
    made = short(shop, 300)
    visited.do("goto", f"{shop.node.url}{made['checkout_url']}?lang={tag}")
    visited.do("wait_for_text", "#pay-rest", words.say("pay_rest"))
    is_sound(visited)
    visited.do("click", "#pay-rest")
    visited.do("wait_for", "#invoice")
    assert visited.do("evaluate", "document.documentElement.lang") == tag
    assert visited.do("evaluate", WIDTH)


def test_it_works_without_a_script(shop: LightningNode, visited: Visited) -> None:
    visited.begin(java_script_enabled=False)
    made = short(shop, 300)
    visited.do("goto", shop.node.url + made["checkout_url"])
    visited.do("click", "#pay-rest")
    visited.do("wait_for", "#invoice")
    assert visited.do("text", "#invoice") == rest(shop, made)["bolt11"]


def test_the_offer_goes_and_comes_with_the_account_while_the_page_is_open(
    shop: LightningNode, visited: Visited
) -> None:
    """Nothing happens to the payment meanwhile: its script has to see it."""
    visited.begin(**PHONE)
    made = short(shop, 2_000)
    visited.do("goto", shop.node.url + made["checkout_url"])
    visited.do("wait_for", "#pay-rest")
    visited.do("wait_for_text", "#freshness", "Live")
    key = shop.refuse_key("purse")
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    visited.do("evaluate", look)
    visited.do("wait_until", "!document.querySelector('#pay-rest')")
    shop.reconnect("purse", key)
    visited.do("evaluate", look)
    visited.do("wait_for", "#pay-rest")
    is_sound(visited)
