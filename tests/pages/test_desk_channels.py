"""An operator finds why a webhook did not arrive, mends it and sends it again."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.pages.conftest import Visited
from tests.pages.desk import PHONE, Desk, desk, toasted
from tests.tools.receiver import Receiver, reply
from tests.tools.wait import wait_until


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def channel(at: Desk, url: str, **more: Any) -> str:
    asked = {"url": url, "types": ["payment.created"], "schedule_s": [0], **more}
    return str(at.api("POST", "v1/channels", asked)["id"])


def given_up(at: Desk, name: str, number: int) -> None:
    wait_until(
        lambda: at.api("GET", f"v1/channels/{name}/backlog")["dead"] == number,
        10,
        "it to be given up",
    )


def test_why_a_webhook_did_not_arrive_takes_three_clicks(
    at: Desk, visited: Visited
) -> None:
    """The menu, the channel that is marked, and the answer; a fourth sends it again."""
    broken = [reply(500, body=b"no such table: orders")] * 2
    with Receiver(answers=broken, default=reply(204)) as shop, Receiver() as other:
        name = channel(at, shop.url("/hook"), description="Shop backend")
        well = channel(at, other.url("/"), description="Another that is well")
        payments = [at.node.create(1_000), at.node.create(2_000)]
        given_up(at, name, 2)

        at.enter(visited)
        visited.do("click", "#menu >> text=Channels")
        visited.do("wait_for_text", "tbody tr:first-child", "Shop backend")
        assert visited.do("text", "tbody tr:first-child td:last-child").strip() == "2"
        assert visited.do("axe") == []
        visited.do("click", "tr >> text=Shop backend")
        visited.do("wait_for_text", ".part-dead", "Given up (2)")
        visited.do("wait_for_text", ".part-log", "answered 500")
        visited.do("click", ".part-log summary >> nth=0")
        visited.do("wait_for_text", ".part-log pre", "no such table: orders")
        assert visited.do("axe") == []

        visited.do("click", ".part-dead >> text=Send all of them again")
        visited.do("click", "dialog button.main")
        visited.do("wait_for_text", ".part-dead", "Nothing was given up")
        shop.wait_for(4, timeout_s=10)
        told = {one.headers["webhook-id"] for one in shop.wait_for(4, timeout_s=5)}
        assert len(told) == 2, "with the same ids as before"
        at.go(visited, f"payments/{payments[0].id}")
        visited.do("wait_for_text", ".deliveries", "Delivered")
        for one in (name, well):
            at.api("DELETE", f"v1/channels/{one}")


def test_a_channel_is_added_tried_given_a_new_secret_turned_off_and_removed(
    at: Desk, visited: Visited
) -> None:
    with Receiver(default=reply(204)) as shop:
        at.enter(visited, "operator", "ann", "channels")
        visited.do("wait_for_text", "#outlet", "No channel yet")
        assert visited.do("axe") == []
        visited.do("click", "#outlet >> text=New webhook")
        visited.do("fill", "dialog [name=url]", shop.url("/hook"))
        visited.do("fill", "dialog [name=description]", "Ann's backend")
        visited.do("press", "Enter")
        visited.do("wait_for_text", "dialog code", "whsec_")
        first = visited.do("text", "dialog code")
        visited.do("click", "dialog button.main")
        visited.do("click", "tr >> text=Ann's backend")
        visited.do("click", "#outlet .actions >> text=Test")
        toasted(visited, "It answered 204")
        visited.do("click", "#outlet .actions >> text=New secret")
        visited.do("click", "dialog button.main")
        visited.do("wait_for_text", "dialog code", "whsec_")
        assert visited.do("text", "dialog code") != first
        visited.do("click", "dialog button.main")
        visited.do("wait_for_text", ".part-state", "also signs until")
        visited.do("click", "#outlet .actions >> text=Turn off")
        visited.do("click", "dialog button.main")
        visited.do("wait_for_text", ".part-state .tag", "Off")
        visited.do("wait_for_text", "#outlet .actions", "Turn on")
        visited.do("click", "#outlet .actions >> text=Remove")
        visited.do("click", "dialog button.danger")
        visited.do("wait_for_text", "#outlet", "No channel yet")


def test_a_viewer_looks_and_changes_nothing(at: Desk, visited: Visited) -> None:
    with Receiver(default=reply(204)) as shop:
        name = channel(at, shop.url("/"), merchant="ann", description="Ann's")
        theirs = channel(at, shop.url("/"), merchant="bob", description="Bob's")
        at.enter(visited, "viewer", "ann", "channels", viewport=PHONE)
        visited.do("wait_for_text", "#outlet", "Ann's")
        assert "Bob's" not in visited.do("text", "#outlet")
        at.go(visited, f"channels/{name}")
        visited.do("wait_for_text", ".part-log", "There was none yet")
        assert visited.do("axe") == []
        buttons = (
            "document.querySelectorAll('#outlet button:not([hidden], .copy)').length"
        )
        assert visited.do("evaluate", buttons) == 0
        visited.expected = ("404 (Not Found)",)
        at.go(visited, f"channels/{theirs}")
        visited.do("wait_for_text", "#outlet", "no such channel")
