"""The steps of a checkout that are not the usual road, while the payer looks at it:
nothing jumps, the new headline is in sight and is announced, axe-core finds nothing.

The usual road, from creation to paid, is `test_checkout_stages.py`'s.
"""

from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from engine.payment.model import Payment, Status
from engine.payment.observations import Cancel, ConfirmByHand, ProviderClaim
from tests.browser.shop import Shop, shop
from tests.pages import shots_checkout as states
from tests.pages.conftest import Visited
from tests.pages.shots_checkout import PHONE
from tests.pages.test_checkout_stages import IN_VIEW, LARGEST_SHIFT
from tests.tools.deadlines import end_soon
from tests.tools.wait import wait_until

SHORT = {**PHONE, "viewport": {"width": 390, "height": 560}}
"""A phone whose page has to be scrolled."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("shop")) as running:
        yield running


def send(sat: int) -> Callable[[Shop, Payment], object]:
    return lambda node, made: node.chain.pay(made.terms.address, sat)


def mine(node: Shop, made: Payment) -> None:
    node.chain.mine(2)


def send_and_mine(sat: int) -> Callable[[Shop, Payment], object]:
    def act(node: Shop, made: Payment) -> None:
        node.chain.pay(made.terms.address, sat)
        node.chain.mine(2)

    return act


def announce(node: Shop, made: Payment) -> None:
    node.gateway.command(made, ProviderClaim("blockonomics", None, 50_000))


def end_now(node: Shop, made: Payment) -> None:
    end_soon(node.gateway, made.id)


def cancel(node: Shop, made: Payment) -> None:
    node.gateway.command(made, Cancel(by="shop"))


def confirm(node: Shop, made: Payment) -> None:
    node.gateway.command(made, ConfirmByHand(by="shop"))


def double_spend(node: Shop, made: Payment) -> None:
    (receipt,) = node.payment(made).receipts
    node.chain.replace(receipt.txid)


def take_its_blocks(node: Shop, made: Payment) -> None:
    node.chain.reorg(2, remine=False)


def take_it_back(node: Shop, made: Payment) -> None:
    (receipt,) = node.payment(made).receipts
    node.chain.reorg(2, drop=[receipt.txid])


Road = tuple[
    Callable[[Shop], Payment], list[tuple[Callable[[Shop, Payment], object], str]]
]

ROADS: dict[str, Road] = {
    "too little, and the rest": (
        states.waiting,
        [(send(20_000), "Partly paid"), (send(30_000), "Payment seen")],
    ),
    "less than can be sent is missing": (
        states.waiting,
        [(send(49_999), "Partly paid")],
    ),
    "too much": (states.waiting, [(send_and_mine(70_000), "Paid")]),
    "announced, and seen": (
        states.waiting,
        [(announce, "Payment announced"), (send(50_000), "Payment seen")],
    ),
    "expired, and late in full": (
        states.waiting,
        [
            (end_now, "Expired"),
            (send_and_mine(50_000), "Received after the deadline"),
        ],
    ),
    "cancelled": (states.waiting, [(cancel, "Cancelled")]),
    "by hand": (states.waiting, [(confirm, "Paid")]),
    "replaced": (states.seen, [(double_spend, "The transaction was replaced")]),
    "withdrawn, and paid again": (
        states.paid,
        [(take_its_blocks, "Confirmation withdrawn"), (mine, "Paid")],
    ),
    "reversed": (states.paid, [(take_it_back, "Payment reversed")]),
}


@pytest.mark.parametrize("name", ROADS)
def test_nothing_jumps_and_the_headline_is_seen_and_heard(
    node: Shop, visited: Visited, name: str
) -> None:
    begin, steps = ROADS[name]
    visited.begin(**SHORT)
    made = begin(node)
    visited.do("goto", node.url(made))
    visited.do("wait_for", "#freshness:not([data-link=opening])", "attached")
    for act, headline in steps:
        visited.do("evaluate", "scrollTo(0, document.body.scrollHeight)")
        act(node, made)
        visited.do("wait_for_text", "h1", headline)
        assert visited.do("shifts") <= LARGEST_SHIFT, headline
        assert visited.do("evaluate", IN_VIEW), headline
        visited.do("wait_for_text", "#announcement", headline)
        assert visited.do("axe") == [], headline


def test_late_in_part_is_announced_though_the_headline_stays(
    node: Shop, visited: Visited
) -> None:
    visited.begin(**SHORT)
    made = states.waiting(node)
    visited.do("goto", node.url(made))
    visited.do("wait_for_text", "#freshness", "Live")
    end_now(node, made)
    visited.do("wait_for_text", "h1", "Expired")
    send_and_mine(20_000)(node, made)
    visited.do("wait_for_text", "#announcement", "0.0002 BTC arrived, not all of it")
    wait_until(lambda: node.payment(made).receipts, 10, "money")
    assert node.payment(made).status is Status.EXPIRED
    assert visited.do("text", "h1") == "Expired"
    assert visited.do("shifts") <= LARGEST_SHIFT
    assert visited.do("axe") == []


def test_a_transaction_is_copied_whole_and_looked_up_where_the_shop_says(
    node: Shop, visited: Visited
) -> None:
    made = states.seen(node)
    shown = node.gateway.merchant("coffee")
    explorer = "https://explorer.example/tx/{txid}"
    node.gateway.save_merchant(
        replace(shown, version=shown.version + 1, explorer_url=explorer)
    )
    visited.begin(permissions=["clipboard-read", "clipboard-write"])
    visited.do("goto", node.url(made))
    visited.do("wait_for_text", "#freshness", "Live")
    (receipt,) = node.payment(made).receipts
    visited.do("click", "#transactions-summary")
    link = f"document.getElementById('explorer-{receipt.txid}')"
    assert visited.do("evaluate", f"{link}.href") == explorer.format(txid=receipt.txid)
    assert visited.do("evaluate", f"{link}.rel") == "noopener noreferrer"
    visited.do("click", f'[id="copy-{receipt.txid}"]')
    visited.do("wait_for_text", "#announcement", "Copied")
    copied = visited.do("evaluate", "navigator.clipboard.readText()")
    assert copied == receipt.txid
    node.gateway.save_merchant(
        replace(shown, version=shown.version + 2, explorer_url="")
    )
    visited.do("reload")
    visited.do("click", "#transactions-summary")
    visited.do("wait_for_text", "#transactions", receipt.txid)
    assert visited.do("evaluate", f"{link} === null"), "the shop names none"
