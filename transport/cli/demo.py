"""`paybell demo`: a payment from creation to "paid", before the reader's eyes.

It starts a whole node on a temporary database, speaks to it only through its public
interface (as a shop would), and then keeps serving. A `Scenario` says how the payment
is paid: here on the dev chain, in `demo_lightning.py` over Lightning.
"""

from __future__ import annotations

import json
import secrets
import socket
import tempfile
from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent.event import Event
from gevent.pywsgi import WSGIServer

from transport.cli.client import CallFailed, NodeClient
from transport.cli.words import say, style

__all__ = [
    "AMOUNT",
    "PATIENCE_S",
    "RATES",
    "STEP_S",
    "OnChain",
    "Scenario",
    "run",
    "say_as",
    "usable_port",
]

HOST = "127.0.0.1"

RATES = {"rates": "fixed:EUR=50000"}
"""Settings of the demo's node: what it charges asks nobody."""

AMOUNT = "25.00"  # euro
CONFIRMATIONS = 2
STEP_S = 1.2  # slow enough to read along
PATIENCE_S = 60.0  # where all else is slow, too

Open = Callable[[str, str], Any]
Serve = Callable[[Any, Callable[[str], None]], int]


class Scenario(Protocol):
    """What is told of one payment."""

    place: str  # where money is, a line of words

    def begin(self, node: NodeClient) -> None:
        """Wait for what the story needs."""

    def terms(self) -> dict[str, Any]:
        """What the shop asks for, beside amount and order."""

    def followed_by(self, payment: dict[str, Any]) -> str:
        """What stands in the address of its stream."""

    def pay(self, node: NodeClient, payment: dict[str, Any]) -> None:
        """The customer pays, in as many steps as there are to see."""

    def how_to_pay(self, payment: dict[str, Any], url: str) -> str:
        """The command that pays one more."""


class OnChain:
    """A `Scenario` on the dev chain."""

    place = "dev chain, temporary database"

    def begin(self, node: NodeClient) -> None:
        pass

    def terms(self) -> dict[str, Any]:
        return {"method": "onchain", "confirmations": CONFIRMATIONS}

    def followed_by(self, payment: dict[str, Any]) -> str:
        return str(payment["address"])

    def pay(self, node: NodeClient, payment: dict[str, Any]) -> None:
        paid = {"address": payment["address"], "amount_sat": payment["amount_sat"]}
        txid = node.post("/dev/pay", paid)["txid"]
        say_as("customer", f"pays; transaction {txid[:16]}…")
        gevent.sleep(STEP_S)
        for _ in range(CONFIRMATIONS):
            say_as("miner", "finds a block")
            node.post("/dev/mine", {"blocks": 1})
            gevent.sleep(STEP_S)

    def how_to_pay(self, payment: dict[str, Any], url: str) -> str:
        return (
            f".venv/bin/python run.py pay {payment['address']} {payment['amount_sat']}"
            f" --mine {CONFIRMATIONS} --url {url}"
        )


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


def run(
    open_installation: Open, serve: Serve, story: Scenario | None = None, *, once: bool
) -> int:
    """Start the node and play the demo beside it; the process's exit code."""
    with tempfile.TemporaryDirectory(prefix="paybell-demo-") as folder:
        key = f"demo_{secrets.token_urlsafe(12)}"
        installation = open_installation(f"{folder}/demo.db", key)
        failed = Event()
        shop = _Shop()

        def ready(url: str) -> None:
            gevent.spawn(
                _play,
                NodeClient(url, key),
                story or OnChain(),
                installation,
                shop,
                failed,
                key,
                once=once,
            )

        try:
            code = serve(installation, ready)
        finally:
            shop.stop()
        return 1 if failed.is_set() else code


def _play(
    node: NodeClient,
    story: Scenario,
    installation: Any,
    shop: _Shop,
    failed: Event,
    key: str,
    *,
    once: bool,
) -> None:
    try:
        payment = _tell(story, node, shop)
        second = _create(story, node)
    except (CallFailed, OSError) as error:
        if installation.server.stopping.is_set():
            return  # Ctrl-C in the middle of the story
        say(style(f"the demo failed: {error}", "red"), err=True)
        failed.set()
        installation.gave_up.set("")
        return
    url = node.base_url
    say("")
    say(f"The checkout page of this payment:  {url}{payment['checkout_url']}")
    say(f"One that is still unpaid:            {url}{second['checkout_url']}")
    say(f"  pay it:   {story.how_to_pay(second, url)}")
    say(f"  API key:  {key}   (this demo's only; docs: {url}/docs)")
    say("")
    if once:
        installation.gave_up.set("")
    else:
        say("Serving. Ctrl-C ends it; nothing is kept.")
        # The shop goes on listening: it is told of the second payment, too.


def _create(story: Scenario, node: NodeClient) -> dict[str, Any]:
    order = {"external_id": f"order-{secrets.token_hex(3)}"}
    amount = {"amount": AMOUNT, "currency": "EUR"}
    payment: dict[str, Any] = node.post(
        "/v1/payments", {**story.terms(), **amount, **order}
    )
    return payment


def _tell(story: Scenario, node: NodeClient, shop: _Shop) -> dict[str, Any]:
    say_as("node", f"listening on {node.base_url}, {story.place}")
    story.begin(node)
    node.post("/v1/channels", {"url": shop.url})
    say_as("shop", f"asks for webhooks at {shop.url}")
    payment = _create(story, node)
    sums = f"{AMOUNT} EUR, {payment['amount_sat']} sat"
    say_as("shop", f"creates {payment['external_id']} over {sums}:")
    say_as("", f"{payment['uri']}")
    browser = gevent.spawn(_browse, node, story.followed_by(payment))
    gevent.sleep(STEP_S)
    story.pay(node, payment)
    browser.join(PATIENCE_S)
    if not browser.ready() or not shop.confirmed.wait(PATIENCE_S):
        raise CallFailed(f"it was not told within {PATIENCE_S:.0f} s that it is paid")
    say_as("shop", "ships the goods", fg="green")
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
            say_as("browser", _words(event), fg="cyan")
            if event["type"] == "payment.confirmed":
                return


def _words(event: dict[str, Any]) -> str:
    words = f"{event['type']}  ({event['status']}"
    if event["confirmations_required"]:  # Lightning has none
        words += f", {event['confirmations']} of {event['confirmations_required']}"
        words += " confirmations"
    return f"{words})"


def say_as(who: str, what: str, fg: str | None = None) -> None:
    """A line of the story."""
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
        say_as(
            "shop", f"webhook {environ['HTTP_WEBHOOK_ID']}: {body['type']}", "magenta"
        )
        if body["type"] == "payment.confirmed":
            self.confirmed.set()
        start_response("204 No Content", [])
        return []
