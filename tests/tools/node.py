"""A whole node in this process: dev chain, engine, server; for tests of any edge.

    with running_node() as node:
        payment = node.post("/v1/payments", {"amount_sat": 1000}).json()
        node.chain.pay(payment["address"], 1000)
        node.wait_for_status(payment["id"], "confirming")

The test holds all the parts. Nothing outlives the `with`.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import requests

from actors.edge.gateway import ActorGateway
from actors.messages import Nudge
from actors.node import Node, Settings
from actors.root import FeedConfig, build_tree
from engine.lightning.account import Account
from engine.lightning.node import LightningNode
from engine.merchants.gateway_mapping import GatewayMapping
from engine.merchants.scopes import Scope, default_scopes
from engine.money.rates import Policy
from engine.ports import ChannelSender, RateProvider
from engine.runtime.clock import GeventClock
from engine.runtime.dispatcher import GeventDispatcher
from engine.secrets.vault import Vault
from engine.store.sqlite.store import SqliteStore
from engine.store.writes import ApiKey
from engine.wallet.forwards import Forwards
from tests.tools.wait import PATIENCE, wait_until
from transport.control.app import control_app
from transport.devchain.chain import DevChain
from transport.http.auth import Auth, KeyLimits, hash_key, new_key
from transport.http.bottle_app import ApiSettings
from transport.inbound.gateways import Gateways
from transport.outbound.webhook import WebhookSender
from transport.server.server import Server
from transport.web_app import WebParts, web_parts

__all__ = ["RunningNode", "running_node"]

PATIENCE_S = 10.0
VERSION = "0.1.0-test"


class RunningNode:
    """One node, and what a test does with it. Made by `running_node` only."""

    def __init__(
        self,
        folder: Path,
        api_key: str,
        sender: ChannelSender | None,
        prepare: Callable[[Path, Vault], None] | None = None,
        rates: tuple[Sequence[RateProvider], Policy] = ((), Policy()),
        forwards: Callable[[DevChain], Forwards] | None = None,
        lightning: Sequence[tuple[Account, LightningNode]] = (),
    ) -> None:
        self.api_key = api_key
        self.database = folder / "node.db"
        self.chain = DevChain()
        self.clock, self.dispatcher = GeventClock(), GeventDispatcher()
        self.node = Node(self.clock, self.dispatcher, Random(), Settings())
        self.vault = Vault(os.urandom(32))
        self.sender = sender or WebhookSender(VERSION, allow_private=True)
        if prepare is not None:
            prepare(self.database, self.vault)
        self._store = SqliteStore(self.database)
        self.gave_up: list[str] = []
        self.root = build_tree(
            self.node,
            writer=self._store.writer,
            reader=self._store.inner_reader,
            client_reader=self._store.reader,
            feeds=[FeedConfig("devchain", self.chain, by_block=True, every_s=0.2)],
            vault=self.vault,
            sender=self.sender,
            give_up=self.gave_up.append,
            rates=rates,
            forwards=None if forwards is None else forwards(self.chain),
            lightning=lightning,
        )
        self.gateway = ActorGateway(
            self.node, self._store.reader, self.vault, orders=self._store.inner_reader
        )
        self.session = requests.Session()
        self.session.trust_env = False
        self.url = ""
        self.live: Any = None  # `LiveRoutes`, where all is served

    # -- asking the API ----------------------------------------------------------------

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """With the node's key, unless the headers name another (or None: without)."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        headers |= options.pop("headers", {})
        kept = {name: value for name, value in headers.items() if value is not None}
        return self.session.request(
            method,
            self.url + path,
            headers=kept,
            timeout=PATIENCE_S * PATIENCE,
            allow_redirects=False,
            **options,
        )

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.call("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> requests.Response:
        return self.call("POST", path, json=body, headers=headers)

    def create(self, **fields: Any) -> dict[str, Any]:
        """A payment as the API shows it, its client_secret with it."""
        if "amount_sat" not in fields:
            fields = {**fields, "any_amount": True}
        response = self.post("/v1/payments", fields)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()
        return created

    def payment(self, payment_id: str) -> dict[str, Any]:
        response = self.get(f"/v1/payments/{payment_id}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def wait_for_status(self, payment_id: str, status: str) -> dict[str, Any]:
        """The payment once it has the status; fails after some seconds."""

        def reached() -> dict[str, Any] | None:
            found = self.payment(payment_id)
            return found if found["status"] == status else None

        found = wait_until(reached, PATIENCE_S, f"{payment_id} to be {status}")
        assert found is not None
        return found

    def add_key(
        self, merchant: str | None = None, name: str = "test", *more: Scope
    ) -> str:
        """A new API key, for one merchant or for the whole node; with more scopes than
        are usual."""
        return self._add_key(merchant, name, (*default_scopes(merchant), *more))

    def add_till_key(self, merchant: str) -> str:
        """One with which the page /pos is opened."""
        return self._add_key(merchant, "till", (Scope.READ, Scope.CREATE))

    def _add_key(
        self, merchant: str | None, name: str, scopes: tuple[Scope, ...]
    ) -> str:
        key, now = new_key(), self.gateway.now()
        key_id = f"key_{os.urandom(6).hex()}"
        row = ApiKey(key_id, name, merchant, hash_key(key), now, scopes)
        self.gateway.save_key(row)
        return key

    # -- life --------------------------------------------------------------------------

    def start(self, app: Any, ws_routes: Any) -> None:
        self.live = ws_routes
        self.clock.start()
        self.dispatcher.start()
        self.root.start()
        self.chain.subscribe(self._nudge)
        self.server = Server(app, ws_routes, "127.0.0.1", 0)
        self.server.start()
        self.url = f"http://127.0.0.1:{self.server.port}"
        wait_until(
            lambda: (
                self.node.health.booted and self.node.source_report.now.freshness.live
            ),
            PATIENCE_S,
            "the node to be ready",
        )

    def _nudge(self) -> None:
        self.node.source.tell(Nudge())

    def stop(self) -> None:
        self.session.close()
        self.server.stop(2.0)
        self.root.stop()
        wait_until(
            lambda: self.root.is_stopped and not self.node.journal.is_alive,
            PATIENCE_S,
            "the node to stop",
        )
        self.dispatcher.stop(0.2)
        self.clock.stop()
        self._store.close()


@contextmanager
def running_node(
    *,
    api_key: str | None = None,
    sender: ChannelSender | None = None,
    auth_limits: KeyLimits | None = None,
    api: dict[str, Any] | None = None,
    web: dict[str, Any] | None = None,
    wrap: Callable[[Any], Any] | None = None,
    prepare: Callable[[Path, Vault], None] | None = None,
    mappings: Mapping[str, GatewayMapping] | None = None,
    rates: tuple[Sequence[RateProvider], Policy] = ((), Policy()),
    forwards: Callable[[DevChain], Forwards] | None = None,
    lightning: Sequence[tuple[Account, LightningNode]] = (),
) -> Iterator[RunningNode]:
    """A node on a free port, ready.

    All that a node serves, with `web` as further fields of `WebParts`; or, when `api`
    (fields of `ApiSettings`) or `auth_limits` is given, the control API alone. `wrap`
    may put a WSGI application of the test's own around it, `prepare` make the database
    that the node finds. `mappings` are those of its payment gateways; `rates`: who is
    asked what a bitcoin is worth; `forwards`: who signs, and how it is sent on;
    `lightning`: accounts, each with what speaks to it.
    """
    with tempfile.TemporaryDirectory(prefix="paybell-test-") as folder:
        node = RunningNode(
            Path(folder),
            api_key or new_key(),
            sender,
            prepare,
            rates,
            forwards,
            lightning,
        )
        if api is None and auth_limits is None:
            fields = {"gateways": _gateways(node, mappings or {}), **(web or {})}
            app, ws_routes = _everything(node, fields)
        else:
            app, ws_routes = _control(node, api or {}, auth_limits), _no_websockets
        node.start(wrap(app) if wrap else app, ws_routes)
        try:
            yield node
        finally:
            node.stop()


def _gateways(node: RunningNode, mappings: Mapping[str, GatewayMapping]) -> Gateways:
    return Gateways(node.gateway, node.vault, mappings, network="regtest")


def _everything(node: RunningNode, fields: dict[str, Any]) -> tuple[Any, Any]:
    defaults: dict[str, Any] = {
        "gateway": node.gateway,
        "vault": node.vault,
        "sender": node.sender,
        "version": VERSION,
        "network": "regtest",
        "api_key": node.api_key,
        "webhook_btc_secret": "test-webhook-secret-0123456789abcdef",
        "allow_private_webhooks": True,
        "address_source": node.chain.new_address,
    }
    return web_parts(WebParts(**{**defaults, **fields}))


def _control(
    node: RunningNode, fields: dict[str, Any], limits: KeyLimits | None
) -> Any:
    defaults: dict[str, Any] = {
        "network": "regtest",
        "version": VERSION,
        "sender": node.sender,
        "address_source": node.chain.new_address,
        "allow_private_webhooks": True,
    }
    auth = Auth(node.gateway, node.api_key, limits=limits)
    settings = ApiSettings(**{**defaults, **fields})
    return control_app(node.gateway, auth, node.vault, settings)


def _no_websockets(_environ: dict[str, Any]) -> None:
    return None
