"""The till of a shop without Lightning: what may happen to a sale, in plain words."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.pages.cafe import enter
from tests.pages.conftest import Visited
from tests.pages.counter import RECORD, Counter, counter
from tests.tools.deadlines import end_soon
from tests.tools.wait import wait_until

SIZES: list[dict[str, Any]] = [
    {"viewport": {"width": 390, "height": 844}},
    {"viewport": {"width": 1180, "height": 820}, "color_scheme": "dark"},
]


@pytest.fixture(scope="module")
def bar() -> Iterator[Counter]:
    with counter() as running:
        yield running


@pytest.fixture(autouse=True)
def as_it_was(bar: Counter) -> Iterator[None]:
    yield
    bar.setting()


def look(visited: Visited) -> None:
    """What every state owes: nothing for axe, and nothing too small for a thumb."""
    visited.do("wait_until", "document.getAnimations().length === 0")
    assert visited.do("axe") == []
    small = """[...document.querySelectorAll("button, input")].filter(one => {
      const { width, height } = one.getBoundingClientRect();
      return height && (height < 44 || width < 44);
    }).map(one => one.outerHTML)"""
    assert visited.do("evaluate", small) == []


@pytest.mark.parametrize("width", [320, 768, 960, 1024, 1280])
def test_the_words_on_the_tips_fit_into_their_buttons(
    bar: Counter, visited: Visited, width: int
) -> None:
    record = {**RECORD, "till": {"currency": "EUR", "tips": [5, 10, 15]}}
    assert bar.node.call("PUT", "/v1/merchants/bar", json=record).ok
    bar.sign_in(visited, viewport={"width": width, "height": 768})
    visited.do("wait_for", '[data-tip="own"]')
    wider = """[...document.querySelectorAll(".choices button")].filter(one => {
      const words = document.createRange();
      words.selectNodeContents(one);
      const [inner, outer] = [words, one].map(each => each.getBoundingClientRect());
      return inner.left < outer.left + 4 || inner.right > outer.right - 4;
    }).map(one => one.textContent)"""
    assert visited.do("evaluate", wider) == []


@pytest.mark.parametrize("options", SIZES, ids=["phone", "tablet in the dark"])
def test_a_sale_with_a_tip_of_the_guests_own(
    bar: Counter, visited: Visited, options: dict[str, Any]
) -> None:
    bar.sign_in(visited, **options)
    look(visited)
    enter(visited, "450")
    visited.do("click", '[data-tip="own"]')
    visited.do("wait_for_text", "#entering", "Enter the tip")
    enter(visited, "5")
    enter(visited, "0")
    visited.do("click", '[data-tip="own"]')
    visited.do("fill", "#memo", "Coffee & cake")
    assert visited.do("text", "#with-tip") == "€4.50 + €0.50 tip"
    assert visited.do("text", "#about") == "≈ 10,000 sat"
    assert visited.do("text", "#create") == "Charge €5.00"
    look(visited)
    visited.do("click", "#create")
    visited.do("wait_for_text", "#invoice-title", "Waiting for payment")
    assert visited.do("text", "#invoice-tip") == "€4.50 + €0.50 tip"
    made = bar.payments()[0]
    assert (made["price"]["amount"], made["price"]["currency"]) == ("5.00", "EUR")
    assert (made["method"], made["amount_sat"]) == ("onchain", 10_000)
    told = {"tip": "0.50", "tip_currency": "EUR", "memo": "Coffee & cake"}
    assert made["metadata"] == {"till": "till", **told}
    assert made["description"] == "Coffee & cake · with €0.50 tip"
    look(visited)
    txid = bar.chain.pay(made["address"], 10_000)
    visited.do("wait_for_text", "#invoice-title", "Payment seen")
    assert "without a confirmation" in visited.do("text", "#invoice-note")
    assert not visited.do("evaluate", "document.querySelector('#qr').checkVisibility()")
    look(visited)
    bar.chain.mine()
    visited.do("wait_for_text", "#done-title", "Paid")
    assert visited.do("text", "#done-amount") == "€5.00"
    assert visited.do("evaluate", "document.activeElement.id") == "next"
    assert visited.do("text", "#announcement") == "Paid: €5.00."
    visited.do("wait_until", "document.querySelector('#receipt').naturalWidth > 0")
    look(visited)
    assert visited.do("shifts") <= 0.05
    link = visited.do("evaluate", "document.querySelector('#receipt-link').href")
    visited.do("goto", link)
    assert txid in visited.do("text", "main").replace("\n", "")


def test_too_little_and_then_too_much(bar: Counter, visited: Visited) -> None:
    bar.sign_in(visited)
    made = bar.sell(visited, "450")
    bar.chain.pay(made["address"], 3_000)
    visited.do("wait_for_text", "#invoice-title", "Too little came")
    note = "3,000 sat of 9,000 sat came. 6,000 sat are still to be paid"
    assert note in visited.do("text", "#invoice-note")
    assert visited.do("text", "#cancel") == "Next sale, this one goes on"
    look(visited)
    bar.chain.pay(made["address"], 7_000)
    visited.do("wait_for_text", "#invoice-title", "Payment seen")
    bar.chain.mine()
    visited.do("wait_for_text", "#done-note", "The guest paid 1,000 sat too much.")
    look(visited)
    assert visited.do("shifts") <= 0.05


def test_an_expired_sale_that_is_paid_late_is_told(
    bar: Counter, visited: Visited
) -> None:
    bar.sign_in(visited)
    made = bar.sell(visited, "300")
    end_soon(bar.node.gateway, made["id"])
    visited.do("wait_for_text", "#wrong", "expired unpaid")
    bar.chain.pay(made["address"], made["amount_sat"])
    visited.do("wait_for_text", "#notice", "was paid late: €3.00")
    look(visited)
    bar.chain.mine()
    visited.do("click", "#notice-close")
    visited.do("click", "#show-today")
    visited.do("wait_for_text", f'li[data-id="{made["id"]}"]', "Paid late")
    look(visited)


def test_a_payment_that_its_sender_takes_back(bar: Counter, visited: Visited) -> None:
    bar.sign_in(visited)
    made = bar.sell(visited, "300")
    txid = bar.chain.pay(made["address"], made["amount_sat"])
    visited.do("wait_for_text", "#invoice-title", "Payment seen")
    bar.chain.replace(txid)
    visited.do("wait_for_text", "#invoice-title", "The payment is gone again")
    assert "Do not hand anything out" in visited.do("text", "#invoice-note")
    look(visited)
    visited.do("click", "#cancel")
    visited.do("wait_for_text", "#wrong", "The sale is cancelled.")
    # Money that comes all the same is not forgotten.
    bar.chain.pay(made["address"], made["amount_sat"])
    visited.do("wait_for_text", "#notice", "was paid late")
    visited.do("click", "#show-today")
    visited.do("wait_for_text", f'li[data-id="{made["id"]}"]', "Money to return")


def test_a_paid_sale_that_is_taken_back_is_told(bar: Counter, visited: Visited) -> None:
    bar.sign_in(visited)
    made = bar.sell(visited, "700")
    txid = bar.chain.pay(made["address"], made["amount_sat"])
    bar.chain.mine()
    visited.do("wait_for_text", "#done-title", "Paid")
    visited.do("click", "#next")
    bar.chain.reorg(1, drop=[txid])
    visited.do("wait_for_text", "#notice", "A paid sale was taken back: €7.00")
    visited.do("click", "#show-today")
    visited.do("wait_for_text", f'li[data-id="{made["id"]}"]', "Taken back")


def test_a_sale_is_made_once_however_often_it_is_tapped(
    bar: Counter, visited: Visited
) -> None:
    bar.sign_in(visited)
    before = len(bar.payments())
    enter(visited, "100")
    tap = "document.querySelector('#create').click();"
    visited.do("evaluate", f"() => {{ {tap} {tap} {tap} }}")
    visited.do("wait_for_text", "#invoice-title", "Waiting for payment")
    assert len(bar.payments()) == before + 1


LOSE_THE_ANSWER = """
  const ask = window.fetch;
  window.fetch = async (url, options) => {
    const answer = await ask(url, options);
    const isSale = options?.method === "POST" && url.endsWith("v1/payments");
    if (sessionStorage.isKept || !isSale) return answer;
    sessionStorage.isKept = true;
    throw new TypeError("the network is gone");
  };
