"""The page behind a claim link in a real browser: a payer says where the money goes,
is shown it once more, and is told what became of it. It has no script.
"""

from collections.abc import Iterator

import pytest
import requests

from tests.pages.conftest import Visited
from tests.pages.desk import Desk, desk
from tests.pages.shots_checkout import PHONE, WIDE
from tests.tools.wait import wait_until
from transport.pages.language import all_words

FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def claim_url(at: Desk) -> str:
    """Of a payment that is paid and goes back whole."""
    mine = at.node.create(50_000, merchant="ann")
    at.node.chain.pay(mine.terms.address, 50_000)
    at.node.chain.mine(2)
    wait_until(lambda: at.node.payment(mine).confirmed_at, 10, "it to be paid")
    answer = requests.post(
        f"{at.base}v1/payments/{mine.id}/refund",
        json={},
        headers={"Authorization": f"Bearer {at.key('operator', 'ann')[0]}"},
        timeout=60,
    )
    assert answer.status_code == 201, answer.text
    return at.base.rstrip("/") + str(answer.json()["claim_url"])


def is_sound(visited: Visited) -> None:
    assert visited.do("axe") == []
    visited.do("emulate", {"color_scheme": "dark"})
    assert visited.do("axe", "color-contrast") == []
    visited.do("emulate", {"color_scheme": "light"})
    assert visited.do("shifts") <= 0.05
    assert visited.do("evaluate", FITS)


@pytest.mark.parametrize("options", [PHONE, WIDE], ids=["phone", "desktop"])
def test_a_payer_says_where_the_money_goes_and_is_shown_it_once_more(
    at: Desk, visited: Visited, options: dict[str, object]
) -> None:
    address = at.node.chain.new_address()
    url = claim_url(at)
    visited.begin(**options)
    visited.do("goto", url)
    visited.do("wait_for", "#address")
    is_sound(visited)
    visited.expected = ("422",)
    visited.do("fill", "#address", "bc1-of-nobody")
    visited.do("press", "Enter")
    visited.do("wait_for", ".wrong[role=alert]")
    is_sound(visited)
    visited.do("fill", "#address", address)
    visited.do("press", "Enter")
    visited.do("wait_for", "[name=step]")
    shown = visited.do("text", ".claim-address")
    assert shown.replace(" ", "").replace("\n", "") == address
    is_sound(visited)
    visited.do("click", "[name=step]")
    visited.do("wait_for", "[name=step]", "detached")
    done = all_words()["en"].say("refund_pending")
    visited.do("wait_for_text", "h1", done)
    is_sound(visited)
    # Who comes back to the link is told the same, and asked no more.
    visited.do("goto", url)
    visited.do("wait_for_text", "h1", done)
    assert not visited.do("evaluate", "!!document.querySelector('form')")


@pytest.mark.parametrize("tag", sorted(all_words()))
def test_it_is_asked_in_the_language_of_the_browser(
    at: Desk, visited: Visited, tag: str
) -> None:
    words = all_words()[tag]
    visited.begin(locale=f"{tag}-XX", viewport={"width": 320, "height": 640})
    visited.do("goto", claim_url(at))
    visited.do("wait_for_text", "h1", words.say("refund_open"))
    assert visited.do("evaluate", "document.documentElement.lang") == tag
    is_sound(visited)


def test_a_link_that_is_not_whole_says_so(at: Desk, visited: Visited) -> None:
    visited.expected = ("404",)
    visited.do("goto", claim_url(at).partition("?")[0])
    visited.do("wait_for_text", "h1", all_words()["en"].say("refund_unknown"))
    is_sound(visited)
