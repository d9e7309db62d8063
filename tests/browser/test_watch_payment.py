"""`watchPayment` in a real browser, on a shop's own site, against a whole node."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.payment.model import EventType, Terms
from tests.browser.chromium import Chromium, browser
from tests.browser.page import Page
from tests.browser.site import Site
from tests.browser.visit import before_load
from tests.live.shop import long_story
from tests.tools.livenode import LiveNode, live_node
from tests.tools.ports import free_ports
from tests.tools.wait import wait_until
from transport.server.server import Server

# No WebSocket gets through a network like this one; it is counted how many tried.
NO_WEBSOCKETS = """
window.sockets = 0;
window.blocked = true;
const Real = WebSocket;
window.WebSocket = class extends Real {
  constructor(url) { super(window.blocked ? "ws://localhost:9/" : url); sockets += 1; }
};
"""

# Which way the last good news came.
OVER = "told.findLast(([kind, l]) => kind === 'link' && l.live)?.[1].over"

# Whether good news came this way, also if others came since.
CAME_OVER = "told.some(([kind, l]) => kind === 'link' && l.live && l.over === '{}')"

# What was missed is handed over when there is much of it, and not also every tenth of a
# second: on a slow line those are many.
BY_NUMBER = """
const later = setTimeout;
window.setTimeout = (act, ms, ...more) => ms === 100 ? 0 : later(act, ms, ...more);
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    running = Site()
    yield running
    running.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[LiveNode]:
    folder: Path = tmp_path_factory.mktemp("watch")
    (port,) = free_ports(1)
    with live_node(folder, origins=(site.origin,), port=port) as running:
        yield running


@pytest.fixture
def page(chromium: Chromium) -> Iterator[Page]:
    opened = chromium.page(600, 400)
    yield opened
    opened.close()


def watch(node: LiveNode, page: Page, **options: object) -> None:
    """Follow, and note all that is told, in order."""
    wanted = {"url": f"http://127.0.0.1:{node.server.port}", **options}
    page.evaluate(
        "window.told = []; window.drawn = [];"
        "window.watch = watchPayment({"
        f"...{json.dumps(wanted)},"
        " onState: s => { drawn.push(s.seq ?? s.status); told.push(['state', s]); },"
        " onEvent: (e, missed) => told.push(['event', e, missed]),"
        " onPayment: m => told.push(['payment', m]),"
        " onLink: l => told.push(['link', l]),"
        " onError: e => told.push(['error', e]) }), 1"
    )


def kinds(page: Page, kind: str) -> str:
    return f"told.filter(([kind]) => kind === '{kind}').map(([, what]) => what)"


def pay(node: LiveNode, payment: Terms, blocks: int = 2) -> None:
    node.chain.pay(payment.address, 1_000)
    if blocks:
        node.chain.mine(blocks)
        node.wait_for(payment.id, "confirmed")


def cut(node: LiveNode) -> None:
    for websocket in tuple(node.server._listener.websockets):
        websocket.close(1001, "server stops")


def restart(node: LiveNode) -> None:
    """The server at the same port again, after `node.server.stop`."""
    old = node.server
    listener = old._listener
    node.server = Server(
        node.api,
        node.live,
        "127.0.0.1",
        old.port,
        listener.limits,
        origins=listener._origins,
    )
    node.server.start()


def test_s3_6_a_payment_is_followed_from_its_state_to_its_end(
    node: LiveNode, page: Page, site: Site
) -> None:
    page.goto(site.origin)
    payment = node.create()
    watch(node, page, address=payment.address)
    page.wait_for_js("drawn.length === 1")
    pay(node, payment)
    page.wait_for_js("told.some(([, e]) => e.type === 'payment.confirmed')")
    seqs = page.evaluate(f"{kinds(page, 'event')}.map(e => e.seq)")
    assert seqs == [seq for seq, _ in node.seqs(payment.id)][1:]
    assert page.evaluate("drawn") == [1, *seqs]
    last = page.evaluate("told.findLast(([kind]) => kind === 'state')[1]")
    assert (last["status"], last["received_sat"]) == ("confirmed", 1_000)
    # What an event does not say is not shown as it was before.
    assert "confirmed_sat" not in last
    assert "receipts" not in last
    position = page.evaluate("watch.position")
    assert position == f"{node.gateway.epochs().present}-{seqs[-1]}"
    page.evaluate("watch.stop(), 1")
    assert page.evaluate("watch.live") is False
    wait_until(lambda: not node.sessions(), 5, "the session to end")
    assert page.console_errors == []