"""


def test_a_lost_answer_and_a_second_try_are_one_sale(
    bar: Counter, visited: Visited
) -> None:
    visited.do("before_load", LOSE_THE_ANSWER)
    visited.do("goto", f"{bar.node.url}/pos")
    bar.say_key(visited, bar.key)
    visited.do("wait_for_text", "#status", "Ready")
    before = len(bar.payments())
    enter(visited, "100")
    visited.do("click", "#create")
    visited.do("wait_for_text", "#wrong", "it will be the same sale")
    visited.do("click", "#create")
    visited.do("wait_for_text", "#invoice-title", "Waiting for payment")
    assert len(bar.payments()) == before + 1
    visited.do("click", "#cancel")
    visited.do("wait_for_text", "#wrong", "cancelled")
    # And where the page is loaded anew before there is an answer.
    visited.do("evaluate", "sessionStorage.clear()")
    enter(visited, "200")
    visited.do("click", "#create")
    visited.do("wait_for_text", "#wrong", "it will be the same sale")
    visited.do("reload")
    visited.do("wait_for_text", "#invoice-amount", "€2.00")
    assert len(bar.payments()) == before + 2


SAY_BUSY = """
  const ask = window.fetch;
  window.fetch = async (url, options) => {
    const answer = await ask(url, options);
    const isSale = options?.method === "POST" && url.endsWith("v1/payments");
    if (window.wasBusy || !isSale) return answer;
    window.wasBusy = true;
    const told = { code: "busy", detail: "it is not known whether it was carried out" };
    return new Response(JSON.stringify(told), { status: 503 });
  };
