"""S2.4 and S2.5 at the page of a till: Chromium, a Paybell process, Blink's double."""

import json
from collections.abc import Iterator

import pytest

from tests.browser.playwright_page import VisitorPage, visiting
from tests.seeds.blink_till import Till, blink_till
from tests.tools.wait import wait_until

READY = "✓ Ready (User + BlinkPOS connected)"
USER_DOWN = "⚠ User disconnected"
POS_DOWN = "⚠ BlinkPOS disconnected"


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    with blink_till(tmp_path_factory.mktemp("till"), stage=Till) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[VisitorPage]:
    with visiting() as opened:
        yield opened


@pytest.fixture
def page(browser: VisitorPage, till: Till) -> Iterator[VisitorPage]:
    browser.do("anew")  # nobody is signed in, and no sale is open
    till.open(browser)
    yield browser
    till.mend()


def press(page: VisitorPage, button: str) -> None:
    """If it is there still: a node tries a refused key by itself, too, and may be
    quicker than a test on a busy machine."""
    page.do("evaluate", f"document.querySelector({json.dumps(button)})?.click()")


def test_s2_4_when_forwarded_the_animation_comes_the_invoice_goes_the_balance_moves(
    till: Till, page: VisitorPage
) -> None:
    assert page.do("text", "#status").strip() == READY
    before = till.user.btc.balance
    till.enter(page, "2100")
    page.do("wait_for_text", "#invoice-title", "Waiting for payment")
    (made,) = till.payments()[:1]
    assert (made["method"], made["amount_sat"]) == ("lightning", 2_100)
    assert page.do("text", "#invoice-amount") == "2,100"
    loaded = "document.querySelector('#qr').naturalWidth > 0"
    wait_until(lambda: page.do("evaluate", loaded), 10, "the invoice's code")
    till.pay(made)
    page.do("wait_for_text", "#done-title", "Paid and forwarded")
    assert page.do("text", "#done-amount") == "2,100"
    assert (
        page.do(
            "evaluate",
            "getComputedStyle(document.querySelector('.check')).animationName",
        )
        == "arrive"
    )
    assert "forwarded" in till.types(made)
    assert till.user.btc.balance == before + 2_100
    # Nothing of the invoice is left.
    assert page.do("evaluate", "document.querySelector('#qr').src") == ""
    kept = "localStorage.getItem('paybell.till.sale')"
    assert page.do("evaluate", kept) is None
    page.do("click", "#next")
    assert page.do("text", "#amount") == "0"
    page.do("wait_for_text", "#balance", f"User: {before + 2_100:,} sat")
    assert page.do("complaints") == []


def test_s2_5_each_connection_has_its_own_light_and_button(
    till: Till, page: VisitorPage
) -> None:
    for account, text, other in (
        (till.user, USER_DOWN, POS_DOWN),
        (till.pos, POS_DOWN, USER_DOWN),
    ):
        key = till.lose(account)
        page.do("wait_for_text", "#status [data-down]", text)
        status = page.do("text", "#status")
        assert other not in status
        assert "Ready" not in status
        page.do("wait_for", "#status [data-down] button")
        account.key = key
        press(page, "#status [data-down] button")
        page.do("wait_for_text", "#status", READY)


def test_s2_5_both_can_be_down(till: Till, page: VisitorPage) -> None:
    keys = [till.lose(one) for one in (till.pos, till.user)]
    page.do("wait_for_text", "#status", USER_DOWN)
    page.do("wait_for_text", "#status", POS_DOWN)
    buttons = "document.querySelectorAll('#status button').length"
    assert page.do("evaluate", buttons) == 2
    till.pos.key, till.user.key = keys
    for label in ("User", "BlinkPOS"):
        press(page, f'#status button[aria-label="Reconnect {label}"]')
    page.do("wait_for_text", "#status", READY)


def test_s2_5_an_invoice_without_a_connection_warns_first(
    till: Till, page: VisitorPage
) -> None:
    key, before = till.lose(till.user), len(till.payments())
    page.do("wait_for_text", "#status", USER_DOWN)
    till.enter(page, "300")
    page.do("wait_for_text", "#warning-list", USER_DOWN)
    page.do("click", "#warning .plain")
    assert len(till.payments()) == before, "nothing is made without a yes"
    page.do("click", "#create")
    page.do("wait_for_text", "#warning-list", USER_DOWN)
    page.do("click", "#warning .button")
    page.do("wait_for_text", "#invoice-title", "Waiting for payment")
    (made,) = till.payments()[:1]
    page.do("wait_for_text", "#warnings", "user")
    # It is paid: the money waits for the other account, and then goes on.
    till.pay(made)
    page.do("wait_for_text", "#invoice-title", "Paid. Passing it on")
    till.user.key = key
    press(page, '#status button[aria-label="Reconnect User"]')
    page.do("wait_for_text", "#done-title", "Paid and forwarded")
    page.do("click", "#next")


def test_s2_5_a_page_that_is_loaded_anew_finds_its_invoice(
    till: Till, page: VisitorPage
) -> None:
    till.enter(page, "21")
    page.do("wait_for_text", "#invoice-title", "Waiting for payment")
    page.do("goto", f"{till.node.url}/pos")
    page.do("wait_for_text", "#invoice-amount", "21")
    page.do("click", "#cancel")
    page.do("wait_for_text", "#wrong", "cancelled")
    assert till.payments()[0]["status"] == "cancelled"


def test_s2_6_no_key_of_an_account_comes_to_the_browser(
    till: Till, page: VisitorPage
) -> None:
    keys = [till.pos.key, till.user.key]
    script = "Promise.all(performance.getEntriesByType('resource').map(async one =>"
    script += " one.name + await (await fetch(one.name)).text()))"
    seen = page.do("evaluate", script)
    seen.append(page.do("evaluate", "document.documentElement.outerHTML"))
    kept = "JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])"
    seen.append(page.do("evaluate", kept))
    assert len(seen) > 4
    assert all(one.startswith((till.node.url, "<", "[")) for one in seen)
    assert not [one for one in seen for key in keys if key in one]
    # Nor does the till's own key stay there.
    assert not [one for one in seen if till.key in one]
