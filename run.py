"""Paybell's command line, and the one place where its parts are put together."""

from gevent import monkey

monkey.patch_all()

import logging
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Any

import click
import gevent
import gevent.event
import gevent.signal

from actors.gateway import ActorGateway
from actors.messages import Nudge
from actors.node import Node, Settings
from actors.root import FeedConfig, build_tree
from engine.config import OPTIONS, Config, ConfigError, SourceConfig, load, read_file
from engine.runtime.clock import GeventClock
from engine.runtime.dispatcher import GeventDispatcher
from engine.store.files import KeyFileError, node_key
from engine.store.journal import JournalError
from engine.store.lock import DatabaseInUse, DatabaseLock
from engine.store.threads import ReaderThreads, WriterThread
from engine.vault import Vault
from transport.chain.bitcoind import Bitcoind
from transport.chain.devchain import DevChain
from transport.chain.devchain_http import devchain_routes
from transport.chain.esplora import Esplora
from transport.cli import commands, demo, offline
from transport.outbound.webhook import WebhookSender
from transport.server import Server
from transport.web_app import WebParts, web_parts

VERSION = "0.1.0"

STOP_S = 9.0
"""SIGTERM: everything is done and exited within 10 s."""

log = logging.getLogger("paybell")


class Installation:
    """One running node: database, actors and server. `start`, then `stop`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._lock = DatabaseLock(config.db)
        self._lock.__enter__()
        key = bytes.fromhex(config.node_key) if config.node_key else node_key(config.db)
        self.vault = Vault(key)
        self.writer = WriterThread(config.db)
        self.readers = ReaderThreads(config.db)
        self.clock = GeventClock()
        self.dispatcher = GeventDispatcher(pool_size=4_096)
        settings = Settings(claim_window_s=config.claim_window_s)
        self.node = Node(self.clock, self.dispatcher, SystemRandom(), settings)
        self.chain: DevChain | None = None
        feeds = [self._feed(source) for source in config.sources]
        self.sender = WebhookSender(
            VERSION, allow_private=config.allow_private_webhooks
        )
        self.gave_up: gevent.event.AsyncResult[str] = gevent.event.AsyncResult()
        self.root = build_tree(
            self.node,
            writer=self.writer,
            reader=self.readers,
            feeds=feeds,
            vault=self.vault,
            sender=self.sender,
            give_up=self.gave_up.set,
        )
        self.gateway = ActorGateway(self.node, self.readers)
        self.server = self._server()

    def start(self) -> str:
        """Start everything; the base URL once it listens."""
        self.clock.start()
        self.dispatcher.start()
        self.root.start()
        if self.chain is not None:
            self.chain.subscribe(self._nudge)
        self.server.start()
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"http://{host}:{self.server.port}"

    def stop(self) -> None:
        """Take no more, finish what is in flight, commit, close; at most `STOP_S`."""
        self.server.stop(STOP_S - 3)
        busy = (self.node.journal, self.node.supervisor)
        _wait(lambda: not any(ref.backlog for ref in busy), 1.5)
        self.root.stop()
        _wait(lambda: self.root.is_stopped and not self.node.journal.is_alive, 1.0)
        self.dispatcher.stop(0.2)
        self.clock.stop()
        self.close()

    def close(self) -> None:
        """Close the database; the lock goes with the process at the latest."""
        self.readers.close()
        self.writer.close()
        self._lock.__exit__(None, None, None)

    def _nudge(self) -> None:
        self.node.source.tell(Nudge())

    def _feed(self, source: SourceConfig) -> FeedConfig:
        if source.kind == "devchain":
            self.chain = DevChain()
            return FeedConfig("devchain", self.chain, by_block=True)
        if source.kind == "bitcoind":
            return FeedConfig("bitcoind", Bitcoind(source.url), by_block=True)
        esplora = Esplora(source.url, self.config.network)
        return FeedConfig(
            "esplora",
            esplora,
            by_block=False,
            every_s=5.0,
            per_minute=self.config.esplora_per_minute,
        )

    def _server(self) -> Server:
        config = self.config
        app, ws_routes = web_parts(
            WebParts(
                gateway=self.gateway,
                vault=self.vault,
                sender=self.sender,
                version=VERSION,
                network=config.network,
                api_key=config.api_key,
                webhook_btc_secret=config.webhook_btc_secret,
                allowed_origins=config.allowed_origins,
                allow_private_webhooks=config.allow_private_webhooks,
                claim_window_s=config.claim_window_s,
                monitor_s=config.monitor_s,
                tolerance_sat=config.tolerance_sat,
                address_source=self.chain.new_address if self.chain else None,
            )
        )
        if self.chain is not None:
            app.merge(devchain_routes(self.chain))
        return Server(
            app,
            ws_routes,
            config.host,
            config.port,
            origins=config.allowed_origins,
            trusted_proxies=config.trusted_proxies,
        )


def _wait(is_done: Callable[[], bool], timeout_s: float) -> None:
    """Until it is done, or the time is up."""
    until = time.monotonic() + timeout_s
    while not is_done() and time.monotonic() < until:
        gevent.sleep(0.01)


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Every setting as an option; environment and file are read by `load`."""
    for option in reversed(OPTIONS):
        if not option.secret:  # secrets on a command line are seen in `ps`
            default = f"  [default: {option.default}]" if option.default else ""
            command = click.option(
                option.flag,
                option.name,
                multiple=option.repeated,
                metavar=option.name.upper(),
                help=f"{option.help}{default}",
            )(command)
    return click.option(
        "--config", "config_path", metavar="FILE", help="Settings in TOML."
    )(command)


