"""The doctor: what is wrong with an installation, and how to fix it.

It only reads, beside a node or without one.
"""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from engine.config import Config
from engine.delivery.channel import channel_of
from engine.delivery.endpoint import endpoint_of
from engine.errors import KeyFileError, OlderSchema, StoreUnreadable, WrongKey
from engine.merchants.record import Limits as MerchantLimits
from engine.secrets.key_file import key_path, node_key
from engine.secrets.vault import Vault
from engine.store.merchant_rows import merchants_of
from engine.store.sqlite.offline import SQLITE_VERSION, Findings
from engine.store.sqlite.offline import examine as examine_database
from transport.cli.client import CallFailed, NodeClient
from transport.cli.database_checks import check_copy, check_files
from transport.cli.lightning import refuse_unknown_owners
from transport.cli.lightning_check import check_lightning
from transport.cli.lnurl_check import check_addresses
from transport.cli.mail_check import check_mail
from transport.cli.open_files import client_connections, raise_limit
from transport.cli.rate_check import check_rates
from transport.cli.redis_check import check_redis
from transport.cli.settings import all_settings, config_path, load_config
from transport.cli.source_checks import Check, check_sources
from transport.cli.starting import CannotStart, refuse_unknown_seeds
from transport.cli.surroundings import FEW_CLIENTS, exposed_files
from transport.cli.words import say, style
from transport.server.limits import ServerLimits

__all__ = ["doctor", "examine"]

MAX_LINES = 50


@click.command()
@click.option(
    "--deep",
    is_flag=True,
    help="Check every row of the database (takes minutes per GB).",
)
@all_settings
def doctor(deep: bool, **options: Any) -> None:
    """Check configuration, database, sources and clock, and say how to fix problems.

    Give it the same options as `serve`. It changes nothing, and works while a node
    is using the database. Exit code 1 if something is wrong.
    """
    config, path = load_config(options), config_path(options)
    raise SystemExit(examine(config, config_path=path, deep=deep))


def examine(
    config: Config, *, config_path: str | None = None, deep: bool = False
) -> int:
    """Print what is well and what is not; 0 if all is well.

    `deep`: every row of the database is looked at, however long that takes.
    """
    checks = [
        *_check_database(config, deep),
        *check_sources(config),
        *check_rates(config),
        *check_redis(config),
        *check_mail(config),
        *check_lightning(config),
        *_check_modes(config, config_path),
        *_check_machine(),
        *_check_address(config),
    ]
    for well, text in checks:
        mark = style("ok  ", "green") if well else style("FAIL", "red")
        say(mark, f" {text}")
    return 0 if all(well for well, _ in checks) else 1


def _check_database(config: Config, deep: bool) -> Iterator[Check]:
    path = Path(config.db)
    refused = list(check_files(config.db))
    yield from refused
    if refused and not path.exists():
        return
    if not path.exists():
        writable = path.absolute().parent.is_dir()
        text = f"database {path}: none yet, " + (
            "`serve` will create it" if writable else "and its folder does not exist"
        )
        yield writable, text
        return
    try:
        found = examine_database(path, deep=deep, limit=MAX_LINES)
    except OlderSchema:
        copied = list(check_copy(config.db, 0)) if not path.stat().st_size else []
        if copied or refused:
            yield from copied
            return
        yield True, f"database {path}: from an earlier version; `serve` will upgrade it"
        return
    except StoreUnreadable as error:
        what = f"database {path}: {error.detail}"
        yield False, f"{what}; restore a backup or `sqlite3 .recover`"
        return
    yield from _check_findings(config, path, found)
    yield from check_copy(config.db, found.events)
    if deep and not found.damaged:
        yield True, "every row is as it was written"
    yield _check_node_key(config, found)


