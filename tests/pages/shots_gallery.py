"""The pictures of the checkout's other states, on a phone, and of the pages around it:
the rest by Lightning, the frame above a shop's page, the line that is lost, a refund.

Those that the checkout is mostly about are `shots_checkout.py`'s.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.browser.shop import Shop
from tests.lightning.lightning_node import LightningNode, lightning_node
from tests.pages import shots_checkout as states
from tests.pages.conftest import Visited
from tests.pages.desk import Desk
from tests.pages.shooting import Shot, node, shared
from tests.pages.shots_checkout import PHONE, WIDE, shot
from tests.pages.test_checkout_embed import Site, open_shop
from tests.pages.test_refund_page import claim_url
from tests.tools.wait import wait_until

__all__ = ["SHOTS"]

#: Without those of `shots_checkout.py`, whose names they have.
STATES = (
    "soon",
    "announced",
    "seen",
    "overpaid",
    "underpaid",
    "short",
    "replaced",
    "withdrawn",
    "reversed",
    "late-in-part",
    "cancelled",
    "by-hand",
)


def high(visited: Visited) -> None:
    """All of the page in the picture."""
    height = visited.do("evaluate", "document.documentElement.scrollHeight")
    visited.do("size", 390, height)


def unknown(visited: Visited) -> None:
    visited.begin(**{**PHONE, "viewport": {"width": 390, "height": 180}})
    visited.do("goto", node().url("pay_of_nobody"))
    visited.do("wait_for", "h1")


def offline(visited: Visited) -> None:
    states.open_page(visited, states.waiting(node()), PHONE)
    visited.do("offline", True)
    visited.do("wait_for_text", "#freshness", "You are offline")
    high(visited)


def lightning_shop(_folder: Path) -> Any:
    return lightning_node()


def by_lightning(
    visited: Visited, options: dict[str, Any], *methods: str, bip321: str = "tabs"
) -> None:
    """Of a shop whose account answers, so that nothing is said of a delay."""
    shop: LightningNode = shared(lightning_shop)
    record = {"display_name": "Kaffeehaus am Markt", "bip321": bip321}
    assert shop.node.call("PUT", "/v1/merchants/default", json=record).ok
    made = shop.node.create(
        methods=methods, amount_sat=50_000, external_id="1001", confirmations=2
    )
    visited.begin(**options)
    visited.do("goto", shop.node.url + made["checkout_url"])
    visited.do("wait_for_text", "#freshness", "Live")
    if options is PHONE:
        high(visited)


def rest(visited: Visited, *, is_asked: bool) -> None:
    shop: LightningNode = shared(lightning_shop)
    fields: dict[str, Any] = {"methods": ["onchain", "lightning"], "amount_sat": 50_000}
    made = shop.node.create(**fields, confirmations=1)
    shop.node.chain.pay(made["address"], 49_700)
    wait_until(
        lambda: "underpaid" in shop.node.payment(made["id"])["flags"], 20, "underpaid"
    )
    visited.begin(**PHONE)
    visited.do("goto", shop.node.url + made["checkout_url"])
    visited.do("wait_for", "#pay-rest")
    if is_asked:
        visited.do("click", "#pay-rest")
        visited.do("wait_for", "#invoice")
    visited.do("wait_for_text", "#freshness", "Live")
    high(visited)


def framed(visited: Visited) -> Iterable[None]:
    """Above the page of a shop, which is another origin."""
    running: Shop = node()
    made = states.create(running)
    site = Site()
    kept = running.gateway.merchant("coffee")
    places = (*kept.return_urls, f"{site.origin}/orders/")
    running.gateway.save_merchant(
        replace(kept, version=kept.version + 1, return_urls=places)
    )
    visited.begin(viewport={"width": 900, "height": 720})
    open_shop(visited, running, site, site.origin, running.url(made))
    visited.do("click", "#buy")
    visited.do("wait_for", "iframe")
    visited.do("wait_until", "told.length > 0")
    yield
    site.server.stop(timeout=1)


def refund(visited: Visited, *, until: str = "asked") -> None:
    """The page of a claim link, whose payer is asked, shown, or told."""
    address = node().chain.new_address()
    desk = Desk(node())
    visited.begin(**{**PHONE, "viewport": {"width": 390, "height": 400}})
    visited.do("goto", claim_url(desk))
    visited.do("wait_for", "#address")
    if until == "shown":
        visited.do("fill", "#address", address)
        visited.do("press", "Enter")
        visited.do("wait_for", "[name=step]")
    high(visited)


def docs(visited: Visited, page: str = "", **options: Any) -> None:
    """The beginning of a page: what is below the window is cut off."""
    visited.begin(**{"viewport": {"width": 1000, "height": 440}, **options})
    visited.do("goto", f"{Desk(node()).base}docs{page}")
    visited.do("wait_for", "#operations details" if page == "/api" else "h1")
    held = "{ position: 'fixed', inset: '0', overflow: 'hidden' }"
    visited.do("evaluate", f"Object.assign(document.body.style, {held}), 1")
    visited.do("evaluate", "document.documentElement.style.overflow = 'hidden'")
    cut = "{ maxHeight: '300px', overflow: 'hidden' }"
    for part in ("article", "#contents"):
        place = f"document.querySelector('{part}')"
        visited.do("evaluate", f"{place} && Object.assign({place}.style, {cut}), 1")


def docs_search(visited: Visited) -> None:
    docs(visited)
    visited.do("fill", "#search", "webhook retries")
    visited.do("wait_for_text", "#found", "found")


SHOTS: dict[str, Shot] = {
    **{f"pay-{name}": partial(shot, states.STATES[name], PHONE) for name in STATES},
    "pay-both": lambda v: by_lightning(v, PHONE, "onchain", "lightning"),
    "pay-both-wide": lambda v: by_lightning(v, WIDE, "onchain", "lightning"),
    "pay-unified": lambda v: by_lightning(
        v, PHONE, "onchain", "lightning", bip321="unified"
    ),
    "pay-lightning": lambda v: by_lightning(v, PHONE, "lightning"),
    "pay-unknown": unknown,
    "pay-offline": offline,
    "pay-rest": partial(rest, is_asked=False),
    "pay-rest-invoice": partial(rest, is_asked=True),
    "pay-framed": framed,
    "refund-asked": refund,
    "refund-shown": partial(refund, until="shown"),
    "docs-page": docs,
    "docs-search": docs_search,
    "docs-api-dark": partial(docs, page="/api", color_scheme="dark"),
}
