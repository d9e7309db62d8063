"""The front door `/` as a person without a session sees it, and where live begins."""

from collections.abc import Iterator

import pytest
import requests

from tests.browser.shop import Shop, shop
from tests.pages.conftest import Visited


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("shop"), api_key="pbk_of_the_node") as running:
        yield running


def base(node: Shop) -> str:
    return f"http://127.0.0.1:{node.server.port}/"


def test_the_front_page_says_what_this_is_and_is_clean_in_light_and_dark(
    node: Shop, visited: Visited
) -> None:
    visited.do("goto", base(node))
    visited.do("wait_for_text", "h2", "You run a shop")
    visited.do("wait_for", "#login")
    assert visited.do("axe") == []
    visited.do("emulate", {"color_scheme": "dark"})
    assert visited.do("axe") == []
    assert visited.do("shifts") <= 0.05


def test_without_javascript_it_says_so_and_still_leads_on(
    node: Shop, visited: Visited
) -> None:
    visited.begin(java_script_enabled=False)
    visited.do("goto", base(node))
    visited.do("wait_for_text", ".note", "needs JavaScript")
    visited.do("wait_for", "a[href=docs]")


def test_who_follows_from_newest_gets_what_comes_and_nothing_before(
    node: Shop,
) -> None:
    node.create()
    key = {"Authorization": "Bearer pbk_of_the_node"}
    url = f"{base(node)}v1/events"
    first = requests.get(url, {"after": "newest"}, headers=key, timeout=60).json()
    assert first["data"] == []
    made = node.create()
    then = requests.get(url, {"after": first["next"]}, headers=key, timeout=60).json()
    assert then["data"][0]["payment_id"] == made.id
