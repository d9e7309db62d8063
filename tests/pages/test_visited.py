"""The judges of the pages' tests see what they are for."""

from collections.abc import Iterator

import pytest

from tests.browser.shop import Shop, shop
from tests.pages.conftest import Visited


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("shop")) as running:
        yield running


def test_a_checkout_as_it_is_opened_gives_no_cause_for_complaint(
    node: Shop, visited: Visited
) -> None:
    visited.do("goto", node.url(node.create()))
    visited.do("wait_for_text", "h1", "Pay")
    assert visited.do("axe") == []
    assert visited.do("shifts") == 0


def test_the_judges_see_what_is_wrong(node: Shop, visited: Visited) -> None:
    visited.do("goto", node.url(node.create()))
    visited.do(
        "evaluate",
        """async () => {
          document.body.prepend(new Image(9, 9)); // without a text
          const tall = document.createElement("div");
          tall.style.height = "300px";
          const seen = () => new Promise(requestAnimationFrame);
          await seen(); await seen();
          document.body.prepend(tall); // all moves down
          console.error("said so");
        }""",
    )
    visited.do("wait_until", "window.shifts > 0.05")
    assert "image-alt" in [found.partition(":")[0] for found in visited.do("axe")]
    assert visited.do("complaints") == ["said so"]
    assert visited.do("strangers", "http://elsewhere.example")
    visited.expected = ("said so",)


def test_another_profile_knows_nothing_of_the_last(
    node: Shop, visited: Visited
) -> None:
    visited.do("goto", node.url(node.create()))
    visited.do("evaluate", "document.cookie = 'a=b'")
    visited.begin(viewport={"width": 1280, "height": 800})
    visited.do("goto", node.url(node.create()))
    assert visited.do("cookies") == []
    assert visited.do("evaluate", "innerWidth") == 1280


def test_the_sheet_in_the_checkout_says_what_its_file_says(
    node: Shop, visited: Visited
) -> None:
    """As a browser reads both: what is left out of the one means nothing."""
    visited.do("goto", node.url(node.create()))
    ours, file = visited.do(
        "evaluate",
        """async () => {
          const file = new CSSStyleSheet();
          file.replaceSync(await (await fetch("../web/pay.css")).text());
          const said = ({ cssText }) => cssText.replaceAll(", ", ",");
          return [document.querySelector("style").sheet, file].map(
            sheet => [...sheet.cssRules].map(said));
        }""",
    )
    assert ours == file
    assert len(ours) > 60


def test_without_a_script_the_checkout_shows_nothing_that_waits_for_one(
    node: Shop, visited: Visited
) -> None:
    visited.begin(java_script_enabled=False)
    visited.do("goto", node.url(node.create()))
    shown = """
      [...document.querySelectorAll(".needs-script")]
        .filter(one => one.checkVisibility()).map(one => one.textContent)
    """
    assert visited.do("evaluate", shown) == []
    assert "reloads every 20 seconds" in visited.do("text", "footer")
