"""`run.py demo`: a payment from creation to "paid", before the reader's eyes.

It starts a whole node on a temporary database with the dev chain, speaks to it only
through its public interface (as a shop would), and then keeps serving.
"""

from __future__ import annotations

import json
import secrets
import socket
import tempfile
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event
from gevent.pywsgi import WSGIServer

from transport.cli.client import CallFailed, NodeClient
from transport.cli.words import say, style

__all__ = ["run", "usable_port"]

HOST = "127.0.0.1"

RATES = {"rates": "fixed:EUR=50000"}
"""Settings of the demo's node: what it charges asks nobody."""

AMOUNT, AMOUNT_SAT = "25.00", 50_000  # euro, and what they are at that rate
CONFIRMATIONS = 2
STEP_S = 1.2  # slow enough to read along
PATIENCE_S = 10.0

Open = Callable[[str, str], Any]
Serve = Callable[[Any, Callable[[str], None]], int]


def usable_port(port: int) -> int:
    """`port`, or 0 (any free one) with a word about it when somebody listens there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            why = error.strerror or str(error)
            say(f"port {port} cannot be used ({why}); using a free one")
            return 0
    return port


def run(open_installation: Open, serve: Serve, *, once: bool) -> int:
    """Start the node and play the demo beside it; the process's exit code."""
    with tempfile.TemporaryDirectory(prefix="paybell-demo-") as folder:
        key = f"demo_{secrets.token_urlsafe(12)}"
        installation = open_installation(f"{folder}/demo.db", key)
        failed = Event()
        shop = _Shop()

        def ready(url: str) -> None:
            gevent.spawn(_play, url, key, installation, shop, failed, once=once)

        try:
            code = serve(installation, ready)
        finally:
            shop.stop()
        return 1 if failed.is_set() else code


def _play(
    url: str,
    key: str,
    installation: Any,
    shop: _Shop,
    failed: Event,
    *,
    once: bool,
) -> None:
    try:
        node = NodeClient(url, key)
        payment = _tell_story(node, shop)
        second = _create(node)
    except (CallFailed, OSError) as error:
        if installation.server.stopping.is_set():
            return  # Ctrl-C in the middle of the story
        say(style(f"the demo failed: {error}", "red"), err=True)
        failed.set()
        installation.gave_up.set("")
        return
    say("")
    say(f"The checkout page of this payment:  {url}{payment['checkout_url']}")
    say(f"One that is still unpaid:            {url}{second['checkout_url']}")
    say(f"  pay it:   .venv/bin/python run.py pay {second['address']}"
               f" {AMOUNT_SAT} --mine {CONFIRMATIONS} --url {url}")  # fmt: skip
    say(f"  API key:  {key}   (this demo's only; docs: {url}/docs)")
    say("")
    if once:
        installation.gave_up.set("")
    else:
        say("Serving. Ctrl-C ends it; nothing is kept.")
        # The shop goes on listening: it is told of the second payment, too.


def _create(node: NodeClient) -> dict[str, Any]:
    payment: dict[str, Any] = node.post(
        "/v1/payments",
        {
            "method": "onchain",
            "amount": AMOUNT,
            "currency": "EUR",
            "confirmations": CONFIRMATIONS,
            "external_id": f"order-{secrets.token_hex(3)}",
        },
    )
    return payment


def _tell_story(node: NodeClient, shop: _Shop) -> dict[str, Any]:
    _say("node", f"listening on {node.base_url}, dev chain, temporary database")
    node.post("/v1/channels", {"url": shop.url})
    _say("shop", f"asks for webhooks at {shop.url}")
    payment = _create(node)
    sums = f"{AMOUNT} EUR, {payment['amount_sat']} sat"
    _say("shop", f"creates {payment['external_id']} over {sums}:")
    _say("", f"{payment['uri']}")
    browser = gevent.spawn(_browse, node, payment["address"])
    gevent.sleep(STEP_S)
    txid = node.post(
        "/dev/pay", {"address": payment["address"], "amount_sat": AMOUNT_SAT}
    )["txid"]
    _say("customer", f"pays; transaction {txid[:16]}…")
    gevent.sleep(STEP_S)
    for _ in range(CONFIRMATIONS):
        _say("miner", "finds a block")
        node.post("/dev/mine", {"blocks": 1})
        gevent.sleep(STEP_S)
    browser.join(PATIENCE_S)
    if not browser.ready() or not shop.confirmed.wait(PATIENCE_S):
        raise CallFailed(f"it was not told within {PATIENCE_S:.0f} s that it is paid")
    _say("shop", "ships the goods", fg="green")
    return payment


def _browse(node: NodeClient, address: str) -> None:
    try:
        _follow(node, address)
    except (CallFailed, OSError):  # the node is stopping; who waits for us will see
        return


def _follow(node: NodeClient, address: str) -> None:
    """The browser: follows the address over SSE until it is confirmed."""
    name = ""
    for line in node.stream(address, None).iter_lines(decode_unicode=True):
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:") and name.startswith("payment."):
            event = json.loads(line[5:])
            _say("browser", _words(event), fg="cyan")
            if event["type"] == "payment.confirmed":
                return


def _words(event: dict[str, Any]) -> str:
    depth = f"{event['confirmations']} of {event['confirmations_required']}"
    return f"{event['type']}  ({event['status']}, {depth} confirmations)"


def _say(who: str, what: str, fg: str | None = None) -> None:
    say(style(f"{who:>9}", bold=True), "  ", style(what, fg))


class _Shop:
    """The shop's webhook receiver, on a free port of this machine."""

    def __init__(self) -> None:
        self.confirmed = Event()
        self._server = WSGIServer((HOST, 0), self._receive, log=None)
        self._server.start()
        self.url = f"http://{HOST}:{self._server.server_port}/paybell"

    def stop(self) -> None:
        self._server.stop(timeout=0.2)

    def _receive(self, environ: Any, start_response: Any) -> list[bytes]:
        body = json.loads(environ["wsgi.input"].read(65_536))
        _say("shop", f"webhook {environ['HTTP_WEBHOOK_ID']}: {body['type']}", "magenta")
        if body["type"] == "payment.confirmed":
            self.confirmed.set()
        start_response("204 No Content", [])
        return []