def load_config(options: dict[str, Any]) -> Config:
    """From options, environment and file. A wrong value ends with exit code 2."""
    path = options.pop("config_path", None) or os.environ.get("PAYBELL_CONFIG")
    given = {
        name: ",".join(value) or None if isinstance(value, tuple) else value
        for name, value in options.items()
    }
    try:
        file: dict[str, str] = {}
        if path is not None:
            try:
                file = read_file(Path(path).read_text(), path)
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"--config: cannot read {path}: {error}") from error
        return load(given, os.environ, file, path or "paybell.toml")
    except ConfigError as error:
        click.echo(f"paybell: {error}", err=True)
        raise SystemExit(2) from error


def open_installation(config: Config) -> Installation:
    """The node, or one clear line and exit code 1."""
    try:
        return Installation(config)
    except (DatabaseInUse, JournalError, KeyFileError, OSError, ValueError) as error:
        click.echo(f"paybell: {error}", err=True)
        raise SystemExit(1) from error


def start_logging(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(message)s",
    )


def run_until_stopped(installation: Installation, ready: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT; the process's exit code."""
    stop = gevent.event.Event()
    for number in (15, 2):
        gevent.signal_handler(number, stop.set)
    installation.gave_up.rawlink(lambda _result: stop.set())
    try:
        url = installation.start()
    except OSError as error:
        config = installation.config
        click.echo(
            f"paybell: cannot listen on {config.host}:{config.port}:"
            f" {error.strerror or error}; choose another with --host or --port",
            err=True,
        )
        return 1
    ready(url)
    stop.wait()
    installation.stop()
    why = installation.gave_up.get() if installation.gave_up.ready() else ""
    if why:
        click.echo(f"paybell: gave up: {why}", err=True)
    return 70 if why else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="paybell")
def main() -> None:
    """Tells a shop, the moment it happens, that it has been paid in bitcoin.

    Begin with `demo`; run a node with `serve`; make a key with `keys create`.
    """


@main.command()
@config_options
def serve(**options: Any) -> None:
    """Run a node until SIGTERM.

    Every option is also an environment variable (PAYBELL_HOST, PAYBELL_DB,
    PAYBELL_SOURCES …) and a key of the --config file. Secrets are taken from these
    two only: PAYBELL_API_KEY, PAYBELL_NODE_KEY, PAYBELL_WEBHOOK_BTC_SECRET.
    """
    config = load_config(options)
    start_logging(config.log_level)
    installation = open_installation(config)

    def ready(url: str) -> None:
        click.echo(f"paybell ready on {url}")
        sys.stdout.flush()
        if config.api_key is None and not installation.gateway.keys():
            log.warning("keys.none detail=no API key yet: run.py keys create, or set"
                        " PAYBELL_API_KEY")  # fmt: skip

    raise SystemExit(run_until_stopped(installation, ready))


@main.command("demo")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True)
@click.option("--once", is_flag=True, help="End after the payment was told.")
def demo_command(port: int, once: bool) -> None:
    """See one payment created, paid, confirmed and told, on a pretended chain."""
    raise SystemExit(
        demo.run(partial(_demo_installation, port), run_until_stopped, once=once)
    )


def _demo_installation(port: int, db: str, api_key: str) -> Installation:
    settings = {"db": db, "port": str(port), "network": "regtest"}
    environ = {"PAYBELL_API_KEY": api_key, "PAYBELL_ALLOW_PRIVATE_WEBHOOKS": "yes"}
    start_logging("error")
    return open_installation(load(settings, environ, {}))


main.add_command(commands.pay)
main.add_command(commands.watch)
main.add_command(commands.payments)
main.add_command(offline.replay)
main.add_command(offline.keys)


@main.command()
@config_options
def doctor(**options: Any) -> None:
    """Check configuration, database, sources and clock, and say how to mend."""
    raise SystemExit(offline.examine(load_config(options)))


if __name__ == "__main__":
    main()
