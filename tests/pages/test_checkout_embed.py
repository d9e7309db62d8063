"""The checkout above a shop's own page, which is another origin than the node's."""

from collections.abc import Callable, Iterable, Iterator

import pytest
from gevent.pywsgi import WSGIServer

from engine.merchants.record import Merchant
from tests.browser.shop import Shop, shop
from tests.pages import shots_checkout as states
from tests.pages.conftest import Visited

PAGE = """<!doctype html><html lang=en><meta charset=utf-8><title>shop</title>
<link rel=icon href=data:,>
<main><h1>The shop</h1>
<p><a class="paybell-checkout" id="buy" href="{url}">Pay with bitcoin</a></p></main>
<script src="{node}/web/paybell-checkout.js"></script>"""

LISTEN = """
  window.told = [];
  for (const name of ["paybell:state", "paybell:close"])
    addEventListener(name, e => told.push([name, e.detail?.stage, e.detail?.isPaid]));
"""

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class Site:
    """The shop's pages: one, which `html` is."""

    def __init__(self) -> None:
        self.html = ""
        self.server = WSGIServer(("127.0.0.1", 0), self._answer, log=None)
        self.server.start()
        self.origin = f"http://localhost:{self.server.server_port}"
        self.other_origin = f"http://127.0.0.1:{self.server.server_port}"

    def _answer(
        self, _environ: dict[str, str], start_response: StartResponse
    ) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [self.html.encode()]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("shop")) as running:
        yield running


@pytest.fixture(scope="module")
def site(node: Shop) -> Iterator[Site]:
    running = Site()
    shops = (f"{running.origin}/orders/",)
    node.gateway.save_merchant(Merchant(name="framed", version=1, return_urls=shops))
    yield running
    running.server.stop(timeout=1)


def open_shop(visited: Visited, node: Shop, site: Site, origin: str, url: str) -> None:
    own = f"http://127.0.0.1:{node.server.port}"
    site.html = PAGE.format(url=url, node=own)
    visited.friends = (own, own.replace("http", "ws"))
    visited.do("before_load", LISTEN)
    visited.do("goto", f"{origin}/")


def is_sound(visited: Visited) -> None:
    """The page with the frame above it; what stands in it others look at."""
    assert visited.do("axe") == []
    assert visited.do("shifts") <= 0.05


def test_a_button_opens_the_checkout_above_the_page_and_is_told_of_it(
    node: Shop, site: Site, visited: Visited
) -> None:
    made = states.create(node, merchant="framed", return_url="")
    open_shop(visited, node, site, site.origin, node.url(made))
    visited.do("click", "#buy")
    visited.do("wait_for", "dialog[open] iframe")
    visited.do("wait_until", "told.length === 1")
    is_sound(visited)
    node.chain.pay(made.terms.address, 50_000)
    visited.do("wait_until", "told.at(-1)[1] === 'seen'")
    node.chain.mine(2)
    visited.do("wait_until", "told.at(-1)[1] === 'paid'")
    is_sound(visited)
    visited.do("press", "Escape")
    visited.do("wait_for", "dialog", "detached")
    told = visited.do("evaluate", "told")
    assert told[0] == ["paybell:state", "waiting", False]
    assert told[-2:] == [
        ["paybell:state", "paid", True],
        ["paybell:close", "paid", True],
    ]
    focused = visited.do("evaluate", "document.activeElement.id")
    assert focused == "buy", "back where the visitor was"


def test_who_clicks_twice_opens_it_once_and_does_not_close_it_again(
    node: Shop, site: Site, visited: Visited
) -> None:
    made = states.create(node, merchant="framed", return_url="")
    open_shop(visited, node, site, site.origin, node.url(made))
    twice = """
      document.getElementById("buy").click();
      document.querySelector("dialog").click();
      [document.querySelectorAll("dialog[open]").length, told.length]"""
    assert visited.do("evaluate", twice) == [1, 0]
    visited.do("wait_until", "told.length > 0")
    visited.do("evaluate", "performance.now = () => Infinity")
    visited.do("evaluate", "document.querySelector('dialog').click()")
    visited.do("wait_for", "dialog", "detached")


def test_a_page_that_the_shop_has_not_named_shows_and_hears_nothing(
    node: Shop, site: Site, visited: Visited
) -> None:
    made = states.create(node, merchant="framed", return_url="")
    open_shop(visited, node, site, site.other_origin, node.url(made))
    visited.expected = ("frame-ancestors", "ERR_BLOCKED_BY_RESPONSE", "postMessage")
    visited.do("click", "#buy")
    visited.do("wait_for", "dialog[open] iframe")
    visited.do("click", "dialog button")
    visited.do("wait_until", "told.length > 0")
    assert visited.do("evaluate", "told") == [["paybell:close", None, None]]


def test_without_a_script_the_button_is_a_link(
    node: Shop, site: Site, visited: Visited
) -> None:
    made = states.create(node, merchant="framed", return_url="")
    visited.begin(java_script_enabled=False)
    open_shop(visited, node, site, site.origin, node.url(made))
    visited.do("click", "#buy")
    visited.do("wait_for_text", "h1", "Waiting for your payment")
