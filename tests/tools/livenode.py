"""A whole node with the live edges on a real socket, and plain clients for it.

    with live_node(tmp_path) as node:
        payment = node.create(amount_sat=1_000)
        client = node.watch(payment.address)
        assert client.recv_json()["type"] == "state"
        node.chain.pay(payment.address, 1_000)

The chain is the dev chain; the API key is `KEY`, the webhook secret `SECRET`.
"""

import hashlib
import hmac
import http.client
import itertools
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from actors.edge.gateway import ActorGateway
from actors.messages import Nudge
from actors.node import Node, Settings
from actors.root import FeedConfig, build_tree
from engine.payment.model import Payment, Terms
from engine.runtime.clock import GeventClock
from engine.runtime.dispatcher import GeventDispatcher
from engine.runtime.ref import Ref
from engine.secrets.vault import Vault
from engine.store.sqlite.store import SqliteStore
from tests.tools.sseclient import SseClient
from tests.tools.wait import wait_until
from tests.tools.wsclient import WsClient, connect
from transport.devchain.chain import DevChain
from transport.http.auth import Auth
from transport.http.bottle_app import Api
from transport.http.site_tokens import SiteTokens
from transport.http.strangers import StrangerLimits, Strangers
from transport.inbound import webhooks
from transport.live import journal_stream as events
from transport.live import polling, sse
from transport.live.audience import Audience
from transport.live.doors import Doors
from transport.live.encoding import Frames
from transport.live.routes import LiveRoutes
from transport.live.socketio.composition import socketio_engine
from transport.live.socketio.engine import Engine
from transport.live.socketio.limits import SocketioLimits
from transport.live.socketio.mount import Mount
from transport.outbound.webhook import WebhookSender
from transport.server.limits import ServerLimits
from transport.server.server import Server

__all__ = ["INSIDER", "KEY", "SECRET", "Answer", "LiveNode", "live_node"]

KEY = "pbk_" + "k" * 43
SECRET = "a provider's secret"
INSIDER = {"Authorization": f"Bearer {KEY}"}

