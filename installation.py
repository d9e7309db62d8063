"""A running node, put together of its parts: the one place that sees all three houses.

Loaded by `run.py` for the commands that run a node; it patches gevent in before that.
"""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import gevent.event

from actors.edge.gateway import ActorGateway
from actors.edge.node_watch import NodeWatch
from actors.journal.historian import LOOK_S
from actors.messages import Nudge
from actors.node import Node, Settings
from actors.root import FeedConfig, build_tree
from engine.chain.broadcast import Broadcaster
from engine.config import Config, SourceConfig, load
from engine.errors import (
    CannotOpenStore,
    ConfigError,
    KeyFileError,
    StoreUnreadable,
)
from engine.lightning.account import Account
from engine.runtime.clock import GeventClock
from engine.runtime.dispatcher import GeventDispatcher
from engine.runtime.heap import put_aside
from engine.runtime.yielding import yield_to_hub
from engine.store.sqlite.store import SqliteStore
from transport.calling.trust import check_ca_file
from transport.chain.feeds import make_feed
from transport.cli import demo
from transport.cli.forwarding import forward_policy, make_forwards
from transport.cli.known_merchants import known_merchants
from transport.cli.lightning import make_nodes
from transport.cli.logs import start_logging, stop_logging
from transport.cli.process import announce, hear_hangups, wait_for
from transport.cli.running import run_until_stopped
from transport.cli.settings import fail
from transport.cli.starting import (
    CannotStart,
    alerting,
    asking_limits,
    in_url,
    key_limits,
    live_limits,
    lnurl_limits,
    mail_node,
    refuse_narrower_key,
    seed_limits,
    server_limits,
    socketio_limits,
    vault_of,
    warn_of_settings,
    webhook_limits,
)
from transport.cli.surroundings import warn_of_surroundings
from transport.cli.unlocking import keyring_of
from transport.cli.version import VERSION
from transport.http.strangers import StrangerLimits
from transport.inbound.gateways import Gateways
from transport.inbound.redis_gateways import reader_of
from transport.outbound.senders import make_senders
from transport.rates.providers import make_providers
from transport.server.allowed_hosts import AllowedHosts
from transport.server.server import Server
from transport.server.upgrade import LOCAL_PAGES, origin_of
from transport.web_app import WebParts, web_parts

if TYPE_CHECKING:  # it is loaded only where it is a source
    from transport.devchain.chain import DevChain

__all__ = ["Installation", "serve", "show"]

STOP_S = 9.0
"""SIGTERM: everything is done and exited within 10 s."""


