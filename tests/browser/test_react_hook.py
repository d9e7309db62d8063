"""S3.6: `usePaymentWebSocket` with the real React in a real browser."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium, browser
from tests.browser.page import Page
from tests.browser.site import Site
from tests.browser.visit import before_load
from tests.tools.livenode import LiveNode, live_node
from tests.tools.wait import wait_until

# How many sockets a page has opened and not closed yet, and how many in all.
COUNTED = """
window.opened = 0;
window.open_now = new Set();
window.WebSocket = class extends WebSocket {
  constructor(url) { super(url); opened += 1; open_now.add(this); }
  close() { open_now.delete(this); super.close(); }
};
"""
HURRIED = """
(() => {
  const slowly = window.setTimeout;
  window.setTimeout = (call, ms, ...more) => slowly(call, (ms ?? 0) / 100, ...more);
})()
"""
# The page of the document, as far as it shows the hook; `show` renders it with other
# properties, `strict` twice as React's StrictMode does.
APP = """
(async () => {
  const { createElement: h, createRoot, StrictMode, useState } =
    await import("/react.mjs");
  const { usePaymentWebSocket } = await import("/paybell-react.mjs");
  window.paid = [];
  window.renders = 0;
  function Page({ name, ...options }) {
    window.renders += 1;
    const { isConnected, error } = usePaymentWebSocket({
      ...options, onPaymentReceived: message => paid.push([name, message]) });
    return h("p", { id: "link" },
      error ? `error ${error.code} ${error.cause}`
        : isConnected ? "connected" : "waiting");
  }
  const root = createRoot(document.getElementById("root"));
  window.show = (props, strict = true) =>
    root.render(props && h(strict ? StrictMode : "div", null, h(Page, props)));
  return 1;
})()
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
    folder: Path = tmp_path_factory.mktemp("hook")
    with live_node(folder, origins=(site.origin,)) as running:
        yield running


@pytest.fixture
def page(chromium: Chromium, site: Site) -> Iterator[Page]:
    opened = chromium.page(600, 400)
    before_load(opened, COUNTED)
    opened.goto(site.origin)
    opened.evaluate(APP)
    yield opened
    opened.close()


def show(page: Page, node: LiveNode, **props: object) -> None:
    url = f"http://127.0.0.1:{node.server.port}"
    page.evaluate(f"show({json.dumps({'url': url, 'name': 'first', **props})}), 1")


def test_s3_6_the_hook_tells_once_that_the_order_is_paid_in_strict_mode(
    node: LiveNode, page: Page
) -> None:
    payment = node.create(external_id="hook-1")
    token = node.vault.client_secret(payment.id)
    order = {"externalId": "hook-1", "token": token}
    show(page, node, **order, enabled=False)
    page.wait_for("#link", text="waiting")
    assert page.evaluate("opened") == 0
    show(page, node, **order, enabled=True)
    page.wait_for("#link", text="connected")
    assert page.evaluate("open_now.size") == 1  # though it was mounted twice
    show(page, node, **order, enabled=True, name="latest")
    node.chain.pay(payment.address, 1_000)
    node.chain.mine(2)
    page.wait_for_js("paid.length")
    ((name, message),) = page.evaluate("paid")
    assert (name, message["status"], message["amountSat"]) == ("latest", "paid", 1_000)
    opened = page.evaluate("opened")
    show(page, node, **order, enabled=True, name="again")
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.evaluate("opened") == opened  # a render opens nothing
    for websocket in tuple(node.server._listener.websockets):
        websocket.close(1001, "server stops")
    page.wait_for_js(f"opened > {opened} && open_now.size === 1")
    page.wait_for("#link", text="connected")
    page.evaluate("show(null), 1")
    page.wait_for_js("open_now.size === 0")
    wait_until(lambda: not node.sessions(), 5, "the sessions to end")
    assert page.evaluate("paid.length") == 1
    assert page.console_errors == []


def test_s3_6_the_hook_gives_up_after_five_attempts_if_nobody_says_how_many(
    node: LiveNode, page: Page
) -> None:
    """On a page whose clock runs a hundred times as fast: it is half a minute else."""
    page.evaluate(HURRIED)
    show(page, node, externalId="x", url="http://127.0.0.1:9")
    page.wait_for("#link", text="error gave_up unreachable")
    assert page.evaluate("opened - 1") == 1 + 5  # StrictMode's first mount opened one
    assert page.evaluate("open_now.size") == 0


def test_s3_6_the_hook_gives_up_with_an_error_after_its_attempts(
    node: LiveNode, page: Page
) -> None:
    show(page, node, externalId="x", url="http://127.0.0.1:9", attempts=2)
    page.wait_for("#link", text="error gave_up unreachable")
    opened = page.evaluate("opened - 1")  # StrictMode's first mount opened one too
    assert opened == 3
    show(page, node, externalId="hook-none", token="wrong")
    page.wait_for("#link", text="error gave_up not_allowed")
