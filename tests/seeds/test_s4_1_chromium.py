"""Row S4.1 in Chromium: the client's own file, on a page of another origin, by polling,
by WebSocket, and with the upgrade from the one to the other."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.browser.chromium import Chromium, Page
from tests.seeds.socketio_node import good_token, pay, salon_node
from tests.tools.livenode import LiveNode
from tests.tools.serving import serving

DIST = Path(__file__).parents[1] / "node/node_modules/socket.io-client/dist"

PAGE = """<!doctype html><title>A salon</title><p id=how></p><p id=status>waiting</p>
<script src="/socket.io.min.js"></script>
<script>
const said = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const { url, token, invoiceId, options } = said;
const say = (id, text) => { document.getElementById(id).textContent = text; };
localStorage.setItem('authToken', token);
const auth = { token: localStorage.getItem('authToken') };
const socket = io(url, { auth, ...options });
const transport = () => socket.io.engine.transport.name;
const show = (event) => say('status', `${event.status} by ${transport()}`);
const callbacks = new Map([[invoiceId, show]]);
socket.on('connect', () => socket.emit('subscribe:payment-events', { invoiceId }));
socket.on('connect_error', (error) => say('status', 'refused: ' + error.message));
socket.io.on('open', () => {
  const first = transport();
  say('how', first);
  socket.io.engine.on('upgrade', (made) => say('how', `${first}, then ${made.name}`));
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


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """The port of the salon's site."""
    with serving(site) as running:
        yield str(running.port)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, shop: str) -> Iterator[LiveNode]:
    options = {"origins": (f"http://127.0.0.1:{shop}",)}
    with salon_node(tmp_path_factory.mktemp("node"), node=options) as running:
        yield running


class Visits:
    """Pages of the site, each with its own token."""

    def __init__(self, chromium: Chromium, node: LiveNode, **options: Any) -> None:
        self._chromium = chromium
        self._said = {
            "url": f"ws://127.0.0.1:{node.server.port}/payments/salon/s1",
            "invoiceId": f"in-chromium-{options}",
            "options": options,
        }
        self.opened: list[Page] = []

    @property
    def invoice(self) -> str:
        return str(self._said["invoiceId"])

    def visit(self, token: str, origin: str) -> Page:
        said = json.dumps({**self._said, "token": token})
        page = self._chromium.page()
        page.goto(f"{origin}/#{quote(said)}")
        self.opened.append(page)
        return page

    def leave(self) -> None:
        for page in self.opened:
            page.goto("about:blank")


@pytest.mark.parametrize(
    ("options", "how", "foreign"),
    [
        ({"transports": ["polling"]}, "polling", "xhr poll error"),
        ({"transports": ["websocket"]}, "websocket", "websocket error"),
        ({}, "polling, then websocket", "xhr poll error"),
    ],
    ids=["polling", "websocket", "upgrade"],
)
@pytest.mark.timeout_s(120)
def test_s4_1_a_page_of_an_allowed_origin_is_told_in_chromium(
    chromium: Chromium,
    node: LiveNode,
    shop: str,
    options: dict[str, Any],
    how: str,
    foreign: str,
) -> None:
    visits = Visits(chromium, node, **options)
    here, elsewhere = f"http://127.0.0.1:{shop}", f"http://localhost:{shop}"

    page = visits.visit(good_token(), here)
    page.wait_for("#how", text=how)
    pay(node, node.create(external_id=visits.invoice))
    page.wait_for("#status", text=f"SUCCESS by {how.split()[-1]}")
    assert page.evaluate("document.getElementById('how').textContent") == how

    bad = visits.visit(good_token(exp=1), here)
    bad.wait_for("#status", text="refused: the token has expired")

    # The same files from elsewhere.
    page = visits.visit(good_token(), elsewhere)
    page.wait_for("#status", text=f"refused: {foreign}")
    visits.leave()
