"""The documentation in a browser: on a phone and a desktop, searched by keyboard."""

from collections.abc import Iterator

import pytest

from tests.browser.shop import Shop, shop
from tests.pages.conftest import Visited

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
DARK = {**DESKTOP, "color_scheme": "dark"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("shop")) as running:
        yield running


def docs(node: Shop, page: str = "") -> str:
    return f"http://127.0.0.1:{node.server.port}/docs{page}"


def is_as_wide_as_the_window(visited: Visited) -> bool:
    return bool(
        visited.do("evaluate", "document.documentElement.scrollWidth <= innerWidth")
    )


@pytest.mark.parametrize(
    ("page", "options"),
    [
        ("", DESKTOP),
        ("/operating", {}),
        ("/nothing", DARK),
        ("/api", {"color_scheme": "dark"}),
    ],
)
def test_a_page_can_be_read_by_everybody(
    node: Shop, visited: Visited, page: str, options: dict[str, object]
) -> None:
    visited.begin(**options)
    if page == "/nothing":
        visited.expected = ("404",)
    visited.do("goto", docs(node, page))
    if page == "/api":
        visited.do("wait_for", "#operations details")
    assert visited.do("axe") == []
    assert is_as_wide_as_the_window(visited)
    assert page == "/api" or visited.do("shifts") <= 0.05


def test_the_search_finds_by_keyboard(node: Shop, visited: Visited) -> None:
    visited.begin(**DESKTOP)
    visited.do("goto", docs(node))
    visited.do("press", "/")
    assert visited.do("evaluate", "document.activeElement.id") == "search"
    for letter in "cursor_gone":
        visited.do("press", letter)
    visited.do("wait_for_text", "#results", "cursor_gone")
    visited.do("wait_for_text", "#found", "found")
    assert visited.do("axe") == []
    visited.do("press", "ArrowDown")
    visited.do("press", "ArrowUp")
    assert visited.do("evaluate", "document.activeElement.id") == "search"
    visited.do("press", "Enter")
    visited.do("wait_for", "h3#cursor_gone:target")
    assert visited.do("evaluate", "location.pathname") == "/docs/errors"


def test_what_is_searched_is_text_whatever_it_is(node: Shop, visited: Visited) -> None:
    visited.do("goto", docs(node, "/channels"))
    visited.do("fill", "#search", "<img src=x onerror=alert(1)> zzzz")
    visited.do("wait_for_text", "#found", "Nothing is found for “<img")
    assert visited.do("evaluate", "document.querySelectorAll('#found img').length") == 0
    visited.do("press", "Escape")
    assert visited.do("evaluate", "document.getElementById('search').value") == ""
    visited.do("fill", "#search", "index")
    visited.do("wait_until", "document.querySelector('#results a')")


def test_code_is_copied_by_a_button(node: Shop, visited: Visited) -> None:
    visited.begin(permissions=["clipboard-read", "clipboard-write"])
    visited.do("goto", docs(node, "/first-payment"))
    visited.do("click", ".code button")
    visited.do("wait_for_text", ".code button", "Copied")
    copied = visited.do("evaluate", "navigator.clipboard.readText()")
    shown = visited.do("evaluate", "document.querySelector('.code code').textContent")
    assert copied == shown


def test_without_a_script_all_can_be_read(node: Shop, visited: Visited) -> None:
    visited.begin(java_script_enabled=False)
    visited.do("goto", docs(node, "/errors"))
    visited.do("wait_for_text", "h1", "Errors")
    visited.do("wait_for", ".search", "hidden")
    visited.do("click", "text=Contents")
    visited.do("wait_for", "#contents a[aria-current]")


def test_a_printed_page_is_its_text(node: Shop, visited: Visited) -> None:
    visited.do("goto", docs(node, "/channels"))
    visited.do("emulate", {"media": "print"})
    for selector in ("header", "#contents", ".beside"):
        visited.do("wait_for", selector, "hidden")
    visited.do("wait_for", "article h1")
