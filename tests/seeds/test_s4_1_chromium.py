"""Row S4.1 in Chromium: the client's own file, on a page of another origin."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import browser
from tests.seeds.socketio_node import good_token, pay, salon_node
from tests.tools.serving import serving

DIST = Path(__file__).parents[1] / "node/node_modules/socket.io-client/dist"

PAGE = """<!doctype html><title>A salon</title><p id=how></p><p id=status>waiting</p>
<script src="/socket.io.min.js"></script>
<script>
const said = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const { url, token, invoiceId } = said;
const say = (id, text) => { document.getElementById(id).textContent = text; };
localStorage.setItem('authToken', token);
const socket = io(url, { auth: { token: localStorage.getItem('authToken') } });
const callbacks = new Map([[invoiceId, (event) => say('status', event.status)]]);
socket.on('connect', () => socket.emit('subscribe:payment-events', { invoiceId }));
socket.on('connect_error', (error) => say('status', 'refused: ' + error.message));
socket.io.on('open', () => {
  say('how', socket.io.engine.transport.name);
  socket.io.engine.on('upgrade', (made) => say('how', made.name));
});
for (const name of ['payment:status-update', 'payment:completed']) {
  socket.on(name, (event) => {
    callbacks.get(event.invoiceId)?.(event);
    callbacks.delete(event.invoiceId);  // the document's page, after the first of all
  });
}
</script>"""


def site(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/socket.io.min.js":
        start_response("200 OK", [("Content-Type", "text/javascript")])
        return [(DIST / "socket.io.min.js").read_bytes()]
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [PAGE.encode()]


@pytest.mark.timeout_s(120)
def test_s4_1_a_page_of_an_allowed_origin_is_told_in_chromium(tmp_path: Path) -> None:
    with serving(site) as shop, browser() as chromium:
        origin = f"http://127.0.0.1:{shop.port}"
        with salon_node(tmp_path, node={"origins": (origin,)}) as node:
            base = f"ws://127.0.0.1:{node.server.port}/payments/salon/s1"

            def visit(token: str, at: str = origin) -> Any:
                said = {"url": base, "token": token, "invoiceId": "in-chromium"}
                page = chromium.page()
                page.goto(f"{at}/#{json.dumps(said)}")
                return page

            page = visit(good_token())
            page.wait_for("#how", text="websocket")
            payment = node.create(external_id="in-chromium")
            pay(node, payment)
            page.wait_for("#status", text="SUCCESS")

            bad = visit(good_token(exp=1))
            bad.wait_for("#status", text="refused: the token has expired")

            # The same files from elsewhere.
            foreign = visit(good_token(), f"http://localhost:{shop.port}")
            foreign.wait_for("#status", text="refused: xhr poll error")
            page.goto("about:blank")
            bad.goto("about:blank")
            foreign.goto("about:blank")
