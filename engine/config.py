"""Configuration: every setting in one table, read in one order.

Option, environment, file, default: the first that says something wins. A wrong value
is a `ConfigError` that names the key, where it came from, the value (unless it is a
secret) and what is allowed. Pure: the caller reads the environment and the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

__all__ = [
    "OPTIONS",
    "Config",
    "ConfigError",
    "Option",
    "SourceConfig",
    "load",
    "read_file",
]

NETWORKS = ("mainnet", "testnet", "signet", "regtest")

PUBLIC_ESPLORA = {
    "mainnet": "https://blockstream.info/api",
    "testnet": "https://blockstream.info/testnet/api",
    "signet": "https://mempool.space/signet/api",
}

SOURCE_KINDS = ("esplora", "bitcoind", "devchain")

LOG_LEVELS = ("debug", "info", "warning", "error")


class ConfigError(Exception):
    """One wrong setting, in one line for a person."""


class SourceConfig(msgspec.Struct, frozen=True):
    """A chain source: its kind and where it is. The URL may hold credentials."""

    kind: str
    url: str = ""

    def __repr__(self) -> str:
        return f"SourceConfig({self.kind})"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, valid. Times in seconds, amounts in satoshi."""

    host: str
    port: int
    db: str
    network: str
    sources: tuple[SourceConfig, ...]
    api_key: str | None
    node_key: str | None
    webhook_btc_secret: str | None
    allowed_origins: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    allow_private_webhooks: bool
    claim_window_s: int
    monitor_s: int
    tolerance_sat: int
    esplora_per_minute: float
    log_level: str

    def __repr__(self) -> str:
        return f"Config(network={self.network}, db={self.db})"


class Option(msgspec.Struct, frozen=True):
    """One setting: its name everywhere, how it is read, and what is allowed."""

    name: str
    parse: Callable[[str], Any]
    default: str | None
    allowed: str
    help: str
    secret: bool = False
    repeated: bool = False

    @property
    def environ(self) -> str:
        return "PAYBELL_" + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + ("source" if self.name == "sources" else self.name).replace(
            "_", "-"
        )


def _text(value: str) -> str:
    if not value or len(value) > 1_000 or not value.isprintable():
        raise ValueError
    return value


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError
        return number

    return parse


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError
        return value.lower()

    return parse