"""


def test_a_sale_of_which_the_node_knows_no_end_and_a_second_try_are_one(
    bar: Counter, visited: Visited
) -> None:
    visited.do("before_load", SAY_BUSY)
    visited.do("goto", f"{bar.node.url}/pos")
    bar.say_key(visited, bar.key)
    visited.do("wait_for_text", "#status", "Ready")
    before = len(bar.payments())
    enter(visited, "100")
    visited.do("click", "#create")
    visited.do("wait_for_text", "#wrong", "it is not known")
    visited.do("click", "#create")
    visited.do("wait_for_text", "#invoice-title", "Waiting for payment")
    assert len(bar.payments()) == before + 1


LOSE_A_LOOK = """
  const ask = window.fetch;
  window.looks = 0;
  window.fetch = (url, options) => {
    if (url.includes("v1/payments?") && (window.looks += 1) === 1) {
      return Promise.reject(new TypeError("the tablet slept"));
    }
    return ask(url, options);
  };
"""


def test_a_list_that_could_not_be_read_is_read_again(
    bar: Counter, visited: Visited
) -> None:
    visited.do("before_load", LOSE_A_LOOK)
    bar.node.create(merchant="bar", amount_sat=700, metadata={"till": "other"})
    visited.do("goto", f"{bar.node.url}/pos")
    bar.say_key(visited, bar.key)
    visited.do("wait_for_text", "#status", "Ready")
    visited.do("click", "#show-today")
    visited.do("wait_for_text", "#today-list li", "700 sat")
    assert visited.do("text", "#today-wrong") == ""


def test_what_is_wrong_with_a_sum_is_said_in_words(
    bar: Counter, visited: Visited
) -> None:
    bar.sign_in(visited)
    visited.do("click", "#create")
    visited.do("wait_for_text", "#wrong", "Please enter an amount.")
    enter(visited, "1")
    visited.do("click", "#create")
    visited.do("wait_for_text", "#wrong", "takes 546 sat (€0.27) and more")
    visited.do("click", '[data-unit="sat"]')
    assert visited.do("text", "#amount") == "0"
    enter(visited, "1000")
    assert visited.do("text", "#about") == "≈ €0.50"
    visited.do("click", "#create")
    visited.do("wait_for_text", "#invoice-amount", "1,000")
    assert "price" not in bar.payments()[0]


def test_it_works_with_keys_alone(bar: Counter, visited: Visited) -> None:
    visited.do("goto", f"{bar.node.url}/pos")
    visited.do("wait_until", "document.activeElement.id === 'key'")
    for key in bar.key:
        visited.do("press", key)
    visited.do("press", "Enter")
    visited.do("wait_for_text", "#status", "Ready")
    for key in ("9", "Escape", "1", "2", "7", "Backspace", "0", "0"):
        visited.do("press", key)
    assert visited.do("text", "#amount") == "€12.00"
    visited.do("press", "Enter")
    visited.do("wait_for_text", "#invoice-title", "Waiting for payment")
    visited.do("press", "Escape")
    assert visited.do("evaluate", "document.activeElement.id") == "cancel"
    visited.do("press", "Enter")
    visited.do("wait_for_text", "#wrong", "The sale is cancelled.")
    # Enter begins the next one, without a way back through the page.
    visited.do("press", "5")
    assert visited.do("text", "#amount") == "€0.05"


def test_a_tablet_that_slept_shows_what_happened_meanwhile(
    bar: Counter, visited: Visited
) -> None:
    bar.setting(confirmations=0)
    bar.sign_in(visited)
    made = bar.sell(visited, "300")
    visited.do("cdp", "Page.setWebLifecycleState", {"state": "frozen"})
    bar.chain.pay(made["address"], made["amount_sat"])
    bar.node.wait_for_status(made["id"], "confirmed")
    visited.do("cdp", "Page.setWebLifecycleState", {"state": "active"})
    visited.do("wait_for_text", "#done-title", "Paid")
    visited.do("click", "#next")
    # And one whose network went: it says so at once, and is right when it is back.
    visited.expected = ("ERR_INTERNET_DISCONNECTED",)
    made = bar.sell(visited, "200")
    visited.do("offline", True)
    visited.do("wait_for_text", "#status", "⚠ No connection to the server")
    look(visited)
    bar.chain.pay(made["address"], made["amount_sat"])
    bar.node.wait_for_status(made["id"], "confirmed")
    visited.do("offline", False)
    visited.do("wait_for_text", "#done-title", "Paid")
    visited.do("wait_for_text", "#status", "Ready")


def test_a_session_that_is_over_is_said_and_there_is_a_way_back(
    bar: Counter, visited: Visited
) -> None:
    bar.sign_in(visited)
    enter(visited, "250")
    visited.expected = ("401",)
    visited.do("cdp", "Network.clearBrowserCookies")
    # By whoever asks the node first: the cashier, or the page by itself.
    visited.do("evaluate", "document.querySelector('#create').click()")
    visited.do("wait_for_text", "#enter-wrong", "You were signed out.")
    look(visited)
    bar.say_key(visited, "pbk_no-such-key")
    visited.do("wait_for_text", "#enter-wrong", "unknown, or was revoked")
    bar.say_key(visited, bar.key)
    # The sale that was asked for goes on, and so does an open one without a session.
    visited.do("wait_for_text", "#invoice-amount", "€2.50")
    made = bar.payments()[0]
    visited.do("cdp", "Network.clearBrowserCookies")
    bar.chain.pay(made["address"], made["amount_sat"])
    visited.do("wait_for_text", "#invoice-title", "Payment seen")
    bar.chain.mine()
    visited.do("wait_for_text", "#done-title", "Paid")


def test_a_key_that_can_do_more_signs_nobody_in(bar: Counter, visited: Visited) -> None:
    visited.expected = ("403",)
    visited.do("goto", f"{bar.node.url}/pos")
    for key in (bar.node.add_key("bar"), bar.node.api_key):
        bar.say_key(visited, key)
        visited.do("wait_for_text", "#enter-wrong", "ask the owner")
        visited.do("wait_until", "document.querySelector('#key').value === ''")
        wait_until(lambda: visited.do("cookies") == [], 10, "its session to end")
        visited.do(
            "evaluate", "document.querySelector('#enter-wrong').textContent = ''"
        )


def test_it_can_be_installed(bar: Counter, visited: Visited) -> None:
    bar.sign_in(visited)
    told = visited.do("cdp", "Page.getAppManifest")
    assert told["errors"] == []
    assert told["manifest"]["startUrl"] == f"{bar.node.url}/pos"
    visited.do("evaluate", "document.querySelector('[rel=manifest]').href")
    found = visited.do("cdp", "Page.getInstallabilityErrors")["installabilityErrors"]
    # The tests' profiles keep nothing, and so no apps.
    assert {one["errorId"] for one in found} <= {"in-incognito"}
    icons = "document.querySelector('[rel=apple-touch-icon]').href"
    icon = bar.node.session.get(visited.do("evaluate", icons))
    assert icon.headers["Content-Type"] == "image/png"
