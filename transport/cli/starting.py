"""What stands between a node's settings and its start: checks, its key, its limits.

Called by installation.py, which puts the parts together, and before anything runs.
"""

import logging
from collections.abc import Container
from pathlib import Path

from msgspec.structs import replace

from engine.alerts.alerting import Alerting
from engine.alerts.telling import Pace
from engine.config import Config
from engine.merchants.name import DEFAULT
from engine.secrets.key_file import node_key
from engine.secrets.vault import Vault
from engine.store.port import StoreReader
from engine.store.sqlite.store import SqliteStore
from transport.cli.open_files import client_connections, raise_limit
from transport.http.asking_limits import AskingLimits
from transport.http.auth import KeyLimits, hash_key
from transport.live.limits import LiveLimits
from transport.live.socketio.limits import SocketioLimits
from transport.lnurl.admission import LnurlLimits
from transport.outbound.email import MailNode
from transport.outbound.email_templates import read_folder
from transport.outbound.heartbeat import OutsideWatch
from transport.seeds.admission import SeedLimits
from transport.server.limits import CallLimits, ServerLimits

__all__ = [
    "CannotStart",
    "alerting",
    "asking_limits",
    "cannot_listen",
    "in_url",
    "key_limits",
    "live_limits",
    "lnurl_limits",
    "mail_node",
    "refuse_narrower_key",
    "refuse_unknown_seeds",
    "seed_limits",
    "server_limits",
    "socketio_limits",
    "vault_of",
    "warn_of_settings",
    "webhook_limits",
]

_log = logging.getLogger("paybell")


class CannotStart(Exception):
    """Why there is no node: a line for a person, and the process's exit code."""

    def __init__(self, reason: str, code: int = 1) -> None:
        super().__init__(reason)
        self.code = code


def vault_of(config: Config, store: SqliteStore) -> Vault:
    """A key is made only for a database that holds nothing made with another one.

    Raises `KeyFileError` and `StoreUnreadable`.
    """
    key = config.node_key
    may_make = key is None and not store.relies_on_key()
    return Vault(bytes.fromhex(key) if key else node_key(config.db, may_make=may_make))


def refuse_narrower_key(api_key: str | None, store: StoreReader) -> None:
    """PAYBELL_API_KEY opens the whole node. A key of one merchant, or one that was
    revoked, must not come to that by standing in the environment.

    Raises `CannotStart`, and `StoreUnreadable`.
    """
    if api_key is None:
        return
    digest = hash_key(api_key)
    for key in store.api_keys():
        if key.hash == digest and (key.merchant or key.revoked_at):
            what = "revoked" if key.revoked_at else f"merchant {key.merchant}'s"
            raise CannotStart(
                f"PAYBELL_API_KEY is the key {key.id}, which is {what}; here it"
                " would open the whole node: unset it (clients take PAYBELL_KEY)"
            )


def refuse_unknown_seeds(config: Config, merchants: Container[str]) -> None:
    """Nobody would look for the payments of a merchant whose name is a typing error.

    `merchants`: those that have a record. Raises `CannotStart`.
    """
    for system, name in config.seeds.items():
        if name != DEFAULT and name not in merchants:
            raise CannotStart(
                f"--seed: {system}={name}: this merchant has no record; allowed:"
                f" {DEFAULT}, or one with a table [merchants.{name}] in the"
                f" --config file or made with PUT /v1/merchants/{name}",
                2,
            )


def cannot_listen(config: Config, error: OSError) -> CannotStart:
    reason = (error.strerror or str(error)).partition(": (")[0]
    return CannotStart(
        f"cannot listen on {in_url(config.host)}:{config.port}: {reason};"
        " choose another with --host or --port"
    )


def in_url(host: str) -> str:
    """The host as a URL has it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def alerting(config: Config, version: str) -> Alerting:
    """How people are told that something is wrong."""
    pace = Pace(config.alert_after_s * 1_000, config.alert_every_s * 1_000)
    folder = Path(config.db).absolute().parent
    return Alerting(
        pace,
        config.silent_orders,
        OutsideWatch(config.heartbeat_url, folder, version),
        config.heartbeat_s,
    )


def key_limits(config: Config) -> KeyLimits:
    return KeyLimits(
        rate_per_s=config.calls_per_s,
        burst=config.calls_burst,
        shared=config.calls_shared_percent / 100,
        failure_rate_per_s=config.wrong_keys_per_minute / 60,
    )


def mail_node(config: Config) -> MailNode:
    """How the node sends mail. Raises `ConfigError`, for a template at fault."""
    return MailNode(
        server=config.mail_server,
        mail_from=config.mail_from,
        texts=read_folder(config.mail_templates),
    )


def webhook_limits(config: Config) -> CallLimits:
    """Five seconds' worth may come at once."""
    rate_per_s = config.webhooks_per_s
    return CallLimits(
        rate_per_s=rate_per_s,
        burst=5 * rate_per_s,
        failure_rate_per_s=config.wrong_signatures_per_minute / 60,
    )


def asking_limits(config: Config) -> AskingLimits:
    return AskingLimits(
        channel_tests_per_minute=config.channel_tests_per_minute,
        channel_tests_open=config.channel_tests_open,
        searches_waiting=config.searches_waiting,
        search_wait_s=config.search_wait_s,
        reorders_per_minute=config.reorders_per_minute,
        rests_per_minute=config.rests_per_minute,
    )


def seed_limits(config: Config) -> SeedLimits:
    return SeedLimits(
        per_minute=config.seed_calls_per_minute, per_hour=config.seed_calls_per_hour
    )


def lnurl_limits(config: Config) -> LnurlLimits:
    return LnurlLimits(per_minute=config.lnurl_per_minute, open=config.lnurl_open)


def server_limits(config: Config) -> ServerLimits:
    """As many connections as there may be open files; takes as many as it may have."""
    limits = ServerLimits(
        connections_per_address=config.connections_per_address,
        idle_timeout_s=float(config.keep_alive_s),
    )
    connections = client_connections(raise_limit(), limits.connections)
    return replace(limits, connections=connections)


def live_limits(config: Config) -> LiveLimits:
    return LiveLimits(
        identifies_per_s=config.identifies_per_s,
        identifies_at_once=config.identifies_at_once,
        topics=config.ws_topics,
        per_merchant=config.socketio_per_merchant,
    )


def socketio_limits(config: Config) -> SocketioLimits:
    """Who polls is counted by sessions as others are by connections."""
    return SocketioLimits(
        subscriptions=config.socketio_subscriptions,
        per_merchant=config.socketio_per_merchant,
        polling_per_address=config.connections_per_address,
    )


def warn_of_settings(config: Config, *, has_keys: bool, lost_chain: bool) -> None:
    """A line of the log for what a node runs with and nobody can want for long.
    `lost_chain`: there are payments, and the dev chain that they were on is gone."""
    if not has_keys:
        _log.warning("keys.none detail=no API key yet: paybell keys create, or set"
                     " PAYBELL_API_KEY")  # fmt: skip
    if config.trusted_proxies and not (config.public_url or config.allowed_hosts):
        _log.warning("hosts.local_only detail=a proxy is trusted, but no host except"
                     " loopback is allowed: set PAYBELL_PUBLIC_URL")  # fmt: skip
    if lost_chain:
        _log.warning("devchain.new detail=the dev chain lives in memory and begins"
                     " anew: coins of payments from before are gone")  # fmt: skip