class Installation:
    """One running node: database, actors and server. `start`, then `stop`.

    Making one opens the database but no port. Raises `CannotStart`.
    """

    def __init__(
        self, config: Config, log_counts: Callable[[], dict[str, int]] = dict
    ) -> None:
        self.config = config
        self._log_counts = log_counts
        self.chain: DevChain | None = None
        self.dev_way: Broadcaster | None = None
        try:
            check_ca_file()
            mail = mail_node(config)
            forward_policy(config)
        except ConfigError as error:
            raise CannotStart(str(error), 2) from error
        feeds = [self._feed(source) for source in config.sources]
        try:
            self.store = SqliteStore(config.db, config.network)
            self.vault = vault_of(config, self.store)
        except (CannotOpenStore, KeyFileError, StoreUnreadable) as error:
            raise CannotStart(str(error)) from error
        refuse_narrower_key(config.api_key, self.store.reader)
        merchants = known_merchants(config, self.store, self.vault)
        self.clock = GeventClock()
        self.dispatcher = GeventDispatcher(pool_size=4_096)
        settings = Settings(
            network=config.network,
            poll_by_hand_s=config.poll_by_hand_s,
            wallets=config.wallets,
            keep_answers_h=config.keep_answers_h,
        )
        self.node = Node(
            self.clock,
            self.dispatcher,
            Random(),  # spreads what would come at one moment; hides nothing
            settings,
            yield_to_hub=yield_to_hub,
            rest=gevent.sleep,
            merchants=merchants,
            keyring=keyring_of(config, self.store.reader),
        )
        self.sender = make_senders(
            VERSION,
            allow_private=config.allow_private_webhooks,
            allow_ports=config.allow_webhook_ports,
            redis=config.redis,
            redis_in=config.redis_stream,
            mail=mail,
            merchant=merchants.get,
            customer_email=lambda one: self.gateway.customer_email(one),  # noqa: PLW0108
        )
        self.gave_up: gevent.event.AsyncResult[str] = gevent.event.AsyncResult()
        self.root = build_tree(
            self.node,
            writer=self.store.writer,
            reader=self.store.inner_reader,
            client_reader=self.store.reader,
            feeds=feeds,
            vault=self.vault,
            sender=self.sender,
            streams=self.sender,
            give_up=self.gave_up.set,
            retention=config.retention,
            alerting=alerting(config, VERSION),
            rates=(make_providers(config.rates), config.rates_policy),
            forwards=make_forwards(config, self.node.keyring, self.dev_way),
            lightning=make_nodes(config),
            history_s=LOOK_S,
        )
        self.gateway = ActorGateway(
            self.node, self.store.reader, self.vault, orders=self.store.inner_reader
        )
        self.gateways = Gateways(
            self.gateway,
            self.vault,
            config.gateways,
            network=config.network,
            monitor_s=config.monitor_s,
        )
        self.redis = reader_of(config, self.gateways, NodeWatch(self.node))
        self.server = self._server()

    def start(self) -> str:
        """Start everything; the base URL once it listens."""
        put_aside()
        self.clock.start()
        self.dispatcher.start()
        self.root.start()
        if self.chain is not None:
            self.chain.subscribe(lambda: self.node.source.tell(Nudge()))
        self.server.start()
        if self.redis is not None:
            self.redis.start()
        url = f"http://{in_url(self.config.host)}:{self.server.port}"
        self.store.note(url)
        return url

    def stop(self) -> None:
        """Take no more, finish what is in flight, commit, close; at most `STOP_S`."""
        if self.redis is not None:
            self.redis.stop(1.0)
        self.server.stop(STOP_S - 4)
        busy = (self.node.journal, self.node.supervisor)
        wait_for(lambda: not any(ref.backlog for ref in busy), 1.5)
        self.root.stop()
        wait_for(lambda: self.root.is_stopped and not self.node.journal.is_alive, 1.0)
        self.dispatcher.stop(0.2)
        self.clock.stop()
        self.close()

    def close(self) -> None:
        """Close the database; the lock goes with the process at the latest."""
        self.store.close()

    def _feed(self, source: SourceConfig) -> FeedConfig:
        try:
            feed = make_feed(source, self.config)
        except ValueError as error:
            raise CannotStart(f"--source: {source.kind}: {error}", 2) from error
        if source.kind == "devchain":
            from transport.devchain.broadcast import DevBroadcaster
            from transport.devchain.chain import DevChain

            assert isinstance(feed, DevChain)
            self.chain, self.dev_way = feed, DevBroadcaster(feed)
        if source.kind != "esplora":
            return FeedConfig(
                source.kind, feed, by_block=True, operator=source.operator
            )
        return FeedConfig(
            source.kind,
            feed,
            by_block=False,
            operator=source.operator,
            every_s=5.0,
            per_minute=self.config.esplora_per_minute,
        )

    def _server(self) -> Server:
        config, public_url = self.config, self.config.public_url or ""
        origins = (*config.allowed_origins, *origin_of(public_url))
        if self.chain is not None:  # no money is real there
            origins = (*origins, *LOCAL_PAGES)
        app, ws_routes = web_parts(
            WebParts(
                gateway=self.gateway,
                vault=self.vault,
                sender=self.sender,
                version=VERSION,
                network=config.network,
                api_key=config.api_key,
                webhook_btc_secret=config.webhook_btc_secret,
                allowed_origins=origins,
                public_url=public_url,
                stranger_limits=StrangerLimits.of(config.anonymous_per_s),
                allow_private_webhooks=config.allow_private_webhooks,
                allow_webhook_ports=config.allow_webhook_ports,
                claim_window_s=config.claim_window_s,
                auth_limits=key_limits(config),
                asking_limits=asking_limits(config),
                webhook_limits=webhook_limits(config),
                max_merchants=config.max_merchants,
                max_keys=config.max_keys,
                seeds=config.seeds,
                socketio=socketio_limits(config),
                live_limits=live_limits(config),
                monitor_s=config.monitor_s,
                tolerance_sat=config.tolerance_sat,
                tolerance_percent=config.tolerance_percent,
                quorum_above_sat=config.quorum_above,
                accounts=config.lightning,
                gateways=self.gateways,
                redis=(lambda: reader.state) if (reader := self.redis) else None,
                independent_sources=len({s.operator for s in config.sources}),
                seed_limits=seed_limits(config),
                lnurl_limits=lnurl_limits(config),
                broadcasts_per_minute=config.broadcasts_per_minute,
                refund_claims_per_minute=config.refund_claims_per_minute,
                address_source=self.chain.new_address if self.chain else None,
                forwarding=forward_policy(config),
                log_counts=self._log_counts,
            )
        )
        if self.chain is not None:
            from transport.devchain.http_api import devchain_routes

            app.merge(devchain_routes(self.chain))
        limits = server_limits(config)
        ws_routes.keep_below(limits.connections)
        return Server(
            app,
            ws_routes,
            config.host,
            config.port,
            limits,
            origins=origins,
            trusted_proxies=config.trusted_proxies,
            forwarded_header=config.forwarded_header,
            hosts=AllowedHosts((*config.allowed_hosts, config.host), public_url),
            public_url=public_url,
        )


def serve(config: Config, config_path: str | None) -> int:
    """Run a node until it is stopped; the process's exit code. `config_path`: of the
    file that some of it is from. Hangups are ignored by now."""
    process_log = start_logging(config.log_level, config.log_format)
    hear_hangups(process_log)
    warn_of_surroundings(config.db, config_path)

    def ready(url: str) -> None:
        announce(f"paybell ready on {url}")
        gateway = installation.gateway
        warn_of_settings(
            config,
            has_keys=config.api_key is not None or bool(gateway.keys()),
            # Not by reading a payment: it may be damaged.
            lost_chain=(
                installation.chain is not None and gateway.health().last_offset > 0
            ),
        )

    try:
        installation = Installation(config, process_log.counts)
        return run_until_stopped(installation, ready)
    except CannotStart as error:
        stop_logging()
        fail(str(error), error.code)


def show(port: int, *, once: bool, lightning: bool = False) -> int:
    """The demo, on this port or another; the process's exit code."""
    try:
        opened = partial(_of_demo, demo.usable_port(port))
        if lightning:
            from transport.cli import demo_lightning

            return demo_lightning.run(opened, run_until_stopped, once=once)
        return demo.run(opened, run_until_stopped, once=once)
    except CannotStart as error:
        stop_logging()
        fail(str(error), error.code)


def _of_demo(
    port: int,
    db: str,
    api_key: str,
    accounts: Mapping[str, Account] | None = None,
    source: str | None = None,
) -> Installation:
    settings = {"db": db, "port": str(port), "network": "regtest", "sources": source}
    environ = {"PAYBELL_API_KEY": api_key, "PAYBELL_ALLOW_PRIVATE_WEBHOOKS": "yes"}
    start_logging("error")
    return Installation(load(settings | demo.RATES, environ, {}, lightning=accounts))
