"""The checkout when its line fails: it says so in time, and finds back by itself.

What is lost on a line, and lines that are refused, are `tests/browser/`'s
(test_checkout_connection.py); here are servers and tabs that stand still.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.payment.model import Status
from tests.browser.shop import Shop, shop
from tests.pages import shots_checkout as states
from tests.pages.conftest import Visited
from tests.tools.paybell import Paybell, serving
from tests.tools.ports import free_ports
from tests.tools.wait import wait_until

#: What the browser writes of requests that got no answer.
NO_ANSWER = ("Failed to load resource", "WebSocket connection to")

HEAR_WHAT_IS_SAID = """
  window.said = [];
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (text) {
    said.push(text);
    send.call(this, text);
  };
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("shop")) as running:
        yield running


def test_a_server_that_hangs_or_is_killed_is_never_called_live(
    visited: Visited, tmp_path: Path
) -> None:
    visited.expected = NO_ANSWER
    visited.do("before_load", HEAR_WHAT_IS_SAID)
    (port,) = free_ports(1)  # it is started again there
    with serving(tmp_path, "--port", str(port)) as node:
        made = node.create(amount_sat=50_000, confirmations=1)
        visited.do("goto", node.url + made["checkout_url"].removeprefix(node.url))
        visited.do("wait_for_text", "#freshness", "Live")
        # It stands still: its sockets stay open, and nothing is answered.
        node.signal(signal.SIGSTOP)
        visited.do("wait_for_text", "#freshness", "No connection to the shop")
        assert '{"type":"ping"}' in visited.do("evaluate", "said"), (
            "found out by itself"
        )
        node.signal(signal.SIGCONT)
        visited.do("wait_for_text", "#freshness", "Live")
        node.kill()
        visited.do("wait_for_text", "#freshness", "No connection to the shop")
        arguments = ["serve", "--port", str(port), "--db", "node.db"]
        again = Paybell(tmp_path, arguments, {})
        try:
            again.wait_ready()
            visited.do("wait_for_text", "#freshness", "Live")
            again.post("/dev/pay", address=made["address"], amount_sat=50_000)
            visited.do("wait_for_text", "h1", "Payment seen")
            again.post("/dev/mine", blocks=1)
            visited.do("wait_for_text", "h1", "Paid")
        finally:
            again.kill()


def test_a_browser_without_a_network_is_told_so_and_not_live(
    node: Shop, visited: Visited
) -> None:
    visited.expected = NO_ANSWER
    visited.do("goto", node.url(states.create(node)))
    visited.do("wait_for_text", "#freshness", "Live")
    visited.do("offline", True)
    visited.do("wait_for_text", "#freshness", "You are offline")
    visited.do("offline", False)
    visited.do("wait_for_text", "#freshness", "Live")


def test_a_page_that_has_ended_says_nothing_of_its_line(
    node: Shop, visited: Visited
) -> None:
    visited.expected = NO_ANSWER
    for state in (states.paid, states.cancelled):
        visited.do("goto", node.url(state(node)))
        visited.do("wait_for", "#freshness[data-link=ended]", "attached")
        visited.do("offline", True)
        node.cut_websockets()
        visited.do("evaluate", "new Promise(go => setTimeout(go, 1100))")  # a tick
        assert visited.do("text", "#freshness") == ""
        visited.do("offline", False)


def test_a_tab_that_was_frozen_knows_when_it_thaws(
    node: Shop, visited: Visited
) -> None:
    made = states.create(node)
    visited.do("goto", node.url(made))
    visited.do("wait_for_text", "#freshness", "Live")
    visited.do("cdp", "Page.setWebLifecycleState", {"state": "frozen"})
    node.chain.pay(made.terms.address, 50_000)
    node.chain.mine(2)
    wait_until(lambda: node.payment(made).status is Status.CONFIRMED, 10, "blocks")
    visited.do("cdp", "Page.setWebLifecycleState", {"state": "active"})
    visited.do("wait_for_text", "h1", "Paid")


def test_who_comes_back_to_the_page_sees_what_happened_meanwhile(
    node: Shop, visited: Visited
) -> None:
    made = states.create(node)
    visited.do("goto", node.url(made))
    visited.do("wait_for_text", "#freshness", "Live")
    visited.do("goto", node.url("pay_unknown"))
    visited.expected = NO_ANSWER  # that is a 404
    node.chain.pay(made.terms.address, 50_000)
    node.chain.mine(2)
    wait_until(lambda: node.payment(made).status is Status.CONFIRMED, 10, "blocks")
    visited.do("back")
    visited.do("wait_for_text", "h1", "Paid")
