"""The checkout page in a real browser, on a whole node with a dev chain."""

import json
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from engine.payment.model import Payment, Status
from engine.payment.observations import Cancel, ProviderClaim
from tests.browser.chromium import Chromium, browser
from tests.browser.page import Page
from tests.browser.shop import Shop, shop
from tests.browser.visit import Visit, before_load, was_not_reloaded
from tests.tools.wait import wait_until


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("shop")) as running:
        yield running


@pytest.fixture
def page(chromium: Chromium) -> Iterator[Page]:
    opened = chromium.page(390, 844)
    yield opened
    opened.close()


@pytest.fixture
def visit(page: Page, node: Shop) -> Callable[[Payment], None]:
    """Open a payment's page and wait until it is live; mark it, to see a reload."""

    def open_page(payment: Payment) -> None:
        page.goto(node.url(payment))
        page.wait_for("#freshness", text="Live")
        page.evaluate("window.mark = 1")

    return open_page


def test_a_payment_is_seen_confirmed_and_paid_before_the_payers_eyes(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create(50_000)
    visit(payment)
    assert page.text("h1") == "Waiting for your payment"
    assert page.evaluate("document.title") == "Pay 0.0005 BTC"
    node.chain.pay(payment.terms.address, 50_000)
    page.wait_for("#summary", text="Payment seen")
    page.wait_for("#steps .now", text="0 of 2 confirmations")
    node.chain.mine(1)
    page.wait_for("#steps .now", text="1 of 2 confirmations")
    assert page.evaluate("document.querySelector('progress').value") == 1
    node.chain.mine(1)
    page.wait_for("h1", text="Paid")
    assert page.evaluate("document.title") == "Paid ✓"
    assert page.evaluate("document.body.dataset.stage") == "paid"
    assert "0.0005 BTC" in page.text(".amount")
    assert str(payment.terms.external_id) in page.text(".facts")
    assert page.text("#announcement").startswith("Paid.")
    assert not page.evaluate("!!document.querySelector('.qr, .button')")
    assert was_not_reloaded(page)
    assert page.console_errors == []


def test_the_page_talks_to_its_own_host_only(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    visit(payment)
    node.chain.pay(payment.terms.address, 50_000)
    page.wait_for("h1", text="Payment seen")
    hosts = {urlsplit(url).netloc for url in page.requested}
    assert hosts == {f"127.0.0.1:{node.server.port}"}


def test_a_page_opened_late_is_right_at_once_without_any_request(
    node: Shop, page: Page
) -> None:
    payment = node.create()
    node.chain.pay(payment.terms.address, 50_000)
    node.chain.mine(2)
    wait_until(
        lambda: node.payment(payment).status is Status.CONFIRMED, 10, "confirmation"
    )
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.goto(node.url(payment))
    assert page.text("h1") == "Paid"
    assert not any(url.endswith(".json") for url in page.requested)


def test_without_javascript_everything_to_pay_is_there(node: Shop, page: Page) -> None:
    payment = node.create()
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.goto(node.url(payment))
    assert page.text("#address").replace(" ", "") == payment.terms.address
    assert "0.0005" in page.text(".amount")
    assert "reloads every 20 seconds" in page.text("footer")
    assert page.evaluate("document.querySelector('.qr svg').clientWidth") >= 180
    assert not page.evaluate("document.querySelector('.copy').checkVisibility()")


def test_too_little_shows_what_is_missing_with_a_code_for_the_rest(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create(50_000)
    visit(payment)
    first = page.evaluate("document.querySelector('.qr').innerHTML")
    node.chain.pay(payment.terms.address, 20_000)
    page.wait_for("h1", text="Partly paid")
    assert "30,000 sat still to pay" in page.text(".amount")
    link = page.evaluate("document.querySelector('.button').href")
    assert link == f"bitcoin:{payment.terms.address}?amount=0.0003"
    assert page.evaluate("document.querySelector('.qr').innerHTML") != first
    node.chain.pay(payment.terms.address, 30_000)
    page.wait_for("h1", text="Payment seen")
    node.chain.mine(2)
    page.wait_for("h1", text="Paid")


def test_too_much_is_paid_and_said(node: Shop, page: Page, visit: Visit) -> None:
    payment = node.create(50_000)
    visit(payment)
    node.chain.pay(payment.terms.address, 70_000)
    node.chain.mine(2)
    page.wait_for("h1", text="Paid")
    page.wait_for(".note", text="0.0002 BTC more than requested")


def test_a_payment_that_runs_out_of_time_says_not_to_pay_it(
    node: Shop, page: Page
) -> None:
    payment = node.create(expires_at=node.gateway.now() + 1_500)
    page.goto(node.url(payment))
    page.wait_for("h1", text="Expired")
    assert "do not pay any more" in page.text("#summary")
    assert not page.evaluate("!!document.querySelector('.qr')")
    node.chain.pay(payment.terms.address, 50_000)
    page.wait_for("h1", text="Payment seen")
    page.wait_for(".note", text="after the deadline. The shop decides")
    node.chain.mine(2)
    page.wait_for("h1", text="Received after the deadline")
    assert "Thank you" not in page.text("main")


def test_a_cancelled_payment_says_not_to_pay_it(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    visit(payment)
    node.gateway.command(payment, Cancel(by="shop"))
    page.wait_for("h1", text="Cancelled")


def test_what_a_webhook_claims_is_announced_and_not_believed(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    visit(payment)
    node.gateway.command(payment, ProviderClaim("blockonomics", None, 50_000))
    page.wait_for("h1", text="Payment announced")
    assert "not on the blockchain yet" in page.text("#summary")
    node.chain.pay(payment.terms.address, 50_000)
    page.wait_for("h1", text="Payment seen")


def test_a_replaced_transaction_means_waiting_again(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    visit(payment)
    txid = node.chain.pay(payment.terms.address, 50_000)
    page.wait_for("h1", text="Payment seen")
    node.chain.replace(txid)
    page.wait_for("h1", text="The transaction was replaced")
    page.wait_for(".qr")


def test_a_reorg_after_paid_withdraws_it_and_paid_comes_back(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    visit(payment)
    node.chain.pay(payment.terms.address, 50_000)
    node.chain.mine(2)
    page.wait_for("h1", text="Paid")
    node.chain.reorg(2, remine=False)
    page.wait_for("h1", text="Confirmation withdrawn")
    assert page.evaluate("document.title") != "Paid ✓"
    node.chain.mine(2)
    page.wait_for("h1", text="Paid")


def test_a_payment_that_a_reorg_took_away_is_waited_for_again(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    visit(payment)
    txid = node.chain.pay(payment.terms.address, 50_000)
    node.chain.mine(2)
    page.wait_for("h1", text="Paid")
    node.chain.reorg(2, drop=[txid])
    page.wait_for("h1", text="Payment reversed")
    assert "do not pay again" in page.text("#summary")
    assert not page.evaluate("!!document.querySelector('.qr')")
    node.chain.pay(payment.terms.address, 50_000)
    node.chain.mine(2)
    page.wait_for("h1", text="Paid")


def test_a_source_that_fails_is_shown_as_behind(
    node: Shop, page: Page, visit: Visit
) -> None:
    visit(node.create())
    node.chain.down(300.0, 500)  # until it was noticed; it names no time to wait
    node.chain.mine(1)
    page.wait_for("#freshness", text="shown with a delay")
    node.chain.down(0)
    page.wait_for("#freshness", text="Live", timeout_s=30)


def test_the_countdown_goes_by_the_servers_clock(node: Shop, page: Page) -> None:
    before_load(page, "const away = Date.now() + 86400000; Date.now = () => away;")
    page.goto(node.url(node.create()))
    page.wait_for("#countdown", text="left to pay")
    assert page.text("#countdown").split(":")[0] in {"59", "1"}


def test_address_and_amount_are_copied_whole(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    # What was copied is told for two seconds; here it stays.
    before_load(
        page,
        "const later = setTimeout;"
        "window.setTimeout = (act, ms) => ms === 2000 ? 0 : later(act, ms);",
    )
    visit(payment)
    page.evaluate(
        "window.copied = []; navigator.clipboard.writeText ="
        " async text => { window.copied.push(text); }"
    )
    page.click("#pay .copy")
    page.wait_for("#pay .copy", text="Copied")
    page.evaluate("document.querySelectorAll('.copy')[1].focus()")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", text="\r")
    page.wait_for_js("window.copied.length === 2")
    assert page.evaluate("window.copied") == [payment.terms.address, "0.0005"]
    selected = page.evaluate(
        "getSelection().selectAllChildren(document.querySelector('#address')),"
        "getSelection().toString()"
    )
    assert selected == payment.terms.address


@pytest.mark.parametrize(
    ("width", "height"), [(320, 568), (390, 844), (768, 1024), (1280, 800)]
)
def test_no_screen_has_to_be_scrolled_sideways(
    node: Shop, page: Page, visit: Visit, width: int, height: int
) -> None:
    page.set_viewport(width, height, mobile=width < 700)
    address = node.chain.new_address("p2tr")
    payment = node.create(2_099_999_900_000_000, external_id="x" * 200, address=address)
    visit(payment)
    wide = "[document.documentElement.scrollWidth, innerWidth]"
    scrolled, inner = page.evaluate(wide)
    assert scrolled <= inner == width
    qr = page.evaluate("document.querySelector('.qr').getBoundingClientRect().toJSON()")
    assert qr["right"] <= width
    assert qr["bottom"] <= height or width < 390


def test_an_unknown_payment_is_a_friendly_page(node: Shop, page: Page) -> None:
    page.goto(node.url("pay_unknown"))
    assert page.text("h1") == "There is no such payment"


def test_paybell_js_tells_a_shops_own_page_every_event_once_and_in_order(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    visit(payment)
    address = json.dumps(payment.terms.address)
    page.evaluate(
        f"window.seen = []; window.bell = new Paybell({address});"
        "bell.addEventListener('event', e => seen.push([e.detail.seq, e.detail.type]));"
        "bell.start(), 1"
    )
    page.wait_for_js("bell.live")
    node.chain.pay(payment.terms.address, 50_000)
    page.wait_for_js("seen.length >= 1")
    page.evaluate("bell.reconnect(), 1")
    node.cut_websockets()
    node.chain.mine(2)
    page.wait_for_js("seen.some(([, type]) => type === 'payment.confirmed')")
    seen = page.evaluate("seen")
    history = node.gateway.history(payment.id, 1, 100)
    assert seen == [[e.seq, e.event.type] for e in history]
    page.evaluate("bell.stop(), 1")
    assert page.evaluate("bell.live") is False


@pytest.mark.parametrize("over", ["websocket", "sse"])
def test_paybell_js_is_told_all_with_the_secret_and_the_list_without(
    node: Shop, page: Page, visit: Visit, over: str
) -> None:
    payment = node.create()
    visit(payment)
    token = node.vault.client_secret(payment.id)
    options = json.dumps({"token": token})
    page.evaluate(
        f"window.told = [{options}, {{}}].map(options => {{"
        f" const bell = new Paybell({json.dumps(payment.terms.address)}, options);"
        f" bell.over = {json.dumps(over)}; const told = [];"
        # A line that comes up late tells the state again that polling told.
        " const note = ({ detail }) => told.at(-1)?.seq === detail.seq"
        "  || told.push(detail);"
        " bell.addEventListener('state', note);"
        " bell.addEventListener('event', note);"
        " bell.start(); return told; }), 1"
    )
    page.wait_for_js("told.every(one => one.length === 1)")
    node.chain.pay(payment.terms.address, 50_000)
    page.wait_for_js("told.every(one => one.length === 2)")
    kept = "told.map(one => one.map(m => [m.seq, m.received_sat, m.external_id ?? 0]))"
    order = payment.terms.external_id
    assert page.evaluate(kept) == [
        [[1, 0, order], [2, 50_000, order]],
        [[1, 0, 0], [2, 50_000, 0]],
    ]


def test_the_page_asks_for_nothing_more_when_its_stream_tells_what_it_shows(
    node: Shop, page: Page
) -> None:
    payment = node.create()
    # It asks by itself after some seconds without a line: its clock stands still.
    before_load(page, "const begun = performance.now(); performance.now = () => begun;")
    page.goto(node.url(payment))
    page.wait_for("#freshness", text="Live")
    assert not any(url.endswith(".json") for url in page.requested)


def test_paybell_js_goes_on_from_the_state_when_its_seq_is_from_the_future(
    node: Shop, page: Page, visit: Visit
) -> None:
    payment = node.create()
    visit(payment)
    address = json.dumps(payment.terms.address)
    page.evaluate(
        f"window.bell = new Paybell({address}, {{since: 9999}}); window.types = [];"
        "bell.addEventListener('event', e => types.push(e.detail.type));"
        "bell.start(), 1"
    )
    page.wait_for_js("bell.live && bell.seq === 1")
    node.chain.pay(payment.terms.address, 50_000)
    page.wait_for_js("types[0] === 'payment.detected'")


def test_the_api_page_lists_every_operation_it_is_told_of(
    node: Shop, page: Page
) -> None:
    page.goto(f"http://127.0.0.1:{node.server.port}/docs/api")
    page.wait_for("#operations", text="/v1/payments")
    told = page.evaluate("fetch('/openapi.json').then(answer => answer.json())")
    wanted = {
        f"{method.upper()} {path}"
        for path, item in told["paths"].items()
        for method in item
        if method in {"get", "post", "put", "patch", "delete"}
    }
    listed = page.evaluate(
        "[...document.querySelectorAll('#operation-list a')].map(a => a.text)"
    )
    assert set(listed) == wanted
    assert page.console_errors == []
