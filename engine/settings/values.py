"""How the text of a setting is read: each kind of value, and what is refused.

Every function takes the text as it was given and returns the value, or raises
`ValueError`; its message, if it has one, says what is wrong and quotes no secret. Pure;
called by `engine/config.py` by way of the table beside it.
"""

import ipaddress
import itertools
import re
from collections.abc import Callable
from urllib.parse import SplitResult

import msgspec

from engine.chain.source_url import parse_source_url, split_http_url
from engine.errors import InvalidMerchant
from engine.mail.address import MailAddress, parse_address
from engine.mail.server import MailServer, parse_server
from engine.merchants.name import merchant_name
from engine.streams.redis_url import RedisUrl, parse_redis_url

__all__ = [
    "SEEDS",
    "SOURCE_KINDS",
    "SourceConfig",
    "default_sources",
    "destinations",
    "gateway_merchants",
    "heartbeat",
    "hosts",
    "mail_address",
    "mail_server",
    "networks",
    "node_key",
    "passphrase",
    "one_of",
    "origins",
    "ports",
    "public_url",
    "redis_key",
    "redis_url",
    "secret",
    "seeds",
    "sources",
    "text",
    "whole",
    "yes_no",
]

SOURCE_KINDS = ("esplora", "bitcoind", "devchain")

SEEDS = ("bitcoin", "blink", "paybutton", "phoenixd", "salon")
"""Systems whose web sites and backends find their own routes here (docs/seeds.md)."""

PUBLIC_ESPLORA = {
    "mainnet": "https://blockstream.info/api",
    "testnet": "https://blockstream.info/testnet/api",
    "signet": "https://mempool.space/signet/api",
}

_KIND = re.compile(r"[a-z_-]{1,20}")
#: An app's pages have the scheme of the app: capacitor://localhost, app://., tauri://…
_APP_ORIGIN = re.compile(
    r"(?!https?:|file:|data:|javascript:)[a-z][a-z0-9+.-]*://[\w.:-]+"
)
_URL_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")


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


def default_sources(network: str) -> tuple[SourceConfig, ...]:
    """Where chain data comes from if nobody says so."""
    if network == "regtest":
        return (SourceConfig("devchain"),)
    return (SourceConfig("esplora", PUBLIC_ESPLORA[network]),)


def text(value: str) -> str:
    if not value or len(value) > 1_000 or not value.isprintable():
        raise ValueError
    return value


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch("-?[0-9]{1,18}", value) or not low <= int(value) <= high:
            raise ValueError
        return int(value)

    return parse


def one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError
        return value.lower()

    return parse


def yes_no(value: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    if value.lower() not in words:
        raise ValueError
    return words[value.lower()]


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def origins(value: str) -> tuple[str, ...]:
    """Of web sites (of any port: http://localhost:*), of apps (capacitor://localhost),
    "null" (files, sandboxes), "*"."""
    for part in _list(value):
        if part in {"*", "null"} or _APP_ORIGIN.fullmatch(part):
            continue
        url = split_http_url(part.removesuffix(":*"))
        if url.username is not None or url.path not in {"", "/"} or _more(url):
            raise ValueError(f"{part[:100]!r} has more than scheme, host and port")
    return _list(value)


def public_url(value: str) -> str:
    """Without a slash at its end, so that a path can follow."""
    url = split_http_url(value)
    if url.username is not None or _more(url) or not _URL_PATH.fullmatch(url.path):
        raise ValueError("it may have scheme, host, port and a plain path")
    return f"{url.scheme.lower()}://{url.netloc.lower()}{url.path.rstrip('/')}"


def heartbeat(value: str) -> str:
    url = split_http_url(value)
    if url.username is not None or url.fragment or not value.isprintable():
        raise ValueError("it may have scheme, host, port, path and query")
    return value


def _more(url: SplitResult) -> bool:
    return bool(url.query or url.fragment)


def hosts(value: str) -> tuple[str, ...]:
    for part in _list(value):
        if part != "*" and not _HOST_NAME.fullmatch(part):
            raise ValueError(f"{part[:100]!r} is no host name (without a port)")
    return tuple(part.lower() for part in _list(value))


def networks(value: str) -> tuple[str, ...]:
    for part in _list(value):
        try:
            ipaddress.ip_network(part)
        except ValueError:
            raise ValueError(
                f"{part[:100]!r} is neither an address nor a network"
            ) from None
    return _list(value)


def ports(value: str) -> frozenset[int]:
    one = whole(1, 65_535)
    return frozenset(one(part) for part in _list(value))


def destinations(value: str) -> frozenset[str]:
    """Addresses, of whatever network: that is looked at with the network's name."""
    for part in _list(value):
        if not re.fullmatch("[0-9A-Za-z]{14,90}", part):
            raise ValueError(f"{part[:100]!r} is no address")
    return frozenset(_list(value))


def secret(low: int) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not low <= len(value) <= 200 or not value.isascii() or " " in value:
            raise ValueError
        if not value.isprintable():
            raise ValueError
        return value

    return parse


def mail_server(value: str) -> MailServer:
    return parse_server(value)


def mail_address(value: str) -> MailAddress:
    return parse_address(value)


def node_key(value: str) -> str:
    if not re.fullmatch("[0-9A-Fa-f]{64}", value):
        raise ValueError
    return value.lower()


def passphrase(value: str) -> str:
    """Blanks and other scripts are welcome: it is made by a person."""
    if not 12 <= len(value) <= 1_000 or not value.isprintable():
        raise ValueError
    return value


def sources(value: str) -> tuple[SourceConfig, ...]:
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


def redis_url(value: str) -> RedisUrl:
    """Raises ValueError with a reason that quotes nothing."""
    return parse_redis_url(value)


def redis_key(value: str) -> str:
    if not re.fullmatch(r"[!-~]{1,200}", value):
        raise ValueError
    return value


def gateway_merchants(value: str) -> dict[str, str]:
    """The merchant of each gateway: `payable=rose,stripe=default`."""
    found: dict[str, str] = {}
    for part in _list(value):
        name, _, merchant = (text.strip() for text in part.partition("="))
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", name) or name in found:
            raise ValueError(f"{name[:100]!r} is no gateway's name, or is there twice")
        try:
            found[name] = merchant_name(merchant)
        except InvalidMerchant as error:
            raise ValueError(f"{name}: {error}") from None
    return found


def seeds(value: str) -> dict[str, str]:
    """Which merchant each system's routes act for: `paybutton=default,salon=rose`."""
    found: dict[str, str] = {}
    for part in _list(value):
        name, _, merchant = (text.strip() for text in part.partition("="))
        if name not in SEEDS:
            raise ValueError(f"{name[:100]!r} is none of {', '.join(SEEDS)}")
        if name in found:
            raise ValueError(f"{name} is given more than once")
        try:
            found[name] = merchant_name(merchant)
        except InvalidMerchant as error:
            raise ValueError(f"{name}: {error}") from None
    return found
