"""What an operator sees of Lightning accounts, of each kind: how they stand, why, and
what reconnecting does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pages.conftest import Visited
from tests.pages.desk import DESKTOP, NOTE_TOASTS, PHONE, toasted
from tests.tools.blink_double import BlinkAccount, BlinkDouble
from tests.tools.paybell import API_KEY, Paybell, serving
from tests.tools.phoenixd_double import PhoenixdDouble
from tests.tools.ports import free_ports
from tests.tools.wait import wait_until


class Accounts:
    """A node with one of each kind; nothing listens where the Electrum should be."""

    def __init__(self, node: Paybell, blink: BlinkDouble, held: BlinkAccount) -> None:
        self.node, self.blink, self.counter = node, blink, held

    def state(self, name: str) -> str:
        answer = self.node.call("GET", "/v1/upstreams").json()
        (found,) = [one for one in answer["data"] if one["name"] == name]
        return str(found["state"])

    def look(self, visited: Visited, **options: object) -> None:
        visited.begin(**{"viewport": DESKTOP, **options})
        visited.do("before_load", NOTE_TOASTS)
        visited.do("goto", f"{self.node.url}/")
        visited.do("fill", "#key", API_KEY)
        visited.do("press", "Enter")
        visited.do("wait_for", "#menu a", "attached")
        visited.do("evaluate", "void (location.hash = '#/sources')")
        visited.do("wait_for", card("shop"))


def card(name: str) -> str:
    return f"article.card:has(h3:text-is('{name}'))"


@contextmanager
def accounts(folder: Path) -> Iterator[Accounts]:
    with PhoenixdDouble() as phoenixd, BlinkDouble() as blink:
        counter = blink.account("counter", sat=1_000)
        (nobody,) = free_ports(1)
        (folder / "paybell.toml").write_text(
            f"""
[merchants.roastery]
[merchants.cafe]
[merchants.museum]
[lightning.shop]
kind = "phoenixd"
url = "{phoenixd.url}"
secret = "{phoenixd.password}"
merchants = ["roastery"]

[lightning.counter]
kind = "blink"
url = "{blink.url}"
stream_url = "{blink.stream_url}"
secret = "{counter.key}"
merchants = ["cafe"]
forward_to = "shop"

[lightning.old]
kind = "electrum"
url = "http://127.0.0.1:{nobody}"
user = "user"
secret = "a-secret-of-the-electrum"
merchants = ["museum"]
"""
        )
        with serving(folder, "--config", "paybell.toml") as node:
            yield Accounts(node, blink, counter)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    with accounts(tmp_path_factory.mktemp("accounts")) as running:
        wait_until(
            lambda: running.state("shop") == running.state("counter") == "live",
            20,
            "both accounts that answer to be live",
        )
        wait_until(lambda: running.state("old") == "failing", 20, "the third to fail")
        yield running


def test_each_account_says_how_it_stands_and_why(
    at: Accounts, visited: Visited
) -> None:
    at.look(visited)
    for name, words in {
        "shop": ("Live", "phoenixd", "roastery", "Requests", "Errors"),
        "counter": ("Live", "blink", "Passes on to", "cafe", "Requests"),
        "old": (
            "Failing",
            "electrum",
            "(100.0 %)",
            "Attempts",
            "Next attempt",
            "heard late",
        ),
    }.items():
        for word in words:  # of the third not all while an attempt is under way
            visited.do("wait_for_text", card(name), word)
        said = visited.do("text", card(name))
        assert ("heard late" in said) == (name == "old")
    assert "a-secret" not in visited.do("text", "body")
    assert visited.do("axe") == []


def test_an_account_that_was_lost_is_shown_so_and_begins_anew(
    at: Accounts, visited: Visited
) -> None:
    at.look(visited, viewport=PHONE)
    (held,) = at.blink.sockets.open(at.counter)
    visited.do("click", f"{card('counter')} >> text=Reconnect")
    toasted(visited, "It begins anew.")
    wait_until(
        lambda: held not in at.blink.sockets.open(at.counter), 20, "another connection"
    )
    wait_until(lambda: at.state("counter") == "live", 20, "it to be live")
    at.blink.revoke(at.counter)
    for connection in at.blink.sockets.open(at.counter):
        connection.cut()
    visited.do("wait_for_text", card("counter"), "Failing")
    visited.do("wait_for_text", card("counter"), "key")
