"""The checkout in Chromium on a real Bitcoin node: from a new payment to the mark that
is drawn when it is paid, without the page being loaded anew."""

from collections.abc import Iterator

import pytest

from tests.browser.playwright_page import VisitorPage, visiting
from tests.node.bcoin import BcoinNode
from tests.node.paybell import Paybell
from tests.node.shop import Shop
from tests.tools.receiver import Receiver

PHONE = {"viewport": {"width": 390, "height": 844}}
ARRIVED = "window.arrived"
WATCH = """
  new MutationObserver(() => {
    const sign = document.querySelector('[data-stage="paid"] .sign');
    if (sign?.getAnimations().length) window.arrived = true;
  }).observe(document, { subtree: true, childList: true, attributes: true });
"""


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("paybell")
    with BcoinNode() as node:
        wallet = node.fund(3)
        with Receiver() as endpoint, Paybell(node.url, folder) as paybell:
            yield Shop(node, wallet, paybell, endpoint)
            assert paybell.trouble == []
            paybell.stop()


@pytest.fixture
def page() -> Iterator[VisitorPage]:
    with visiting() as opened:
        yield opened


def test_a_payer_on_a_real_chain_sees_it_through_to_the_mark(
    shop: Shop, page: VisitorPage
) -> None:
    with shop.order(50_000, confirmations=2) as order:
        page.do("anew", PHONE)
        page.do("before_load", WATCH)
        page.do("goto", f"{shop.paybell.url}/pay/{order.id}")
        page.do("wait_for_text", "h1", "Waiting for your payment")
        page.do("wait_for_text", "#freshness", "Live")
        order.pay(50_000)
        page.do("wait_for_text", "h1", "Payment seen")
        shop.node.generate(1)
        page.do("wait_for_text", "body", "1 of 2 confirmations")
        shop.node.generate(1)
        page.do("wait_for_text", "h1", "Paid")
        page.do("wait_until", ARRIVED)
        order.wait_for("confirmed")
    assert page.do("complaints") == []
    assert page.do("strangers", shop.paybell.url) == []
    assert page.do("shifts") <= 0.05
