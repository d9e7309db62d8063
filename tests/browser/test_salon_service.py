"""S4: the front end's service of the salon, written from its document, in a browser."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.payment.model import Terms
from tests.browser.chromium import Chromium, browser
from tests.browser.page import Page
from tests.browser.site import Site
from tests.seeds.socketio_node import good_token, take_tokens
from tests.tools.livenode import LiveNode, live_node
from tests.tools.wait import wait_until


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
    folder: Path = tmp_path_factory.mktemp("salon")
    with live_node(folder, origins=(site.origin,), salon="default") as running:
        yield running


@pytest.fixture
def page(chromium: Chromium, site: Site, node: LiveNode) -> Iterator[Page]:
    opened = chromium.page(600, 400)
    opened.goto(site.origin)
    options = json.dumps(
        {"url": f"ws://127.0.0.1:{node.server.port}/ws", "salonId": "s1"}
    )
    opened.evaluate(
        "import('/paybell-salon.mjs').then(({ webSocketPaymentService: service }) =>"
        " { window.service = service; window.told = []; window.links = [];"
        f"  service.configure({{...{options}, onConnection: up => links.push(up)}});"
        "   return 1; })"
    )
    yield opened
    opened.close()


def follow(page: Page, invoice: str) -> None:
    page.evaluate(
        f"service.subscribeToPayment({json.dumps(invoice)}, s => told.push(s)), 1"
    )


def pay(node: LiveNode, payment: Terms) -> None:
    node.chain.pay(payment.address, 1_000)
    node.chain.mine(2)
    node.wait_for(payment.id, "confirmed")


def test_s4_2_the_service_connects_subscribes_and_is_told_once(
    node: LiveNode, page: Page
) -> None:
    payment = node.create(external_id="inv-1")
    assert page.evaluate("service.connected") is False
    page.evaluate("service.connect()")
    assert page.evaluate("service.connected") is True
    follow(page, "inv-1")
    follow(page, "inv-of-nobody")
    pay(node, payment)
    page.wait_for_js("told.length")
    ((told),) = page.evaluate("told")
    assert set(told) == {"invoiceId", "status", "timestamp", "data"}
    assert (told["invoiceId"], told["status"]) == ("inv-1", "SUCCESS")
    page.evaluate("service.disconnect(), 1")
    assert page.evaluate("service.connected") is False
    wait_until(lambda: not node.sessions(), 5, "the sessions to end")
    assert page.console_errors == []


def test_s4_5_what_happens_while_the_line_is_lost_is_told_once_after_it(
    node: LiveNode, page: Page
) -> None:
    payments = [node.create(external_id=f"lost-{n}") for n in range(2)]
    page.evaluate("service.connect()")
    for payment in payments:
        follow(page, str(payment.external_id))
    pay(node, payments[0])
    page.wait_for_js("told.length === 1")
    page.offline(True)
    for websocket in tuple(node.server._listener.websockets):
        websocket.close(1001, "server stops")
    page.wait_for_js("links.at(-1) === false")
    pay(node, payments[1])
    page.offline(False)
    page.wait_for_js("told.length === 2 && service.connected")
    told = page.evaluate("told.map(s => [s.invoiceId, s.status])")
    assert told == [["lost-0", "SUCCESS"], ["lost-1", "SUCCESS"]]
    page.evaluate("service.disconnect(), 1")


def test_s4_3_the_token_of_the_shops_backend_is_read_anew_and_sent_in_a_message(
    node: LiveNode, page: Page
) -> None:
    take_tokens(node, "rose")
    payment = node.create(external_id="secret-1", merchant="rose")
    page.evaluate(
        "window.errors = []; localStorage.setItem('authToken', 'wrong');"
        "service.configure({merchant: 'rose', onError: e => errors.push(e.code)});"
        "service.connect(), 1"
    )
    page.wait_for_js("errors.includes('not_allowed') && !service.connected")
    page.evaluate(
        f"localStorage.setItem('authToken', {json.dumps(good_token())});"
        "service.disconnect(); service.connect()"
    )
    follow(page, "secret-1")
    pay(node, payment)
    page.wait_for_js("told.length")
    assert page.evaluate("told.map(s => s.status)") == ["SUCCESS"]
    assert not any("token" in url for url in page.requested)
    page.evaluate("service.disconnect(), service.configure({merchant: null}), 1")


def test_an_unsubscribed_invoice_is_silent_and_a_second_connect_is_the_first(
    node: LiveNode, page: Page
) -> None:
    kept, left = (node.create(external_id=name) for name in ("kept", "left"))
    page.evaluate("Promise.all([service.connect(), service.connect()])")
    follow(page, "kept")
    page.evaluate(
        "window.end = service.subscribeToPayment('left', s => told.push(s)); end(), 1"
    )
    pay(node, left)
    pay(node, kept)
    page.wait_for_js("told.length")
    assert page.evaluate("told.map(s => s.invoiceId)") == ["kept"]
    page.evaluate("service.disconnect(), 1")
    page.evaluate("service.connect()")  # as React's StrictMode has it
    assert page.evaluate("service.connected") is True
    page.evaluate("service.disconnect(), 1")