_numbers = itertools.count(1)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class LiveNode:
    """A node that runs. Made by `live_node`."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        limits = ServerLimits(**options.pop("limits", {}))
        port = options.pop("port", 0)  # named where the server is started again
        origins = options.pop("origins", ())
        proxies = options.pop("trusted_proxies", ())
        secret = options.pop("secret", SECRET)
        webhook = options.pop("webhook", {})
        live = options.pop("live", {})
        salon = options.pop("salon", None)
        stream = options.pop("stream", {})
        socketio = options.pop("socketio", None)
        self._send_buffer: int | None = options.pop("send_buffer", None)
        self.chain = DevChain()
        self.clock = GeventClock()
        self.dispatcher = GeventDispatcher()
        self.node = Node(self.clock, self.dispatcher, Random(1), Settings(**options))
        database = str(folder / "node.db")
        self.store = SqliteStore(database)
        self.vault = Vault(os.urandom(32))
        self.root = build_tree(
            self.node,
            writer=self.store.writer,
            reader=self.store.inner_reader,
            client_reader=self.store.reader,
            feeds=[FeedConfig("devchain", self.chain, by_block=True)],
            vault=self.vault,
            sender=WebhookSender("0", allow_private=True),
            give_up=lambda _text: None,
        )
        self.gateway = ActorGateway(
            self.node, self.store.reader, self.vault, orders=self.store.inner_reader
        )
        # All clients of a test have one address; what it may ask is not the matter.
        self.api = Api(Strangers(StrangerLimits(rate_per_s=1e6, burst=1_000_000)))
        frames = Frames(self.gateway.epochs().present)
        auth = Auth(self.gateway, KEY)
        keep_alive = (
            {"keep_alive_s": stream["keep_alive_s"]}
            if ("keep_alive_s" in stream)
            else {}
        )
        events.routes(
            self.api, self.gateway, auth.require, frames, auth.is_active, **keep_alive
        )
        audience = Audience(frames, self.vault, auth.require)
        sse.routes(self.api, self.gateway, audience, origins, **stream)
        webhooks.routes(self.api, self.gateway, secret, self.vault, **webhook)
        doors = Doors(SiteTokens(self.gateway, self.vault), salon) if salon else None
        live = {"doors": doors, **live}
        self.live = LiveRoutes(
            self.gateway, self.vault, frames, require=auth.require, **live
        )
        wait_s = self.live.identify_wait_s
        polling.routes(
            self.api,
            self.gateway,
            audience,
            self.vault,
            origins,
            strangers=Strangers(StrangerLimits(rate_per_s=1e6, burst=1_000_000)),
            identify_wait_s=wait_s,
        )
        if socketio is not None:
            self.socketio = self._socketio(origins, **socketio)
        self.server = Server(
            self.api,
            self.live,
            "127.0.0.1",
            port,
            limits,
            origins=origins,
            trusted_proxies=proxies,
        )

    def _socketio(
        self, origins: Any, salon: str | None = None, **limits: Any
    ) -> Engine:
        engine = socketio_engine(
            self.gateway,
            SiteTokens(self.gateway, self.vault),
            Frames(self.gateway.epochs().present),
            self.live,
            salon=salon,
            origins=origins,
            limits=SocketioLimits(**limits),
        )
        mount = Mount(lambda: True, lambda: engine)
        mount.add_to(self.api)
        self.live.also_ask(mount.route)
        return engine

    def start(self) -> None:
        self.clock.start()
        self.dispatcher.start()
        self.root.start()
        self.chain.subscribe(self._nudge)
        self.server.start()
        if self._send_buffer is not None:
            # Accepted sockets inherit it, and the kernel no longer tunes it: tcp(7).
            self.server._listener.socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer
            )
        wait_until(
            lambda: (
                self.node.health.booted and self.node.source_report.now.freshness.live
            ),
            10,
            "the node to be ready",
        )

    def _nudge(self) -> None:
        self.node.source.tell(Nudge())

    def stop(self) -> None:
        self.server.stop(2)
        self.root.stop()
        wait_until(lambda: not self.node.journal.is_alive, 5, "the journal to end")
        self.dispatcher.stop(1)
        self.clock.stop()
        self.store.close()

    # What tests do

    def sessions(self) -> list[Ref]:
        """Those that are open, as only a test may look at them."""
        router: Any = self.node.router.actor
        return list(router._sessions)

    def create(self, **terms: Any) -> Terms:
        """A payment at a fresh address, committed."""
        now = self.gateway.now()
        wanted = {
            "id": f"pay_{next(_numbers)}",
            "network": "regtest",
            "address": terms.get("address") or self.chain.new_address(),
            "amount_sat": 1_000,
            "confirmations_required": 2,
            "created_at": now,
            "expires_at": now + 3_600_000,
            "monitor_until": now + 90_000_000,
            **terms,
        }
        (created,) = self.gateway.create((Terms(**wanted),))
        assert isinstance(created, Payment)
        return created.terms

    def watch(
        self, address: str, query: str = "", *, stranger: bool = False, **options: Any
    ) -> WsClient:
        """A client of one payment, or its refusal; with the API key, but a stranger.
        Without a `since` it has its state already: else that could hold what the test
        makes happen next."""
        path = f"/ws/balance/{address}{query}"
        if not stranger:
            options["headers"] = {**INSIDER, **options.get("headers", {})}
        client = connect("127.0.0.1", self.server.port, path, **options)
        if client.accepted and "since" not in query:
            client.wait_for_frame()
        return client

    def talk(self, **options: Any) -> WsClient:
        """A client on /ws, greeted."""
        client = connect("127.0.0.1", self.server.port, "/ws", **options)
        assert client.recv_json()["type"] == "connected"
        return client

    def stream(self, path: str, **headers: str) -> SseClient:
        """An event stream, or its refusal: a stranger's, unless a header is a key. One
        of a payment has its state already, as in `watch`."""
        client = SseClient("127.0.0.1", self.server.port, path, headers)
        if client.status == 200 and path.startswith("/events/balance/"):
            client.wait_for_event()
        return client

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = 60,
    ) -> Answer:
        link = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout_s)
        try:
            link.request(method, path, body, headers or {})
            got = link.getresponse()
            names = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, names, got.read())
        finally:
            link.close()

    def api_get(self, path: str, **options: Any) -> Answer:
        return self.ask(path, headers=INSIDER, **options)

    def tell_webhook(
        self, body: bytes | dict[str, Any], secret: str = SECRET, prefix: str = ""
    ) -> Answer:
        """POST /webhook/btc, signed."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Signature": prefix + signature,
        }
        return self.ask("/webhook/btc", method="POST", body=raw, headers=headers)

    def seqs(self, payment_id: str) -> list[tuple[int, str]]:
        """The story of a payment as the journal has it."""
        found = self.gateway.history(payment_id, 0, 1_000)
        return [(stored.seq, str(stored.event.type)) for stored in found]

    def wait_for_seq(self, payment_id: str, seq: int) -> None:
        def reached() -> bool:
            payment = self.gateway.payment(payment_id)
            return payment is not None and payment.seq >= seq

        wait_until(reached, 10, f"{payment_id} to have {seq} events")

    def wait_for(self, payment_id: str, status: str, timeout_s: float = 10) -> Payment:
        def reached() -> Payment | None:
            payment = self.gateway.payment(payment_id)
            return payment if payment and payment.status == status else None

        found = wait_until(reached, timeout_s, f"{payment_id} to be {status}")
        assert found is not None
        return found


@contextmanager
def live_node(folder: Path, **options: Any) -> Iterator[LiveNode]:
    """`options` are `Settings`, and: port, limits, origins, trusted_proxies, secret,
    webhook, live, stream, salon (the merchant whose invoices need no token)."""
    node = LiveNode(folder, options)
    node.start()
    try:
        yield node
    finally:
        node.stop()