def _check_findings(config: Config, path: Path, found: Findings) -> Iterator[Check]:
    text = f"{found.events} events, {found.check}: {found.verdict}"
    yield found.verdict == "ok", f"database {path}: {text}"
    for line in found.damaged:
        yield False, f"{line}; restore a backup, or see `paybell replay --check`"
    dead, keys = found.dead_deliveries, found.active_keys
    yield (
        not dead,
        f"deliveries given up: {dead}"
        + ("; send them again with POST /v1/redeliver" if dead else ""),
    )
    if found.waiting_deliveries:
        yield (
            True,
            f"deliveries that wait: {found.waiting_deliveries}; if they become no"
            " fewer, the dashboard's page Channels says what each endpoint answers",
        )
    hint = "" if keys else "; create one with `keys create NAME`"
    yield keys > 0 or config.api_key is not None, f"API keys: {keys}{hint}"
    for key_id in found.open_keys:
        yield (
            False,
            (
                f"API key {key_id}: made for a merchant that cannot be, opens nothing;"
                f" `keys revoke {key_id}`, and make one for a merchant's name"
            ),
        )
    merchants = merchants_of(found.merchants, MerchantLimits())
    for merchant in merchants:
        if merchant.is_damaged:
            yield (
                False,
                (
                    f"merchant {merchant.name}: its record is damaged; put it anew with"
                    f" PUT /v1/merchants/{merchant.name}"
                ),
            )
    yield from check_addresses(config, merchants)
    try:
        known = {merchant.name for merchant in merchants}
        refuse_unknown_seeds(config, known.union(config.merchants))
        refuse_unknown_owners(config, known.union(config.merchants))
    except CannotStart as error:
        yield False, str(error)


def _check_node_key(config: Config, found: Findings) -> Check:
    """Whether the node's key is there, and opens what was sealed with it."""
    path = key_path(config.db)
    key = config.node_key
    if key is None and not path.exists() and not found.relies_on_key:
        return True, f"key file {path}: none yet, `serve` will create it"
    try:
        raw = bytes.fromhex(key) if key else node_key(config.db, may_make=False)
        vault = Vault(raw)
        for record in found.channels:
            endpoint_of(channel_of(record), vault, 0)
        for merchant in merchants_of(found.merchants, MerchantLimits()):
            for owner, sealed in merchant.sealed_secrets():
                vault.open(sealed, owner)
    except (KeyFileError, WrongKey) as error:
        return False, str(error)
    return True, f"key file {path}: ok; back it up together with the database"


def _check_modes(config: Config, config_path: str | None) -> Iterator[Check]:
    for path, mode in exposed_files(config.db, config_path):
        yield (
            False,
            (
                f"file {path}: mode {mode:03o}: whoever is on this machine can open it,"
                f" and it holds what is not theirs: chmod o-rwx {path}"
            ),
        )


def _check_machine() -> Iterator[Check]:
    files = raise_limit()
    wanted = ServerLimits().connections
    clients = client_connections(files, wanted)
    text = f"open files: {files}, enough for {clients} clients"
    hint = "; for more, raise the hard limit (`ulimit -Hn`, LimitNOFILE= of systemd)"
    yield (
        clients >= min(wanted, FEW_CLIENTS),
        text + ("" if clients == wanted else hint),
    )
    year = time.gmtime().tm_year
    yield year >= 2025, f"clock: year {year}"
    yield True, f"SQLite {SQLITE_VERSION}, one writer and one checkpointer"


def _check_address(config: Config) -> Iterator[Check]:
    where = f"{config.host}:{config.port}"
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            why = error.strerror or str(error)
            if _is_paybell(config):
                yield True, f"address {where}: a Paybell node listens there"
                return
            yield False, (
                f"address {where}: {why}; if it is not your node that listens there,"
                " choose another with --host or --port"
            )  # fmt: skip
        else:
            yield True, f"address {where}: free"


def _is_paybell(config: Config) -> bool:
    host = "127.0.0.1" if config.host in {"0.0.0.0", "::"} else config.host  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    try:
        health = NodeClient(f"http://{host}:{config.port}", timeout_s=2.0).get(
            "/health"
        )
    except CallFailed:
        return False
    return isinstance(health, dict) and health.get("service") == "paybell"
