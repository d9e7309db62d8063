"""The documentation in a browser: on a phone and a desktop, searched by keyboard."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.browser.shop import Shop, shop
from tests.browser.site import Site
from tests.docs.snippets import blocks
from tests.pages.conftest import Visited
from tests.tools.livenode import live_node

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
DARK = {**DESKTOP, "color_scheme": "dark"}

#: What a script asks for comes when the page has been seen without it.
SEEN_BEFORE = """
  const real = window.fetch;
  const frame = () => new Promise(requestAnimationFrame);
  const painted = () => performance.getEntriesByType("paint").length > 0;
  window.fetch = async (...asked) => {
    while (!painted()) await frame();
    for (let n = 0; n < 3; n += 1) await frame();
    window.wasSeen = true;
    return real(...asked);
  };
"""

#: That something is copied is said for three seconds, in which a busy machine may not
#: look.
SAY_FOR_EVER = """
  const later = window.setTimeout;
  window.setTimeout = (act, ms) => (ms === 3000 ? 0 : later(act, ms));
"""


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
        ("/api", DESKTOP),
        ("/api#get-v1-payments", {}),
    ],
)
def test_a_page_can_be_read_by_everybody(
    node: Shop, visited: Visited, page: str, options: dict[str, object]
) -> None:
    visited.begin(**options)
    if page == "/nothing":
        visited.expected = ("404",)
    visited.do("before_load", SEEN_BEFORE)
    visited.do("goto", docs(node, page))
    if page.startswith("/api"):
        visited.do("wait_for", "#operations details")
        assert visited.do("evaluate", "window.wasSeen")
    assert visited.do("axe") == []
    assert is_as_wide_as_the_window(visited)
    assert visited.do("shifts") <= 0.05


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
    visited.do("before_load", SAY_FOR_EVER)
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


def test_the_page_of_readme_shows_that_it_is_paid(
    visited: Visited, tmp_path: Path
) -> None:
    (block,) = [each for each in blocks("html") if each.page == "README.md"]
    site = Site()
    with closing(site), live_node(tmp_path, origins=(site.origin,)) as node:
        payment = node.create()
        url = f"http://127.0.0.1:{node.server.port}"
        text = block.text.replace("https://pay.example/web/", "/")  # the same file
        text = text.replace("https://pay.example", url)
        icon = "<link rel=icon href=data:,>"
        site.html = icon + text.replace("bc1q…", payment.address)
        visited.friends = (url, url.replace("http", "ws", 1))
        visited.do("before_load", "window.showSuccess = () => { window.isPaid = true }")
        visited.do("goto", site.origin)
        node.chain.pay(payment.address, 1_000)
        node.chain.mine(2)
        visited.do("wait_until", "window.isPaid")
        visited.do("goto", "about:blank")  # before the node ends
