"""The settings as options of a command, and as a `Config`.

`serve` and `doctor` take them all; commands that only need the database take `--db`
and `--config`. What is wrong is one line on stderr and exit code 2. It reads the
environment and the file; `engine/config.py` judges. Called before anything runs.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from engine.config import (
    OPTIONS,
    Config,
    Option,
    load,
    read_file,
    read_gateways,
    read_lightning,
    read_merchants,
    unknown_names,
)
from engine.errors import ConfigError
from engine.lightning.account_tables import unused_secrets
from transport.cli.environment import without_kubernetes
from transport.cli.words import say

__all__ = ["all_settings", "config_path", "database_settings", "fail", "load_config"]

MAX_FILE_BYTES = 1_000_000

Command = TypeVar("Command", bound=Callable[..., Any])

_config_option = click.option(
    "--config",
    "config_path",
    metavar="FILE",
    help="TOML file with settings: the options' names with _ for - (and `sources` for"
    " --source); also PAYBELL_CONFIG.",
)


def all_settings(command: Command) -> Command:
    """Every setting as an option, but secrets: options are seen in `ps`."""
    for option in reversed(OPTIONS):
        if not option.secret:
            command = _as_option(option)(command)
    return _config_option(command)


def database_settings(command: Command) -> Command:
    """Only which database, for commands that open it themselves."""
    database = next(option for option in OPTIONS if option.name == "db")
    return _as_option(database)(_config_option(command))


def _as_option(option: Option) -> Callable[[Command], Command]:
    default = f"  [default: {option.default}]" if option.default else ""
    word = _WORDS.get(option.name, "TEXT")
    more: dict[str, Any] = {}
    if option.switch:  # may stand alone
        more = {"is_flag": False, "flag_value": "yes"}
        word = "yes|no"
    return click.option(
        option.flag,
        option.name,
        multiple=option.repeated,
        metavar=word,
        help=f"{option.help}{default}",
        **more,
    )


_WORDS = {
    "host": "ADDRESS",
    "port": "PORT",
    "db": "FILE",
    "network": "NAME",
    "sources": "KIND=URL",
    "seeds": "SYSTEM=MERCHANT",
    "redis": "URL",
    "redis_stream": "KEY",
    "redis_group": "NAME",
    "redis_consumer": "NAME",
    "redis_trusted": "GATEWAY=MERCHANT",
    "seed_calls_per_minute": "N",
    "seed_calls_per_hour": "N",
    "lnurl_per_minute": "N",
    "lnurl_open": "N",
    "broadcasts_per_minute": "N",
    "refunds_per_payment": "N",
    "refunds_open": "N",
    "refund_claims_per_minute": "N",
    "public_url": "URL",
    "allowed_hosts": "HOST",
    "allowed_origins": "ORIGIN",
    "trusted_proxies": "NETWORK",
    "forwarded_header": "NAME",
    "keep_alive_s": "SECONDS",
    "claim_window_s": "SECONDS",
    "claims_total_s": "SECONDS",
    "calls_per_s": "N",
    "calls_shared_percent": "PERCENT",
    "calls_burst": "N",
    "merchant_calls_per_s": "N",
    "wrong_keys_per_minute": "N",
    "webhooks_per_s": "N",
    "wrong_signatures_per_minute": "N",
    "channel_tests_per_minute": "N",
    "channel_tests_open": "N",
    "searches_waiting": "N",
    "search_wait_s": "SECONDS",
    "reorders_per_minute": "N",
    "rests_per_minute": "N",
    "claims_per_payment": "N",
    "channels_per_merchant": "N",
    "socketio_subscriptions": "N",
    "socketio_per_merchant": "N",
    "max_merchants": "N",
    "max_keys": "N",
    "monitor_s": "SECONDS",
    "tolerance_sat": "SAT",
    "rpc_timeout_s": "SECONDS",
    "quorum_above": "SATS",
    "forward_destinations": "ADDRESS",
    "forward_per_day_sat": "SATS",
    "forward_every_s": "SECONDS",
    "forward_confirmations": "N",
    "forward_bump_after_s": "SECONDS",
    "fee_floor": "SAT/VB",
    "fee_cap": "SAT/VB",
    "fee_without_estimate": "SAT/VB",
    "fee_max_percent": "PERCENT",
    "esplora_per_minute": "N",
    "poll_by_hand_s": "SECONDS",
    "connections_per_address": "N",
    "anonymous_per_s": "N",
    "log_level": "LEVEL",
    "log_format": "FORMAT",
    "wallet_passphrase_file": "FILE",
}


def load_config(options: dict[str, Any]) -> Config:
    """From options, environment and file. A wrong value ends with exit code 2."""
    given = {
        name: ",".join(value) or None if isinstance(value, tuple) else value
        for name, value in options.items()
    }
    path = config_path(options)
    given.pop("config_path", None)
    environ, ignored = without_kubernetes(os.environ)
    if ignored:
        say(f"paybell: warning: ignored, as Kubernetes writes them for a service of"
            f" this name: {', '.join(ignored)}", err=True)  # fmt: skip
    for line in unknown_names(environ):
        say(f"paybell: warning: {line}", err=True)
    try:
        if path is None:
            for line in unused_secrets(environ, {}):
                say(f"paybell: warning: {line}", err=True)
            return load(given, environ, {})
        text = _text_of(path)
        file, merchants = read_file(text, path), read_merchants(text, path)
        gateways = read_gateways(text, path)
        lightning = read_lightning(text, path, environ)
        for line in unused_secrets(environ, lightning):
            say(f"paybell: warning: {line}", err=True)
        return load(given, environ, file, path, merchants, gateways, lightning)
    except ConfigError as error:
        fail(str(error), 2)


def config_path(options: dict[str, Any]) -> str | None:
    """Which file has the settings, if one has."""
    return options.get("config_path") or os.environ.get("PAYBELL_CONFIG") or None


def _text_of(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigError(f"--config: {path} is over {MAX_FILE_BYTES} bytes")
        return content.decode()
    except OSError as error:
        raise ConfigError(
            f"--config: cannot read {path!r}: {error.strerror}; allowed: a TOML file"
        ) from error
    except (UnicodeDecodeError, ValueError) as error:
        raise ConfigError(
            f"--config: {path!r} is not UTF-8 text; allowed: a TOML file"
        ) from error


def fail(message: str, code: int) -> NoReturn:
    """One line on stderr, and the end of the process."""
    say(f"paybell: {message}", err=True)
    raise SystemExit(code)
