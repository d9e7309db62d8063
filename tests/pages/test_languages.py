"""The pages for payers in each language, in a browser that prefers it: what the server
wrote and what the script writes; nothing for axe to find, no line too long for the
smallest phone, and no English left. The shop has a colour that is hard to read.
"""

import re
from collections.abc import Iterator

import pytest

from engine.merchants.record import Merchant
from tests.browser.shop import Shop, shop
from tests.pages.conftest import Visited
from transport.pages.language import Words, all_words

SMALLEST = 320  # CSS pixels: WCAG 2.2, 1.4.10
LANGUAGES = sorted(all_words())


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("shop")) as running:
        cafe = Merchant(
            name="cafe",
            version=1,
            display_name="Café",
            brand_color="#ffcc00",
            explorer_url="https://explorer.example/tx/{txid}",
            support_url="mailto:help@cafe.example",
            reorder=True,
        )
        running.gateway.save_merchant(cafe)
        yield running


@pytest.mark.parametrize("tag", LANGUAGES)
def test_a_payers_way_in_each_language(node: Shop, visited: Visited, tag: str) -> None:
    words = all_words()[tag]
    visited.begin(locale=f"{tag}-XX", viewport={"width": SMALLEST, "height": 640})
    payment = node.create(merchant="cafe")
    visited.do("goto", node.url(payment))
    visited.do("wait_for_text", "h1", words.say("waiting"))
    time = words.script["left"].partition("{time}")
    visited.do("wait_for_text", "#countdown", time[0].strip() or time[2].strip())
    is_in_order(visited, words)
    # Nobody else: the machine's point, and the wallet's link.
    assert visited.do("evaluate", "document.querySelector('#amount').innerText") == (
        "0.0005 BTC"
    )
    node.chain.pay(payment.terms.address, 50_000)
    node.chain.mine(2)
    visited.do("wait_for_text", "h1", words.say("paid"))
    is_in_order(visited, words)
    visited.do("click", "#receipt")
    visited.do("wait_for_text", "h1", words.say("receipt"))
    is_in_order(visited, words)
    visited.expected = ("404",)
    visited.do("goto", node.url("pay_of_nobody"))
    visited.do("wait_for_text", "h1", words.say("unknown"))
    is_in_order(visited, words)


def test_the_language_of_the_address_stays(node: Shop, visited: Visited) -> None:
    """A shop's page chose it; the browser would have another."""
    tag, words = "fr", all_words()["fr"]
    visited.begin(locale="ja-JP", viewport={"width": SMALLEST, "height": 640})
    now = node.gateway.now()
    payment = node.create(merchant="cafe", expires_at=now + 1_000)
    visited.do("goto", node.url(payment, f"?lang={tag}"))
    visited.do("wait_for_text", "h1", words.say("expired"))
    visited.do("wait_for_text", "#reorder", words.say("get_new"))
    is_in_order(visited, words)
    links = "[...document.querySelectorAll('form')].map(one => one.action)"
    assert visited.do("evaluate", links) == [node.url(payment, f"/reorder?lang={tag}")]


def is_in_order(visited: Visited, words: Words) -> None:
    assert visited.do("evaluate", "document.documentElement.lang") == words.tag
    assert visited.do("axe") == []
    wide = "document.documentElement.scrollWidth"
    assert visited.do("evaluate", wide) <= SMALLEST
    assert english_left(visited.do("text", "body"), words) == []


def english_left(text: str, words: Words) -> list[str]:
    """Texts of the English catalogue of two words or more that are on the page, and are
    not this language's, too."""
    english = all_words()["en"]
    left = []
    for key in english.keys if words.tag != "en" else ():
        for part in re.split(r"\{\w+\}", english.raw(key)):
            said = part.strip(" .…:,")
            if " " in said and said in text and said not in words.raw(key):
                left.append(said)
    return left