def _yes_no(value: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    if value.lower() not in words:
        raise ValueError
    return words[value.lower()]


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _secret(value: str) -> str:
    if not 8 <= len(value) <= 200 or not value.isascii() or not value.isprintable():
        raise ValueError
    return value


def _key(value: str) -> str:
    if not 1 <= len(value) <= 200 or not value.isascii() or not value.isprintable():
        raise ValueError
    return value


def _sources(value: str) -> tuple[SourceConfig, ...]:
    found = []
    for part in _list(value):
        kind, _, url = part.partition("=")
        if kind not in SOURCE_KINDS or (kind == "devchain") is bool(url):
            raise ValueError
        if url:
            split = urlsplit(url)
            if split.scheme not in {"http", "https"} or not split.hostname:
                raise ValueError
            _ = split.port  # raises ValueError when it is none
        found.append(SourceConfig(kind, url))
    return tuple(found)


OPTIONS: tuple[Option, ...] = (
    Option("host", _text, "127.0.0.1", "an address of this machine",
           "Address to listen on; beyond loopback only behind a TLS proxy."),
    Option("port", _whole(0, 65_535), "8080", "0 to 65535; 0 takes a free one",
           "Port for HTTP, WebSocket and SSE."),
    Option("db", _text, "paybell.db", "a path of a file",
           "Database file; its key lies beside it as <db>.key."),
    Option("network", _one_of(NETWORKS), "regtest", ", ".join(NETWORKS),
           "Bitcoin network."),
    Option("sources", _sources, None,
           "bitcoind=http://user:pass@host:port, esplora=https://host/api, devchain",
           "Chain source; repeat it, the first is asked first.", repeated=True),
    Option("api_key", _key, None, "1 to 200 printable ASCII characters",
           "A key for the whole control API, beside those of `keys`.", secret=True),
    Option("node_key", _secret, None, "64 hexadecimal digits",
           "The node's own key, instead of the file <db>.key.", secret=True),
    Option("webhook_btc_secret", _secret, None,
           "8 to 200 printable ASCII characters",
           "Secret of POST and GET /webhook/btc; without it they are off.",
           secret=True),
    Option("allowed_origins", _list, "", "origins like https://shop.example, or *",
           "Web sites that may follow payments from their own pages."),
    Option("trusted_proxies", _list, "", "addresses or networks, like 10.0.0.0/8",
           "Proxies whose X-Forwarded-For is believed."),
    Option("allow_private_webhooks", _yes_no, "no", "yes or no",
           "Let webhook channels reach private and loopback addresses."),
    Option("claim_window_s", _whole(5, 86_400), "600", "5 to 86400 seconds",
           "A webhook's claim is withdrawn if the chain does not show it by then."),
    Option("monitor_s", _whole(0, 31_536_000), "604800", "0 to 31536000 seconds",
           "How long after its expiry a payment is watched for late money."),
    Option("tolerance_sat", _whole(0, 1_000_000), "0", "0 to 1000000 sat",
           "So much too little still counts as paid."),
    Option("esplora_per_minute", _whole(1, 1_000_000), "200",
           "1 to 1000000 requests", "Request budget of an Esplora source."),
    Option("log_level", _one_of(LOG_LEVELS), "info", ", ".join(LOG_LEVELS),
           "How much to log, on stderr."),
)  # fmt: skip


def read_file(text: str, path: str) -> dict[str, str]:
    """Settings of a `paybell.toml`, as text. Raises `ConfigError`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    known = {option.name for option in OPTIONS}
    settings = {}
    for key, value in document.items():
        if key not in known:
            allowed = ", ".join(sorted(known))
            raise ConfigError(f"{path}: unknown key {key!r}; allowed are {allowed}")
        if isinstance(value, list):
            value = ",".join(str(part) for part in value)
        if isinstance(value, dict):
            raise ConfigError(f"{path}: {key} must be a value, not a table")
        settings[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return settings


def load(
    options: Mapping[str, str | None],
    environ: Mapping[str, str],
    file: Mapping[str, str],
    file_name: str = "paybell.toml",
) -> Config:
    """The configuration. `options` and `file` are keyed by option name."""
    values: dict[str, Any] = {}
    for option in OPTIONS:
        for place, text in (
            (option.flag, options.get(option.name)),
            (option.environ, environ.get(option.environ) or None),
            (f"{option.name} in {file_name}", file.get(option.name)),
            ("default", option.default),
        ):
            if text is not None:
                values[option.name] = _parse(option, place, text)
                break
        else:
            values[option.name] = () if option.repeated else None
    if not values["sources"]:
        values["sources"] = _default_sources(values["network"])
    return _consistent(Config(**values))


def _parse(option: Option, place: str, text: str) -> Any:
    try:
        return option.parse(text)
    except ValueError:
        shown = "a value that is not shown" if option.secret else repr(text[:200])
        if option.name == "sources":
            shown = "a value that is not shown, as it may hold a password"
        raise ConfigError(
            f"{place}: {shown} is wrong; allowed: {option.allowed}"
        ) from None


def _default_sources(network: str) -> tuple[SourceConfig, ...]:
    if network == "regtest":
        return (SourceConfig("devchain"),)
    return (SourceConfig("esplora", PUBLIC_ESPLORA[network]),)


def _consistent(config: Config) -> Config:
    if config.network != "regtest" and any(
        source.kind == "devchain" for source in config.sources
    ):
        raise ConfigError(
            f"--source: devchain is for --network regtest only, not {config.network}"
        )
    if config.node_key is not None:
        try:
            whole = len(bytes.fromhex(config.node_key)) == 32
        except ValueError:
            whole = False
        if not whole:
            raise ConfigError("PAYBELL_NODE_KEY: allowed: 64 hexadecimal digits")
    return config