def test_it_falls_from_websocket_to_sse_to_polling_and_comes_back(
    node: LiveNode, page: Page, site: Site
) -> None:
    before_load(page, NO_WEBSOCKETS)
    page.goto(site.origin)
    payment = node.create()
    watch(node, page, address=payment.address)
    page.wait_for_js(CAME_OVER.format("poll"))
    page.wait_for_js(f"{OVER} === 'sse'")
    pay(node, payment, 0)
    page.wait_for_js("told.some(([, e]) => e.type === 'payment.detected')")
    page.call("Network.setBlockedURLs", urls=["*/events/*"])
    page.evaluate("watch.reconnect(), 1")
    page.wait_for_js(f"{OVER} === 'poll'")
    node.chain.mine(2)
    page.wait_for_js("told.some(([, e]) => e.type === 'payment.confirmed')")
    page.call("Network.setBlockedURLs", urls=[])
    page.evaluate("window.blocked = false, dispatchEvent(new Event('online')), 1")
    page.wait_for_js(f"{OVER} === 'websocket'")
    seqs = page.evaluate(f"{kinds(page, 'event')}.map(e => e.seq)")
    assert seqs == [seq for seq, _ in node.seqs(payment.id)][1:]
    page.evaluate("watch.stop(), 1")


@pytest.mark.parametrize("over", ["websocket", "sse", "poll"])
def test_a_payment_is_followed_by_its_id_with_its_secret_over_any_line(
    node: LiveNode, page: Page, site: Site, over: str
) -> None:
    if over != "websocket":
        before_load(page, NO_WEBSOCKETS)
    page.goto(site.origin)
    if over == "poll":
        page.call("Network.setBlockedURLs", urls=["*/events/*"])
    payment = node.create(external_id=f"by-id-{over}")
    token = node.vault.client_secret(payment.id)
    watch(node, page, paymentId=payment.id, token=token)
    page.wait_for_js("drawn.length === 1")
    state = page.evaluate("told.find(([kind]) => kind === 'state')[1]")
    assert state["external_id"] == payment.external_id
    page.wait_for_js(f"{OVER} === '{over}'")
    pay(node, payment)
    page.wait_for_js("told.some(([, e]) => e.type === 'payment.confirmed')")
    seqs = page.evaluate(f"{kinds(page, 'event')}.map(e => e.seq)")
    assert seqs == [seq for seq, _ in node.seqs(payment.id)][1:]
    page.evaluate("watch.stop(), 1")


@pytest.mark.parametrize("over", ["websocket", "poll"])
def test_s3_6_an_order_is_identified_again_and_told_once(
    node: LiveNode, page: Page, site: Site, over: str
) -> None:
    if over == "poll":
        before_load(page, NO_WEBSOCKETS)
    page.goto(site.origin)
    payment = node.create(external_id=f"order-{over}")
    token = node.vault.client_secret(payment.id)
    watch(node, page, externalId=payment.external_id, token=token)
    page.wait_for_js("drawn.length === 1")
    pay(node, payment)
    page.wait_for_js("told.some(([kind]) => kind === 'payment')")
    page.wait_for_js("told.some(([, e]) => e.type === 'payment.confirmed')")
    page.evaluate("watch.reconnect(), 1")
    page.wait_for_js("watch.live")
    seqs = page.evaluate(f"{kinds(page, 'event')}.map(e => e.seq)")
    assert seqs == [seq for seq, _ in node.seqs(payment.id)][1:]
    (paid,) = page.evaluate(kinds(page, "payment"))
    assert (paid["status"], paid["externalId"]) == ("paid", payment.external_id)
    page.evaluate("watch.stop(), 1")


def test_a_server_that_stops_and_starts_again_is_found_again(
    node: LiveNode, page: Page, site: Site
) -> None:
    page.goto(site.origin)
    payment = node.create()
    watch(node, page, address=payment.address)
    page.wait_for_js("drawn.length === 1")
    node.server.stop(1)
    page.wait_for_js("told.some(([, e]) => e.code === 'unreachable')")
    pay(node, payment)
    restart(node)
    page.wait_for_js("told.some(([, e]) => e.type === 'payment.confirmed')")
    seqs = page.evaluate(f"{kinds(page, 'event')}.map(e => e.seq)")
    assert seqs == [seq for seq, _ in node.seqs(payment.id)][1:]
    assert page.evaluate("drawn") == [1, seqs[-1]]
    page.evaluate("watch.stop(), 1")


def test_offline_is_said_and_online_wakes(
    node: LiveNode, page: Page, site: Site
) -> None:
    page.goto(site.origin)
    payment = node.create()
    watch(node, page, address=payment.address)
    page.wait_for_js("drawn.length === 1")
    page.offline(True)
    page.wait_for_js("told.some(([kind, l]) => kind === 'link' && l.offline)")
    cut(node)
    pay(node, payment)
    page.offline(False)
    page.wait_for_js("told.some(([, e]) => e.type === 'payment.confirmed')")
    assert page.evaluate("drawn.length") == 2
    assert not page.evaluate(f"{kinds(page, 'error')}.length")
    page.evaluate("watch.stop(), 1")


