"""The checkout page of Lightning payments in a real browser, on a whole node."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import Chromium, browser
from tests.browser.page import Page
from tests.browser.visit import was_not_reloaded
from tests.lightning.lightning_node import LightningNode, lightning_node

CLIPBOARD = (
    "navigator.clipboard.writeText = text => { window.copied = text;"
    " return Promise.resolve(); }; window.mark = 1"
)


@pytest.fixture(scope="module")
def shop() -> Iterator[LightningNode]:
    with lightning_node() as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with browser() as running:
        yield running


@pytest.fixture
def page(chromium: Chromium) -> Iterator[Page]:
    opened = chromium.page(390, 844)
    yield opened
    opened.close()


def visit(shop: LightningNode, page: Page, **fields: Any) -> dict[str, Any]:
    """A new payment, its page open and live."""
    made = shop.node.create(amount_sat=5_000, **fields)
    page.goto(shop.node.url + made["checkout_url"])
    page.wait_for("#freshness", text="Live")
    page.evaluate(CLIPBOARD)
    return made


def test_a_payer_copies_the_invoice_and_sees_it_paid_at_once(
    shop: LightningNode, page: Page
) -> None:
    made = visit(shop, page, method="lightning")
    invoice = made["lightning"]["bolt11"]
    assert page.evaluate("document.title") == "Pay 0.00005 BTC"
    link = made["uri"].replace(invoice.upper(), invoice)
    assert page.evaluate("document.querySelector('a.button').href") == link
    page.click("#pay .copy")
    page.wait_for("#pay .copy", text="Copied")
    assert page.evaluate("window.copied") == invoice
    assert "left to pay" in page.text("#countdown")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shop.pay(made)
    page.wait_for("h1", text="Paid")
    assert page.evaluate("document.title") == "Paid ✓"
    assert "confirmation" not in page.html()
    assert not page.evaluate("!!document.querySelector('.qr, a.button')")
    assert was_not_reloaded(page)
    assert page.console_errors == []


def test_a_tab_stays_where_the_payer_put_it(shop: LightningNode, page: Page) -> None:
    made = visit(shop, page, methods=["onchain", "lightning"], confirmations=1)
    seen = "document.querySelector('[data-way=\"{}\"]').checkVisibility()"
    assert page.evaluate(seen.format("lightning"))
    assert not page.evaluate(seen.format("onchain"))
    page.click("label[for=way-onchain]")
    assert page.evaluate(seen.format("onchain"))
    assert not page.evaluate(seen.format("lightning"))
    shop.node.chain.pay(made["address"], 5_000)
    page.wait_for("h1", text="Payment seen")
    shop.node.chain.mine(1)
    page.wait_for("h1", text="Paid")
    assert was_not_reloaded(page)
    assert page.console_errors == []


def test_what_is_left_is_asked_for_over_the_chain_and_paid_by_lightning(
    shop: LightningNode, page: Page
) -> None:
    made = visit(shop, page, methods=["onchain", "lightning"], confirmations=0)
    shop.node.chain.pay(made["address"], 2_000)
    page.wait_for("h1", text="Partly paid")
    assert "lnbcrt" not in page.html()
    shop.pay(made, amount_msat=3_000_000)
    page.wait_for("h1", text="Paid")


def test_one_code_for_both_is_the_merchants_choice(
    shop: LightningNode, page: Page
) -> None:
    put = shop.node.call("PUT", "/v1/merchants/default", json={"bip321": "unified"})
    assert put.ok
    try:
        made = visit(shop, page, methods=["onchain", "lightning"])
        assert page.evaluate("document.querySelectorAll('.qr').length") == 1
        invoice = made["lightning"]["bolt11"]
        link = made["uri"].replace(invoice.upper(), invoice)
        assert page.evaluate("document.querySelector('a.button').href") == link
        assert page.evaluate("document.querySelectorAll('.copy').length") == 3
        shop.pay(made)
        page.wait_for("h1", text="Paid")
    finally:
        assert shop.node.call("PUT", "/v1/merchants/default", json={}).ok


def test_without_a_script_each_tab_can_be_chosen(
    shop: LightningNode, page: Page
) -> None:
    made = shop.node.create(amount_sat=5_000, methods=["onchain", "lightning"])
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.goto(shop.node.url + made["checkout_url"])
    assert page.text("#invoice") == made["lightning"]["bolt11"]
    page.click("label[for=way-onchain]")
    assert page.text("#address").replace(" ", "") == made["address"]
    assert not page.evaluate("document.querySelector('#invoice').checkVisibility()")
