"""Configuration: every setting in one table, read in one order.

Options override environment variables, which override the file, which overrides the
defaults. A wrong value is a `ConfigError` that names the key, where it came from, the
value (unless it is a secret) and what is allowed. Pure: the caller reads the
environment and the file.
"""

from __future__ import annotations

import difflib
import ipaddress
import itertools
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from engine.bitcoin.address import NETWORKS
from engine.chain.source_url import parse_source_url, split_http_url
from engine.errors import ConfigError
from engine.money.amount import MAX_SAT

__all__ = [
    "OPTIONS",
    "Config",
    "unknown_names",
    "Option",
    "SourceConfig",
    "load",
    "read_file",
]


PUBLIC_ESPLORA = {
    "mainnet": "https://blockstream.info/api",
    "testnet": "https://blockstream.info/testnet/api",
    "signet": "https://mempool.space/signet/api",
}

SOURCE_KINDS = ("esplora", "bitcoind", "devchain")

LOG_LEVELS = ("debug", "info", "warning", "error")

_KIND = re.compile(r"[a-z_-]{1,20}")


class SourceConfig(msgspec.Struct, frozen=True):
    """A chain source: its kind and where it is. The URL may hold credentials."""

    kind: str
    url: str = ""
    name: str = ""
    """Its name among the sources, where its kind does not say which one it is."""

    @property
    def shown_as(self) -> str:
        """What it is called everywhere; no other source is called so."""
        return self.name or self.kind

    @property
    def operator(self) -> str:
        """Who runs it: sources of one operator are not independent of one another."""
        if self.kind == "devchain":
            return self.kind
        return parse_source_url(self.kind, self.url).operator

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
    rpc_timeout_s: int
    tolerance_percent: int
    quorum_above: int | None
    esplora_per_minute: int
    connections_per_address: int
    log_level: str

    def __repr__(self) -> str:
        return f"Config(network={self.network}, db={self.db})"


OTHER_NAMES = ("PAYBELL_CONFIG", "PAYBELL_KEY", "PAYBELL_URL")
"""Variables that the command line reads by itself."""


class Option(msgspec.Struct, frozen=True):
    """One setting: its name everywhere, how it is read, and what is allowed."""

    name: str
    parse: Callable[[str], Any]
    default: str | None
    allowed: str
    help: str
    secret: bool = False
    repeated: bool = False
    shown: bool = True  # False: a wrong value is not quoted, as it may hold a password
    switch: bool = False  # the bare option means "yes"

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
        if not re.fullmatch("-?[0-9]{1,18}", value) or not low <= int(value) <= high:
            raise ValueError
        return int(value)

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


def _origins(value: str) -> tuple[str, ...]:
    for part in _list(value):
        url = split_http_url(part) if part != "*" else None
        if url is not None and (
            url.username is not None
            or url.path not in {"", "/"}
            or url.query
            or url.fragment
        ):
            raise ValueError(f"{part[:100]!r} has more than scheme, host and port")
    return _list(value)


def _networks(value: str) -> tuple[str, ...]:
    for part in _list(value):
        try:
            ipaddress.ip_network(part)
        except ValueError:
            raise ValueError(
                f"{part[:100]!r} is neither an address nor a network"
            ) from None
    return _list(value)


def _secret(low: int) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not low <= len(value) <= 200 or not value.isascii() or " " in value:
            raise ValueError
        if not value.isprintable():
            raise ValueError
        return value

    return parse


def _node_key(value: str) -> str:
    if not re.fullmatch("[0-9A-Fa-f]{64}", value):
        raise ValueError
    return value.lower()


def _sources(value: str) -> tuple[SourceConfig, ...]:
    """Raises ValueError with the reason; it never quotes more than the kind."""
    found: list[SourceConfig] = []
    for number, part in enumerate(_list(value), 1):
        kind, _, url = part.partition("=")
        if kind not in SOURCE_KINDS:
            named = f" {kind!r}" if _KIND.fullmatch(kind) else ""
            raise ValueError(f"source {number} has an unknown kind{named}")
        name = kind
        if kind == "devchain":
            if url:
                raise ValueError(f"source {number}: devchain takes no URL")
        else:
            try:
                name = parse_source_url(kind, url).name or kind
            except ValueError as error:
                raise ValueError(f"source {number} ({kind}): {error}") from None
        name = _unused(name, {source.shown_as for source in found})
        found.append(SourceConfig(kind, url, "" if name == kind else name))
    return tuple(found)


def _unused(name: str, used: set[str]) -> str:
    """The name, with a number behind it if another source has it already."""
    candidates = (f"{name}-{number}" for number in itertools.count(2))
    return next(c for c in itertools.chain([name], candidates) if c not in used)


