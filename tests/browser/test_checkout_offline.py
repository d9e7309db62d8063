"""The checkout in a real browser whose network is gone for half a minute of real time,
in which the payment is paid."""

from collections.abc import Iterator

import pytest

from engine.payment.model import Status
from tests.browser.chromium import browser
from tests.browser.page import Page
from tests.browser.shop import Shop, shop
from tests.browser.visit import before_load, was_not_reloaded
from tests.tools.proxy import Proxy
from tests.tools.wait import wait_until

CUT_MS = 30_000

# What the page says, by its own clock: of its line, aloud, and that it is paid.
NOTED = """
window.line = [0, ""];
window.aloud = [];
window.paid = 0;
window.offlineForMs = () =>
  line[1].startsWith("You are offline.") ? performance.now() - line[0] : 0;
window.lookAfter = ms => new Promise(go => setTimeout(() => go(offlineForMs()), ms));
addEventListener("DOMContentLoaded", () => {
  const within = { childList: true, characterData: true, subtree: true };
  const note = (id, kept) => {
    const place = document.getElementById(id);
    new MutationObserver(() => kept(place.textContent)).observe(place, within);
  };
  note("freshness", text => text === line[1] || (line = [performance.now(), text]));
  note("announcement", text => text && aloud.push(text));
  new MutationObserver(() => paid += document.body.dataset.stage === "paid")
    .observe(document.body, { attributes: true, attributeFilter: ["data-stage"] });
});
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("shop")) as running:
        yield running


@pytest.fixture
def page() -> Iterator[Page]:
    with browser() as chromium:
        yield chromium.page(390, 844)


def test_a_payment_made_in_half_a_minute_without_a_network_is_told_once(
    node: Shop, page: Page
) -> None:
    payment = node.create()
    before_load(page, NOTED)
    still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    page.call("Emulation.setEmulatedMedia", features=still)
    with Proxy(node.server.port) as line:
        page.goto(f"http://127.0.0.1:{line.port}/pay/{payment.id}")
        page.wait_for("#freshness", text="Live")
        page.evaluate("window.mark = 1")
        page.offline(True)  # no line is opened
        line.cut()  # and those that are open break
        page.wait_for("#freshness", text="You are offline.")
        node.chain.pay(payment.terms.address, 50_000)
        node.chain.mine(2)
        wait_until(
            lambda: node.payment(payment).status is Status.CONFIRMED, 10, "blocks"
        )
        # It waits in the page, so that thirty seconds cost little.
        wait_until(
            lambda: page.evaluate("lookAfter(1000)") >= CUT_MS, 60, "half a minute"
        )
        assert page.text("h1") == "Waiting for your payment"
        assert page.evaluate("aloud") == []
        line.mend()
        page.offline(False)
        page.wait_for("h1", text="Paid")
        # What its line tells when it is back, too, is no news by then.
        wait_until(lambda: node.server._listener.websockets, 10, "the line to be back")
    assert was_not_reloaded(page)
    assert page.evaluate("paid") == 1
    (told,) = page.evaluate("aloud")
    assert told.startswith("Paid")
