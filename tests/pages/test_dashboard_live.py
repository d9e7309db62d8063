"""The dashboard follows what happens, whatever becomes of connections, and is quick."""

from collections.abc import Iterator

import pytest

from tests.pages.conftest import Visited
from tests.pages.desk import PHONE, Desk, desk
from tests.tools.wait import wait_until

LOST = ("ERR_", "Failed to load resource", "503")

PAGES = (
    "new",
    "refunds",
    "ledger",
    "forwarding",
    "wallets",
    "alerts",
    "settings",
    "keys",
)
FITS = "document.documentElement.scrollWidth <= innerWidth"

#: The list as a node with many payments would answer it, in place of this one's.
MANY = """
(() => {
  const real = window.fetch;
  const row = i => ({ id: `pay_${i}`, status: "pending", flags: [], seq: 1,
    method: "onchain", amount_sat: 1000 + i, received_sat: 0, confirmations: 0,
    confirmations_required: 1, external_id: `many-${i}`, merchant: "default",
    created_at: new Date(1.79e12 - 1000 * i).toISOString(), checkout_url: "/" });
  const rows = Array.from({ length: 50000 }, (_, i) => row(i));
  window.fetch = (url, options) =>
    new URL(url, location.href).pathname.endsWith("/v1/payments")
      ? Promise.resolve(new Response(JSON.stringify({ data: rows, next_cursor: null })))
      : real(url, options);
})()
"""

#: The second answer about a payment is held back until `letGo` is called.
SLOW = """
(() => {
  const real = window.fetch;
  let asked = 0;
  window.fetch = async (url, options) => {
    const answer = await real(url, options);
    const { pathname } = new URL(url, location.href);
    if (!pathname.endsWith("/v1/payments/%s") || (asked += 1) !== 2) return answer;
    const text = await answer.text();
    const wait = new Promise(go => { window.letGo = go; });
    return Object.defineProperty(answer, "text", { value: async () => {
      await wait;
      window.wasRead = true;
      return text;
    } });
  };
})()
"""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def rows(visited: Visited) -> int:
    return int(
        visited.do("evaluate", "document.querySelectorAll('.vbody .vrow').length")
    )


def first_row(visited: Visited) -> str:
    return str(
        visited.do(
            "evaluate", "document.querySelector('[aria-rowindex=\"2\"]').innerText"
        )
    )


def test_a_new_payment_appears_at_the_top_and_moves_as_its_money_does(
    at: Desk, visited: Visited
) -> None:
    at.enter(visited)
    visited.do("wait_for_text", "#link", "Live")
    visited.do("wait_for_text", ".empty", "No payments yet")
    mine = at.node.create(50_000, external_id="first-of-all")
    visited.do("wait_for_text", ".vrow", "first-of-all")
    at.node.create(60_000, external_id="second")
    visited.do("wait_for_text", ".vrow", "second")
    assert "second" in first_row(visited)
    at.node.chain.pay(mine.terms.address, 49_000)
    visited.do("wait_for_text", ".vrow:has-text('first-of-all')", "Too little")
    at.node.chain.pay(mine.terms.address, 1_000)
    at.node.chain.mine(2)
    visited.do("wait_for_text", ".vrow:has-text('first-of-all')", "Paid")
    assert visited.do("axe") == []
    assert visited.do("shifts") <= 0.05


def test_the_story_of_a_payment_grows_while_it_is_looked_at(
    at: Desk, visited: Visited
) -> None:
    mine = at.node.create(70_000)
    at.enter(visited, page=f"payments/{mine.id}")
    visited.do("wait_for_text", ".story li", "70,000 sat asked")
    at.node.chain.pay(mine.terms.address, 70_000)
    visited.do("wait_for_text", ".story li", "Seen on the chain")
    visited.do("wait_for_text", ".part-receipts", "mempool")
    at.node.chain.mine(2)
    visited.do("wait_for_text", ".status-line", "Paid")
    # The answer that says so may be there before the stream's last event is.
    last = at.node.payment(mine).seq
    visited.do("wait_for_text", ".story summary", f"Event {last}:")
    shown = visited.do(
        "evaluate",
        "[...document.querySelectorAll('.story summary')].map(s => s.innerText)",
    )
    assert [text.split(":")[0] for text in shown] == [
        f"Event {n}" for n in range(1, last + 1)
    ]
    assert visited.do("axe") == []
    assert visited.do("shifts") <= 0.05


def test_an_answer_that_a_later_one_overtook_is_not_shown(
    at: Desk, visited: Visited
) -> None:
    mine = at.node.create(71_000)
    at.enter(visited, page="alerts")
    visited.do("evaluate", SLOW % mine.id)
    at.go(visited, f"payments/{mine.id}")
    visited.do("wait_for_text", ".story li", "71,000 sat asked")
    at.node.chain.pay(mine.terms.address, 71_000)
    visited.do("wait_until", "Boolean(window.letGo)")
    at.node.chain.mine(2)
    visited.do("wait_for_text", ".status-line", "Paid")
    visited.do("evaluate", "letGo()")
    visited.do("wait_until", "window.wasRead")
    assert "Paid" in visited.do("text", ".status-line")