OPTIONS: tuple[Option, ...] = (
    Option("host", _text, "127.0.0.1", "an address of this machine",
           "Address to listen on. Use another than loopback only behind a TLS proxy."),
    Option("port", _whole(0, 65_535), "8080", "0 to 65535; 0 takes a free one",
           "Port for HTTP, WebSocket and SSE."),
    Option("db", _text, "paybell.db", "a path of a file",
           "Database file. Its key is kept beside it, as <db>.key."),
    Option("network", _one_of(NETWORKS), "regtest", ", ".join(NETWORKS),
           "Bitcoin network: mainnet, testnet, signet or regtest."),
    Option("sources", _sources, None,
           "bitcoind=http://user:pass@host:port, esplora=https://host/api, devchain"
           " (a comma in a password is written %2C)",
           "Where chain data comes from: bitcoind=http://user:pass@host:port,"
           " bitcoind=http://host:port?cookie=/path/.cookie, bitcoind=https://host/token,"
           " esplora=https://host/api or devchain. Repeat it for several, in order of"
           " preference; ?name=… says who runs one (docs/sources.md). Default:"
           " devchain on regtest, else a public Esplora. Keep passwords in"
           " PAYBELL_SOURCES or the file: options are visible in `ps`.",
           repeated=True, shown=False),
    Option("rpc_timeout_s", _whole(1, 600), "60", "1 to 600 seconds",
           "How long a Bitcoin Core node may take for one answer. A slow node is not"
           " a broken one; a hanging one is left after this time."),
    Option("api_key", _secret(1), None,
           "1 to 200 printable ASCII characters without spaces",
           "An API key for the whole node, besides those made by `keys`.", secret=True),
    Option("node_key", _node_key, None, "64 hexadecimal digits",
           "The node's own key, instead of the file <db>.key.", secret=True),
    Option("webhook_btc_secret", _secret(8), None,
           "8 to 200 printable ASCII characters without spaces",
           "Secret of /webhook/btc. Without it, inbound webhooks are off.",
           secret=True),
    Option("allowed_origins", _origins, "",
           "origins like https://shop.example, separated by commas, or *",
           "Web sites whose pages may follow payments.", repeated=True),
    Option("trusted_proxies", _networks, "",
           "addresses or networks like 10.0.0.0/8, separated by commas",
           "Proxies whose X-Forwarded-For header is trusted.",
           repeated=True),
    Option("allow_private_webhooks", _yes_no, "no", "yes or no",
           "Allow webhook channels to reach private and loopback addresses.",
           switch=True),
    Option("claim_window_s", _whole(5, 86_400), "600", "5 to 86400 seconds",
           "After this time a provider's claim is withdrawn if the chain does not"
           " show it."),
    Option("monitor_s", _whole(0, 31_536_000), "604800", "0 to 31536000 seconds",
           "How long a payment is watched for late money after its expiry."),
    Option("tolerance_sat", _whole(0, 1_000_000), "0", "0 to 1000000 sat",
           "Default tolerance for underpayment, in satoshi."),
    Option("tolerance_percent", _whole(0, 50), "1", "0 to 50 percent",
           "A tolerance is never more than this share of the amount."),
    Option("quorum_above", _whole(0, MAX_SAT), None, f"0 to {MAX_SAT} sat",
           "More than this is confirmed only when two independent sources show it."),
    Option("esplora_per_minute", _whole(1, 1_000_000), "200",
           "1 to 1000000 requests",
           "Maximum requests per minute to an Esplora source."),
    Option("connections_per_address", _whole(1, 1_000_000), "256",
           "1 to 1000000 connections",
           "Maximum open connections per client address."),
    Option("log_level", _one_of(LOG_LEVELS), "info", ", ".join(LOG_LEVELS),
           "Log level, on stderr: debug, info, warning or error."),
)  # fmt: skip


def read_file(text: str, path: str) -> dict[str, str]:
    """Settings of a `paybell.toml`, as text. Raises `ConfigError`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    known = {option.name for option in OPTIONS}
    settings = {}
    for key, value in document.items():
        if key not in known:
            allowed = ", ".join(sorted(known))
            raise ConfigError(f"{path}: unknown key {key!r}; allowed: {allowed}")
        if isinstance(value, bool):
            settings[key] = "yes" if value else "no"
        elif isinstance(value, int | float | str):
            settings[key] = str(value)
        elif isinstance(value, list) and all(isinstance(v, str) for v in value):
            settings[key] = ",".join(value)
        else:
            raise ConfigError(
                f"{path}: {key} must be text, a number, true or false, or a list of"
                f" texts, not {type(value).__name__}"
            )
    return settings


def load(
    options: Mapping[str, str | None],
    environ: Mapping[str, str],
    file: Mapping[str, str],
    file_name: str = "paybell.toml",
) -> Config:
    """The configuration. `options` and `file` are keyed by option name.

    An empty environment variable counts as none. Raises `ConfigError`.
    """
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


def unknown_names(environ: Mapping[str, str]) -> list[str]:
    """A warning for each unknown PAYBELL_ variable: most are typing errors."""
    known = {option.environ for option in OPTIONS} | set(OTHER_NAMES)
    lines = []
    for name in sorted(environ):
        if name.startswith("PAYBELL_") and name not in known:
            close = difflib.get_close_matches(name, known, 1, 0.8)
            guess = f"; did you mean {close[0]}?" if close else ""
            lines.append(f"unknown variable {name!r}{guess}")
    return lines


def _parse(option: Option, place: str, text: str) -> Any:
    try:
        return option.parse(text)
    except ValueError as error:
        if option.secret:
            shown = "a value that is not shown"
        elif option.shown:
            shown = repr(text[:200])
        else:
            shown = "a value that is not shown, as it may hold a password,"
        why = str(error) and f" ({error})"
        raise ConfigError(
            f"{place}: {shown} is not valid{why}; allowed: {option.allowed}"
        ) from None


def _default_sources(network: str) -> tuple[SourceConfig, ...]:
    if network == "regtest":
        return (SourceConfig("devchain"),)
    return (SourceConfig("esplora", PUBLIC_ESPLORA[network]),)


def _consistent(config: Config) -> Config:
    kinds = [source.kind for source in config.sources]
    if "devchain" in kinds and config.network != "regtest":
        raise ConfigError(
            f"--source: devchain is for --network regtest only, not {config.network}"
        )
    operators = {source.operator for source in config.sources}
    if config.quorum_above is not None and len(operators) < 2:
        raise ConfigError(
            "--quorum-above: requires two independent sources, of different operators"
            f" (?name=… says who runs one); there is one: {', '.join(operators)}"
        )
    if kinds.count("devchain") > 1:
        raise ConfigError("--source: devchain is given more than once; allowed: once")
    return config
