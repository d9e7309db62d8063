"""`run.py demo`: a payment from creation to "paid", before the reader's eyes.

It starts a whole node on a temporary database with the dev chain, speaks to it only
through its public interface (as a shop would), and then keeps serving.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Callable
from typing import Any

import click
import gevent
from gevent.event import Event
from gevent.pywsgi import WSGIServer

from transport.cli.client import CallFailed, NodeClient

__all__ = ["run"]

AMOUNT_SAT = 50_000
CONFIRMATIONS = 2
STEP_S = 1.2  # slow enough to read along

Open = Callable[[str, str], Any]
Serve = Callable[[Any, Callable[[str], None]], int]


def run(open_installation: Open, serve: Serve, *, once: bool) -> int:
    """Start the node and play the demo beside it; the process's exit code."""
    with tempfile.TemporaryDirectory(prefix="paybell-demo-") as folder:
        key = f"demo_{secrets.token_urlsafe(12)}"
        installation = open_installation(f"{folder}/demo.db", key)
        failed = Event()

        def ready(url: str) -> None:
            gevent.spawn(_play, url, key, installation, failed, once=once)

        code = serve(installation, ready)
        return 1 if failed.is_set() else code


def _play(url: str, key: str, installation: Any, failed: Event, *, once: bool) -> None:
    shop = _Shop()
    try:
        payment = _tell_story(NodeClient(url, key), shop)
    except (CallFailed, gevent.Timeout) as error:
        click.secho(f"the demo failed: {error}", fg="red", err=True)
        failed.set()
        installation.gave_up.set("the demo failed")
        return
    finally:
        shop.stop()
    click.echo()
    click.echo(f"The checkout page of this payment:  {url}{payment['checkout_url']}")
    second = _create(NodeClient(url, key))
    click.echo(f"One that waits to be paid:          {url}{second['checkout_url']}")
    click.echo(f"  pay it:   .venv/bin/python run.py pay {second['address']}"
               f" {AMOUNT_SAT} --mine {CONFIRMATIONS} --url {url}")  # fmt: skip
    click.echo(f"  API key:  {key}   (this demo's only; docs: {url}/docs)")
    click.echo()
    if once:
        installation.gave_up.set("")
    else:
        click.echo("Serving. Ctrl-C ends it.")


def _create(node: NodeClient) -> dict[str, Any]:
    payment: dict[str, Any] = node.post(
        "/v1/payments",
        {
            "method": "onchain",
            "amount_sat": AMOUNT_SAT,
            "confirmations": CONFIRMATIONS,
            "external_id": f"order-{secrets.token_hex(3)}",
        },
    )
    return payment


def _tell_story(node: NodeClient, shop: _Shop) -> dict[str, Any]:
    _say("node", f"listening on {node.base_url}, dev chain, temporary database")
    node.post("/v1/channels", {"url": shop.url})
    _say("shop", f"asks to be told by webhook at {shop.url}")
    payment = _create(node)
    _say("shop", f"creates {payment['external_id']} over {AMOUNT_SAT} sat:")
    _say("", f"{payment['uri']}")
    browser = gevent.spawn(_follow, node, payment["address"])
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
    with gevent.Timeout(15):
        browser.join()
        shop.confirmed.wait()
    _say("shop", "ships the goods", fg="green")
    return payment


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
    click.echo(f"{click.style(f'{who:>9}', bold=True)}  {click.style(what, fg=fg)}")


class _Shop:
    """The shop's webhook receiver, on a free port of this machine."""

    def __init__(self) -> None:
        self.confirmed = Event()
        self._server = WSGIServer(("127.0.0.1", 0), self._receive, log=None)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/paybell"

    def stop(self) -> None:
        self._server.stop(timeout=1)

    def _receive(self, environ: Any, start_response: Any) -> list[bytes]:
        body = json.loads(environ["wsgi.input"].read(65_536))
        _say("shop", f"webhook {environ['HTTP_WEBHOOK_ID']}: {body['type']}", "magenta")
        if body["type"] == "payment.confirmed":
            self.confirmed.set()
        start_response("204 No Content", [])
        return []
