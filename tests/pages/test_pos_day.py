"""A cashier's day at the till, from the first key press to the last receipt: Chromium,
a Paybell process that is stopped and started again, two accounts at Blink's double."""

import signal
from collections.abc import Iterator

import bolt11
import pytest

from tests.pages.cafe import READY, Cafe, cafe, enter
from tests.pages.conftest import Visited
from tests.pages.test_pos_counter import look

TABLET = {"viewport": {"width": 1180, "height": 820}}
PHONE = {"viewport": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cafe]:
    with cafe(tmp_path_factory.mktemp("cafe")) as running:
        yield running


def test_a_cashiers_day(shop: Cafe, visited: Visited) -> None:
    visited.expected = ("ERR_CONNECTION_REFUSED", "503", "ERR_INCOMPLETE", "WebSocket")
    shop.sign_in(visited, **TABLET)
    # Two coffees and a tip, by Lightning: it is forwarded, and the animation comes.
    before = shop.user.btc.balance
    enter(visited, "1250")
    visited.do("click", '[data-tip="10"]')
    visited.do("fill", "#memo", "Two coffees")
    visited.do("click", "#create")
    coffees = shop.sale(visited)
    assert (coffees["method"], coffees["amount_sat"]) == ("lightning", 27_500)
    assert coffees["metadata"]["tip"] == "1.25"
    assert visited.do("text", "#invoice-tip") == "€12.50 + €1.25 tip"
    invoice = bolt11.decode(coffees["lightning"]["bolt11"])
    assert invoice.description == "Two coffees · with €1.25 tip"
    shop.pay(coffees)
    visited.do("wait_for_text", "#done-title", "Paid and forwarded")
    assert shop.user.btc.balance == before + 27_500
    visited.do("click", "#next")
    # A mistake, cancelled. Then a cake on the chain, for a guest without Lightning.
    enter(visited, "999900")
    visited.do("click", "#create")
    mistake = shop.sale(visited)
    visited.do("click", "#cancel")
    visited.do("wait_for_text", "#wrong", "The sale is cancelled.")
    enter(visited, "450")
    visited.do("click", "#create")
    first = shop.sale(visited)
    visited.do("click", "#instead")
    visited.do("wait_for_text", "#instead", "Pay by Lightning instead")
    cake = shop.sale(visited)
    assert (cake["method"], cake["amount_sat"]) == ("onchain", 9_000)
    assert shop.node.payment(first["id"])["status"] == "cancelled"
    shop.send(cake)
    visited.do("wait_for_text", "#invoice-title", "Payment seen")
    shop.mine()
    visited.do("wait_for_text", "#done-title", "Paid")
    visited.do("click", "#next")
    # The tablet sleeps with an open sale, and the server is started again meanwhile.
    enter(visited, "300")
    visited.do("click", "#create")
    open_sale = shop.sale(visited)
    visited.do("cdp", "Page.setWebLifecycleState", {"state": "frozen"})
    shop.stop()
    shop.start()
    shop.pay(open_sale)
    shop.node.wait_for_status(open_sale["id"], "forwarded")
    visited.do("cdp", "Page.setWebLifecycleState", {"state": "active"})
    visited.do("wait_for_text", "#done-title", "Paid and forwarded")
    visited.do("click", "#next")
    visited.do("wait_for_text", "#status", READY)
    # A node that hangs keeps its lines open, and is not called ready.
    shop.node.signal(signal.SIGSTOP)
    visited.do("evaluate", "dispatchEvent(new Event('online'))")
    visited.do("wait_for_text", "#status", "⚠ No connection to the server")
    shop.node.signal(signal.SIGCONT)
    visited.do("wait_for_text", "#status", READY)
    # What the day came to: three sales, their tips, and what was not paid.
    visited.do("wait_for_text", "#today-count", "3 paid sales")
    assert visited.do("text", "#today-total") == "€21.25"
    assert visited.do("text", "#today-tips") == "of it tips €1.25"
    for payment, state in (
        *((coffees, "Paid"), (cake, "Paid"), (open_sale, "Paid")),
        *((mistake, "Cancelled"), (first, "Cancelled")),
    ):
        visited.do("wait_for_text", f'li[data-id="{payment["id"]}"]', state)
    assert visited.do("shifts") <= 0.05
    # The guest of the first sale comes back for a receipt.
    visited.do("click", f'li[data-id="{coffees["id"]}"] button')
    visited.do("wait_for_text", "#sale-facts", "Two coffees")
    visited.do("wait_until", "document.querySelector('#sale-code').naturalWidth > 0")
    assert visited.do("axe") == []
    link = visited.do("evaluate", "document.querySelector('#sale-link').href")
    assert link == f"{shop.node.url}/pay/{coffees['id']}/receipt"
    visited.do("goto", link)
    visited.do("wait_for_text", "h1", "Receipt")
    told = visited.do("text", "main")
    assert "27,500 sat" in told
    assert "Including a tip of" in told


@pytest.mark.parametrize(
    "options",
    [PHONE, {**TABLET, "color_scheme": "dark"}],
    ids=["phone", "tablet in the dark"],
)
def test_each_thing_that_a_till_says_of_lightning_is_clean(
    shop: Cafe, visited: Visited, options: dict[str, object]
) -> None:
    """An account is lost while a sale is made and paid, and comes back: nothing for
    axe, nothing too small for a thumb, and nothing jumps."""
    shop.sign_in(visited, **options)
    look(visited)
    key = shop.lose(shop.user)
    visited.do("wait_for_text", "#status", "⚠ User disconnected")
    look(visited)
    enter(visited, "300")
    visited.do("click", "#create")
    visited.do("wait_for_text", "#warning-list", "User disconnected")
    look(visited)
    visited.do("click", "#warning .button")
    sold = shop.sale(visited)
    look(visited)
    shop.pay(sold)
    visited.do("wait_for_text", "#invoice-title", "Paid. Passing it on")
    look(visited)
    button = "#status [data-down] button"
    visited.do("wait_for", button)
    shop.user.key = key
    # It is gone if the node has tried by itself just now.
    visited.do("evaluate", f"document.querySelector('{button}')?.click()")
    visited.do("wait_for_text", "#done-title", "Paid and forwarded")
    look(visited)
    visited.do("click", "#next")
    visited.do("wait_for_text", "#status", READY)
    assert visited.do("shifts") <= 0.05
