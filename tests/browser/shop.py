"""A whole node in this process for the tests of the pages: dev chain, engine, server.

The test holds all its parts, so that it can pay, mine, cut connections and stop the
clock of nobody but its own node. Its greenlets are those of a real one.

    with shop() as node:
        payment = node.create(50_000)
        page.goto(node.url(payment))
        node.chain.pay(payment.terms.address, 50_000)
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from actors.edge.gateway import ActorGateway
from actors.messages import Nudge
from actors.node import Node, Settings
from actors.root import FeedConfig, build_tree
from engine.errors.codes import Code
from engine.payment.model import Payment, Terms
from engine.runtime.clock import GeventClock
from engine.runtime.dispatcher import GeventDispatcher
from engine.secrets.vault import Vault
from engine.store.sqlite.store import SqliteStore
from tests.tools.ports import free_ports
from tests.tools.wait import wait_until
from transport.devchain.chain import DevChain
from transport.outbound.webhook import WebhookSender
from transport.server.refusal import problem
from transport.server.server import Server
from transport.server.websocket.connection import WebSocket
from transport.web_app import WebParts, web_parts

__all__ = ["Shop", "shop"]

HOUR_MS = 3_600_000


class Shop:
    """One node, and what a test does with it."""

    def __init__(self, folder: Path, api_key: str | None = None) -> None:
        self.chain = DevChain(seed=7)
        self.clock, self.dispatcher = GeventClock(), GeventDispatcher()
        self.node = Node(self.clock, self.dispatcher, Random(7), Settings())
        self.store = SqliteStore(str(folder / "shop.db"))
        self.vault = Vault(os.urandom(32))
        sender = WebhookSender("0", allow_private=True)
        self.root = build_tree(
            self.node,
            writer=self.store.writer,
            reader=self.store.reader,
            feeds=[FeedConfig("devchain", self.chain, by_block=True)],
            vault=self.vault,
            sender=sender,
            give_up=print,
        )
        self.gateway = ActorGateway(self.node, self.store.reader, self.vault)
        parts = WebParts(
            gateway=self.gateway,
            vault=self.vault,
            sender=sender,
            version="0",
            network="regtest",
            api_key=api_key,
            webhook_btc_secret=None,
            address_source=self.chain.new_address,
            allow_private_webhooks=True,
        )
        self._app, self.live = web_parts(parts)
        self.refuse_websockets = False
        self.deaf = False  # new WebSockets open, and stay silent
        (self._port,) = free_ports(1)
        self.server = Server(self._app, self._routes, "127.0.0.1", self._port)
        self._numbers = itertools.count(1)

    def start(self) -> None:
        self.clock.start()
        self.dispatcher.start()
        self.root.start()
        self.chain.subscribe(self._nudge)
        self.server.start()
        wait_until(lambda: self.node.health.booted, 10, "the node to be ready")
        wait_until(
            lambda: self.node.source_report.now.freshness.live,
            10,
            "the source to answer",
        )

    def stop(self) -> None:
        self.server.stop(2.0)
        self.root.stop()
        wait_until(lambda: not self.node.journal.is_alive, 5, "the journal to stop")
        self.dispatcher.stop(0.2)
        self.clock.stop()
        self.store.close()

    def _nudge(self) -> None:
        self.node.source.tell(Nudge())

    def create(self, amount_sat: int | None = 50_000, **terms: Any) -> Payment:
        """A payment to a fresh address, one hour long, of two confirmations."""
        now = self.gateway.now()
        number = next(self._numbers)
        wanted: dict[str, Any] = {
            "id": f"pay_{number:04d}_{os.urandom(6).hex()}",
            "network": "regtest",
            "address": self.chain.new_address(),
            "amount_sat": amount_sat,
            "created_at": now,
            "expires_at": now + HOUR_MS,
            "monitor_until": now + 24 * HOUR_MS,
            "external_id": f"order-{number}",
            "confirmations_required": 2,
        }
        made = self.gateway.create([Terms(**{**wanted, **terms})])[0]
        assert isinstance(made, Payment)
        return made

    def payment(self, payment: Payment) -> Payment:
        """As it is now."""
        found = self.gateway.payment(payment.id)
        assert found is not None
        return found

    def url(self, payment: Payment | str, suffix: str = "") -> str:
        name = payment if isinstance(payment, str) else payment.id
        return f"http://127.0.0.1:{self.server.port}/pay/{name}{suffix}"

    def close_server(self) -> None:
        """Nobody answers at its port any more."""
        self.server.stop(0.5)

    def open_server(self) -> None:
        """Again, at the same port."""
        self.server = Server(self._app, self._routes, "127.0.0.1", self._port)
        self.server.start()

    def cut_websockets(self) -> int:
        """Close every WebSocket from this side; how many there were."""
        listener = self.server._listener
        open_now = tuple(listener.websockets)
        for websocket in open_now:
            websocket.close(1001, "server stops")
        return len(open_now)

    def _routes(self, environ: dict[str, Any]) -> Any:
        answer = self.live(environ)
        if answer is None:
            return None
        if self.refuse_websockets:
            return problem(Code.OVERLOADED, "No WebSockets get through here.")
        return _stay_silent if self.deaf else answer


class _StaysSilent:
    def on_message(self, message: str | bytes) -> None:
        """Not heard."""

    def ended(self) -> None:
        """Nothing is kept."""


def _stay_silent(websocket: WebSocket) -> None:
    websocket.listen(_StaysSilent())


@contextlib.contextmanager
def shop(folder: Path, api_key: str | None = None) -> Iterator[Shop]:
    """A running node with its database in `folder`. `api_key`: one of the node."""
    running = Shop(folder, api_key)
    running.start()
    try:
        yield running
    finally:
        running.stop()
