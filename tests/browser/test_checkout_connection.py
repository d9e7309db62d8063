"""The checkout page in a real browser when its connection fails, dies or is refused."""

from collections.abc import Callable, Iterator

import pytest

from engine.payment.model import Payment, Status
from tests.browser.chromium import Chromium, browser
from tests.browser.page import Page
from tests.browser.shop import Shop, shop
from tests.browser.visit import Visit, before_load, was_not_reloaded
from tests.tools.wait import wait_until

# A page's own clocks stand still: what the page asks by itself after some time it never
# asks. A test sets them forward by `window.skew` milliseconds.
OWN_CLOCK = """
window.skew = 0;
const begun = performance.now(), day = Date.now();
performance.now = () => begun + window.skew;
Date.now = () => day + window.skew;
"""
# A connection that is dead without anybody noticing: nothing comes any more.
DEAF_ON_DEMAND = """
window.deaf = false;
window.sockets = 0;
window.WebSocket = class extends WebSocket {
  constructor(...args) { super(...args); window.sockets += 1; }
  set onmessage(handle) {
    super.onmessage = handle && (event => { if (!window.deaf) handle(event); });
  }
};
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("shop")) as running:
        yield running


@pytest.fixture
def page(chromium: Chromium) -> Iterator[Page]:
    opened = chromium.page(390, 844)
    yield opened
    opened.close()


@pytest.fixture
def visit(page: Page, node: Shop) -> Callable[[Payment], None]:
    """Open a payment's page and wait until it is live; mark it, to see a reload."""

    def open_page(payment: Payment) -> None:
        page.goto(node.url(payment))
        page.wait_for("#freshness", text="Live")
        page.evaluate("window.mark = 1")

    return open_page


def test_what_happened_while_the_connection_was_lost_is_caught_up(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    visit(payment)
    page.offline(True)
    assert node.cut_websockets() >= 1
    page.wait_for("#freshness", text="You are offline.")
    node.chain.pay(payment.terms.address, 50_000)
    node.chain.mine(2)
    wait_until(
        lambda: node.payment(payment).status is Status.CONFIRMED, 10, "confirmation"
    )
    assert page.text("h1") == "Waiting for your payment"
    page.offline(False)
    page.wait_for("h1", text="Paid")
    # It says nothing of its line any more; that there is one the server knows.
    wait_until(lambda: node.server._listener.websockets, 10, "the line to be back")
    assert was_not_reloaded(page)


def test_a_server_that_drops_its_connections_is_found_again_by_itself(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    visit(payment)
    node.cut_websockets()
    node.chain.pay(payment.terms.address, 50_000)
    page.wait_for("h1", text="Payment seen")
    page.wait_for("#freshness", text="Live")
    node.chain.mine(2)
    page.wait_for("h1", text="Paid")


def test_a_connection_that_died_silently_is_found_out_by_the_page(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    before_load(page, OWN_CLOCK + DEAF_ON_DEMAND)
    visit(payment)
    sockets = page.evaluate("window.sockets")
    page.evaluate("window.deaf = true")
    node.chain.pay(payment.terms.address, 50_000)
    node.chain.mine(2)
    wait_until(
        lambda: node.payment(payment).status is Status.CONFIRMED, 10, "confirmation"
    )
    assert page.text("h1") == "Waiting for your payment"
    page.evaluate("window.skew = 60000")
    page.wait_for("h1", text="Paid")
    page.wait_for_js(f"window.sockets > {sockets}")


def test_coming_back_to_the_page_asks_at_once(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    before_load(page, OWN_CLOCK + DEAF_ON_DEMAND)
    visit(payment)
    page.evaluate(
        "Object.defineProperty(document, 'visibilityState',"
        " {get: () => window.away ? 'hidden' : 'visible'});"
        "window.away = true; window.deaf = true;"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    node.chain.pay(payment.terms.address, 50_000)
    node.chain.mine(2)
    wait_until(
        lambda: node.payment(payment).status is Status.CONFIRMED, 10, "confirmation"
    )
    page.evaluate(
        "window.away = window.deaf = false;"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait_for("h1", text="Paid")


def test_where_no_websocket_gets_through_events_are_streamed(
    node: Shop, page: Page
) -> None:
    payment = node.create()
    node.refuse_websockets = True
    try:
        page.goto(node.url(payment))
        page.wait_for("#freshness", text="Live")
        assert any("/events/balance/" in url for url in page.requested)
        node.chain.pay(payment.terms.address, 50_000)
        page.wait_for("h1", text="Payment seen")
        node.chain.mine(2)
        page.wait_for("h1", text="Paid")
    finally:
        node.refuse_websockets = False


def test_where_nothing_live_gets_through_the_page_asks_now_and_then(
    node: Shop, page: Page
) -> None:
    payment = node.create()
    node.deaf = True
    try:
        page.goto(node.url(payment))
        page.wait_for("#freshness", text="Reconnecting…")
        node.chain.pay(payment.terms.address, 50_000)
        page.wait_for("h1", text="Payment seen")
    finally:
        node.deaf = False


def test_who_comes_back_by_the_browsers_button_sees_what_is_so(
    node: Shop, page: Page, visit: Visit
) -> None:
    """The page is `no-store`: a browser that has no script, or that puts a page back
    from its disk, must never ask for money that was sent already."""
    payment, other = node.create(), node.create()
    visit(payment)
    page.goto(node.url(other))
    node.chain.pay(payment.terms.address, 50_000)
    node.chain.mine(2)
    wait_until(
        lambda: node.payment(payment).status is Status.CONFIRMED, 10, "confirmation"
    )
    page.evaluate("history.back(), 1")
    page.wait_for("h1", text="Paid")
    assert not was_not_reloaded(page), "Chromium kept a page that says no-store"


def test_a_page_that_a_browser_kept_all_the_same_asks_at_once(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    before_load(page, OWN_CLOCK + DEAF_ON_DEMAND)
    visit(payment)
    page.evaluate("window.deaf = true, dispatchEvent(new Event('pagehide')), 1")
    node.chain.pay(payment.terms.address, 50_000)
    node.chain.mine(2)
    wait_until(
        lambda: node.payment(payment).status is Status.CONFIRMED, 10, "confirmation"
    )
    assert page.text("h1") == "Waiting for your payment"
    page.evaluate(
        "dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true})), 1"
    )
    page.wait_for("h1", text="Paid")
    assert was_not_reloaded(page)