def test_the_keyboard_stays_where_it_is_while_the_payment_moves(
    at: Desk, visited: Visited
) -> None:
    mine = at.node.create(72_000)
    at.enter(visited, page=f"payments/{mine.id}")
    visited.do("wait_for_text", ".story li", "72,000 sat asked")
    buttons = "[...document.querySelectorAll('.actions button')]"
    change = f"{buttons}.find(one => one.textContent === 'Change')"
    visited.do("evaluate", f"{change}.focus()")
    at.node.chain.pay(mine.terms.address, 72_000)
    visited.do("wait_for_text", ".part-receipts", "mempool")
    visited.do("wait_until", f"document.activeElement === {change}")
    visited.do("press", "Enter")
    visited.do("wait_for", "dialog[open]")
    at.node.chain.mine(2)
    visited.do("wait_for_text", ".status-line", "Paid")
    visited.do("press", "Escape")
    visited.do("wait_for", "dialog", "detached")
    assert visited.do("evaluate", "document.activeElement.id") == "outlet"


def test_who_was_offline_is_told_so_and_misses_nothing(
    at: Desk, visited: Visited
) -> None:
    visited.expected = LOST
    at.enter(visited)
    visited.do("wait_for_text", "#link", "Live")
    visited.do("offline", True)
    visited.do("wait_for_text", "#link", "Offline")
    at.node.create(1_000, external_id="while-offline")
    visited.do("offline", False)
    visited.do("wait_for_text", ".vrow", "while-offline")
    visited.do("wait_for_text", "#link", "Live")


def test_a_node_that_is_restarted_is_found_again_and_nothing_is_missed(
    at: Desk, visited: Visited
) -> None:
    visited.expected = LOST
    at.enter(visited)
    visited.do("wait_for_text", "#link", "Live")
    at.node.close_server()
    visited.do("wait_for_text", "#link", "Connecting")
    mine = at.node.create(1_000, external_id="while-away")
    visited.do("evaluate", f"void (location.hash = '#/payments/{mine.id}')")
    visited.do("wait_for_text", "#outlet", "gives no answer")
    at.node.open_server()
    visited.do("wait_for_text", "#link", "Live")
    visited.do("click", ".empty button")
    visited.do("wait_for_text", "h1", "while-away")
    at.go(visited, "payments")
    visited.do("wait_for_text", ".vrow", "while-away")


def test_fifty_thousand_rows_are_a_few_elements_and_the_keyboard_reaches_them(
    at: Desk, visited: Visited
) -> None:
    at.enter(visited, page="alerts")
    visited.do("before_load", MANY)
    visited.do("goto", f"{at.base}#/payments")
    visited.do("reload")
    visited.do("wait_for_text", ".vrow", "many-0")
    visited.do("wait_for_text", ".below", "50,000 payments")
    assert rows(visited) < 50
    for key in ("j", "j", "k", "ArrowDown"):
        visited.do("press", key)
    assert visited.do("evaluate", "document.activeElement.innerText") == "many-1"
    assert visited.do("axe") == []
    visited.do("evaluate", "document.querySelector('.vlist').scrollTop = 1e9")
    visited.do("wait_for_text", ".vrow", "many-49999")
    assert rows(visited) < 50
    elements = visited.do("evaluate", "document.querySelectorAll('*').length")
    assert elements < 1_000
    # What comes meanwhile moves nothing of what is read, and is offered.
    at.node.create(1_000, external_id="came-meanwhile")
    visited.do("wait_for_text", ".below button", "New payments")
    visited.do("wait_for_text", ".vrow", "many-49999")
    visited.do("click", ".below button")
    visited.do("wait_for_text", ".vrow", "came-meanwhile")
    visited.do("press", "/")
    assert visited.do("evaluate", "document.activeElement.type") == "search"


def test_on_a_phone_a_row_is_a_card_and_the_menu_opens(
    at: Desk, visited: Visited
) -> None:
    at.node.create(5_000, external_id="on-a-phone")
    at.enter(visited, viewport=PHONE, color_scheme="dark")
    visited.do("wait_for_text", ".vrow", "on-a-phone")
    assert visited.do("evaluate", FITS)
    assert visited.do("axe") == []
    visited.do("click", "#menu-button")
    visited.do("click", "#menu >> text=Ledger")
    visited.do("wait_for_text", "h1", "Ledger")
    assert visited.do("evaluate", FITS)
    visited.do("wait_for", "#menu", "hidden")


@pytest.mark.timeout_s(250)  # axe looks at sixteen pages
def test_every_page_is_clean_in_light_and_dark_and_fits_a_phone(
    at: Desk, visited: Visited
) -> None:
    at.enter(visited)
    for page in PAGES:
        at.go(visited, page)
        visited.do("wait_for", f".page-{page} *", "attached")
        visited.do("emulate", {"color_scheme": "light"})
        assert visited.do("axe") == [], page
        visited.do("emulate", {"color_scheme": "dark"})
        assert visited.do("axe", "color-contrast") == [], page
        visited.do("size", 390, 844)
        assert visited.do("evaluate", FITS), page
        visited.do("size", 1280, 800)
    assert visited.do("shifts") <= 0.05


def test_hundreds_of_events_at_once_are_taken_in_their_order(
    at: Desk, visited: Visited
) -> None:
    at.enter(visited)
    visited.do("wait_for_text", "#link", "Live")
    made = [at.node.create(1_000, external_id=f"burst-{i}") for i in range(150)]
    for payment in made[::2]:
        at.node.chain.pay(payment.terms.address, 1_000)
    visited.do("wait_for_text", ".vrow", "burst-149")
    wait_until(lambda: at.node.payment(made[148]).receipts, 20, "the money to be seen")
    visited.do("wait_for_text", ".vrow:has-text('burst-148')", "Confirming")
    assert "burst-149" in first_row(visited)
    assert rows(visited) < 50
