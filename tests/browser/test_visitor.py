"""A visitor of a shop, by Playwright: docs/clients.md's example, and a checkout."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.playwright_page import VisitFailed, VisitorPage, visiting
from tests.browser.shop import shop
from tests.browser.site import Site
from tests.docs.runs import Runs, here
from tests.tools.livenode import live_node
from tests.tools.wait import wait_until

RUN = Runs()
WATCH_PAYMENT = RUN.take("clients.md", "js", "watchPayment(")

# What the example leaves to the shop.
SHOP = """
const say = (name, text) => {
  const line = document.getElementById(name) ?? document.body.appendChild(
    Object.assign(document.createElement("p"), { id: name }));
  line.textContent = text;
};
const draw = (status, sum) => say("status", `${status} ${sum}`);
let types = "";
const log = type => say("log", types += type + " ");
const light = state => say("light", state);
"""


@pytest.fixture(scope="module")
def page() -> Iterator[VisitorPage]:
    with visiting() as opened:
        yield opened


def example(address: str, url: str, token: str) -> str:
    """The first one of the page, with this payment; it stops on `leave()`."""
    replaced = {
        '"bc1q…"': repr(address),
        '"https://pay.example"': repr(url),
        "watch.stop();": "window.leave = () => { watch.stop(); };",
    }
    code = here(WATCH_PAYMENT.text, replaced)
    return f"(() => {{ {SHOP} const clientSecret = {token!r}; {code} }})()"


def test_the_example_of_the_docs_shows_a_payment_and_that_it_is_offline(
    page: VisitorPage, tmp_path: Path
) -> None:
    site = Site()
    with live_node(tmp_path, origins=(site.origin,)) as node:
        payment = node.create()
        url = f"http://127.0.0.1:{node.server.port}"
        page.do("goto", site.origin)
        token = node.vault.client_secret(payment.id)
        page.do("evaluate", example(payment.address, url, token))
        page.do("wait_for_text", "#light", "live")
        node.chain.pay(payment.address, 1_000)
        node.chain.mine(2)
        page.do("wait_for_text", "#status", "confirmed 1000")
        page.do("wait_for_text", "#log", "payment.confirmed")
        assert page.do("text", "#log").split()[-1] == "payment.confirmed"
        page.do("offline", True)
        page.do("wait_for_text", "#light", "offline")
        page.do("offline", False)
        page.do("wait_for_text", "#light", "live")
        page.do("evaluate", "leave()")
        wait_until(lambda: not node.sessions(), 5, "the session to end")
    site.close()


def test_a_visitor_pays_on_the_checkout_page(page: VisitorPage, tmp_path: Path) -> None:
    with shop(tmp_path) as node:
        payment = node.create()
        page.do("goto", node.url(payment))
        page.do("wait_for_text", "#freshness", "Live")
        before = page.do("complaints")
        page.do("screenshot", str(tmp_path / "waiting.png"))
        node.chain.pay(payment.terms.address, 50_000)
        page.do("wait_for_text", "h1", "Payment seen")
        node.chain.mine(2)
        page.do("wait_for_text", "h1", "Paid")
        page.do("screenshot", str(tmp_path / "paid.png"))
        assert page.do("complaints") == before
    assert (tmp_path / "paid.png").stat().st_size > 5_000


def test_what_is_not_on_the_page_is_told(page: VisitorPage) -> None:
    page.do("goto", "about:blank")
    with pytest.raises(VisitFailed, match="is not defined"):
        page.do("evaluate", "nobody")


SOON = """setTimeout(() => document.body.append(Object.assign(
  document.createElement("input"), { id: "late", value: "here" })), 200), 1"""


def test_what_is_not_made_yet_is_waited_for(page: VisitorPage) -> None:
    page.do("goto", "about:blank")
    page.do("evaluate", SOON)
    page.do("wait_until", "document.querySelector('#late').value === 'here'")
    with pytest.raises(VisitFailed, match="is not defined"):
        page.do("wait_until", "nobody.value")