def test_after_a_sleep_the_state_is_drawn_once_and_the_story_follows(
    node: LiveNode, page: Page, site: Site
) -> None:
    """Frozen, as a phone does with a page in the background, while much happens."""
    page.goto(site.origin)
    payment = node.create(confirmations_required=2)
    watch(node, page, address=payment.address, since="0")
    page.wait_for_js("drawn.length === 1")
    page.call("Page.setWebLifecycleState", state="frozen")
    cut(node)
    pay(node, payment)
    page.call("Page.setWebLifecycleState", state="active")
    page.wait_for_js("told.some(([, e]) => e.type === 'payment.confirmed')")
    seqs = page.evaluate(f"{kinds(page, 'event')}.map(e => e.seq)")
    assert seqs == [seq for seq, _ in node.seqs(payment.id)]
    assert page.evaluate("drawn") == [1, seqs[-1]]
    page.evaluate("watch.stop(), 1")


def test_thousands_of_missed_events_are_one_drawing_and_few_tasks(
    node: LiveNode, page: Page, site: Site
) -> None:
    before_load(page, BY_NUMBER)
    page.goto(site.origin)
    payment = long_story(node, 600)
    page.evaluate(
        "window.tasks = 0; window.inTask = false; window.note = () => {"
        " if (!inTask) { inTask = true; tasks += 1;"
        "  const end = new MessageChannel(); end.port1.onmessage = () =>"
        "   { inTask = false; }; end.port2.postMessage(0); } }, 1"
    )
    watch(node, page, address=payment.address, since="1")
    page.evaluate("watch.bell.addEventListener('event', note), 1")
    last = node.gateway.payment(payment.id)
    assert last is not None
    page.wait_for_js(f"watch.bell.seq === {last.seq} && told.length > {last.seq - 1}")
    assert page.evaluate("drawn") == [last.seq]
    seqs = page.evaluate(f"{kinds(page, 'event')}.map(e => e.seq)")
    assert seqs == list(range(2, last.seq + 1))
    assert page.evaluate(
        "told.findIndex(([kind]) => kind === 'state')"
    ) < page.evaluate("told.findIndex(([kind]) => kind === 'event')")
    assert page.evaluate("tasks") <= 20
    page.evaluate("watch.stop(), 1")


def test_a_page_that_comes_back_from_the_browsers_cache_goes_on(
    node: LiveNode, page: Page, site: Site
) -> None:
    page.goto(site.origin)
    payment = node.create()
    watch(node, page, address=payment.address)
    page.wait_for_js("drawn.length === 1")
    page.evaluate(
        "window.shown = []; addEventListener('pageshow', e => shown.push(e.persisted)),"
        " 1"
    )
    page.goto(f"{site.origin}/?other")
    pay(node, payment)
    page.evaluate("history.back(), 1")
    page.wait_for_js("!!window.shown?.length && window.drawn.length === 2")
    assert page.evaluate("shown") == [True]
    assert page.evaluate("drawn")[1] == len(node.seqs(payment.id))
    page.evaluate("watch.stop(), 1")


def test_an_error_says_why(node: LiveNode, page: Page, site: Site) -> None:
    page.goto(f"http://127.0.0.1:{site.server.server_port}")  # another origin
    payment = node.create()
    code = "told.find(([kind]) => kind === 'error')?.[1].code"
    for options, wanted in (
        ({"address": payment.address}, "origin_not_allowed"),
        ({"paymentId": payment.id, "token": "wrong"}, "origin_not_allowed"),
    ):
        watch(node, page, **options)
        assert page.wait_for_js(code) == wanted
        assert "allowed_origins" in page.evaluate(f"{kinds(page, 'error')}[0].message")
        page.evaluate("watch.stop(), 1")
    page.goto(site.origin)
    wrong = node.vault.client_secret("pay_other")
    for options, wanted in (
        ({"address": node.chain.new_address()}, "payment_not_found"),
        ({"paymentId": payment.id, "token": wrong}, "not_allowed"),
        ({"externalId": "none", "token": wrong}, "not_allowed"),
    ):
        watch(node, page, **options)
        assert page.wait_for_js(code) == wanted
        assert page.evaluate("watch.live") is False
        page.evaluate("watch.stop(), 1")
    watch(node, page, address="x", url="http://127.0.0.1:9")
    assert page.wait_for_js(code) == "unreachable"
    message = page.evaluate(f"{kinds(page, 'error')}[0].message")
    assert site.origin in message
    assert "allowed_origins" in message
    page.evaluate("watch.stop(), 1")


def test_every_type_of_event_is_heard_over_sse(page: Page, site: Site) -> None:
    page.goto(site.origin)
    known = set(page.evaluate("Paybell.TYPES"))
    assert known >= {str(kind) for kind in EventType}
