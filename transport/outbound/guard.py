"""Which URLs and addresses we let a configured endpoint send us to.

A webhook URL is somebody's wish that this machine should open a connection. Without
these rules it could be pointed at the machine itself, its network or the cloud's
metadata service (server-side request forgery). This file judges text and addresses;
it opens nothing and looks nothing up. `pinned` calls it with every address that a
name resolves to, the control API calls `check_url` when a channel is made. Any
greenlet.

The table is our own rather than `ipaddress.is_global`, whose answer for the same
address has changed between Python releases. Sources: the IANA special-purpose
address registries for IPv4 and IPv6.
"""

import re
from collections.abc import Container
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from urllib.parse import quote

import idna

from engine.errors import AddressRefused, UrlRefused
from transport.outbound.refused_ports import REFUSED_PORTS

__all__ = [
    "MAX_URL_CHARS",
    "Address",
    "Parsed",
    "check_url",
    "origin_of",
    "refusal",
]

Address = IPv4Address | IPv6Address

MAX_URL_CHARS = 2048

_PRIVATE_V4 = (
    ("10.0.0.0/8", "private network"),
    ("100.64.0.0/10", "shared carrier network"),
    ("127.0.0.0/8", "loopback"),
    ("172.16.0.0/12", "private network"),
    ("192.168.0.0/16", "private network"),
)
_SPECIAL_V4 = (
    ("0.0.0.0/8", "this host"),
    ("168.63.129.16/32", "cloud host agent"),  # Azure, reachable only from inside
    ("169.254.0.0/16", "link-local"),  # cloud metadata lives at 169.254.169.254
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relay"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("240.0.0.0/4", "reserved"),
)
_PRIVATE_V6 = (
    ("::1/128", "loopback"),
    ("fc00::/7", "private network"),
)
_SPECIAL_V6 = (
    ("::/128", "this host"),
    ("::/96", "IPv4-compatible, deprecated"),
    ("::ffff:0:0:0/96", "IPv4-translated"),
    ("64:ff9b::/96", "NAT64"),  # even of a public address: the gateway is ours
    ("64:ff9b:1::/48", "local NAT64"),
    ("100::/64", "discard-only"),
    ("2001::/32", "Teredo tunnel"),
    ("2001::/23", "protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4 tunnel"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local, deprecated"),
    ("ff00::/8", "multicast"),
)
_MAPPED_V6 = IPv6Network("::ffff:0:0/96")
_GLOBAL_V6 = IPv6Network("2000::/3")  # all that IANA has given out for unicast

_PRIVATE: tuple[tuple[IPv4Network | IPv6Network, str], ...] = (
    *((IPv4Network(net), why) for net, why in _PRIVATE_V4),
    *((IPv6Network(net), why) for net, why in _PRIVATE_V6),
)
_SPECIAL: tuple[tuple[IPv4Network | IPv6Network, str], ...] = (
    *((IPv4Network(net), why) for net, why in _SPECIAL_V4),
    *((IPv6Network(net), why) for net, why in _SPECIAL_V6),
)

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::(.*))?", re.DOTALL)
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_KEPT_IN_TARGET = "!$%&'()*+,/:;=?@[]~-._"
_ALL_PORTS = range(65_536)
_DEFAULT_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A URL that was read once; whoever connects uses these parts, not the text."""

    scheme: str
    """`http` or `https`."""

    host: str
    """Lower-case ASCII name without trailing dot, or an address without brackets."""

    port: int
    target: str = field(repr=False)
    """Path and query, percent-encoded ASCII. May hold a secret: never shown."""

    literal: Address | None = None
    """The address, if the host is one."""

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"

    @property
    def host_header(self) -> str:
        """`Host` as a browser would send it: no port when it is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port == _DEFAULT_PORT[self.scheme]:
            return host
        return f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """What may be told to people and logs. Paths are left out on purpose: many
        services put their token into the path.
        """
        return f"{self.scheme}://{self.host_header}"


def refusal(ip: str | Address, allow_private: bool = False) -> str | None:
    """Why `ip` must not be called, or None if it may be.

    `allow_private` (the operator's --allow-private-webhooks) lifts loopback and
    private networks only. Link-local stays refused, because that is where clouds
    keep their credentials, and so does all that is no unicast address of a machine.
    """
    try:
        address = ip_address(ip) if isinstance(ip, str) else ip
    except ValueError:
        return "not an address"
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return "address with a scope"
        if address in _MAPPED_V6:
            inner = refusal(IPv4Address(int(address) & 0xFFFFFFFF), allow_private)
            return inner and f"{inner}, IPv4-mapped"
    for network, why in _PRIVATE:
        if address.version == network.version and address in network:
            return None if allow_private else why
    for network, why in _SPECIAL:
        if address.version == network.version and address in network:
            return why
    if isinstance(address, IPv6Address) and address not in _GLOBAL_V6:
        return "not global unicast"
    return None


def check_url(
    url: str, allow_private: bool = False, allow_ports: Container[int] = ()
) -> Parsed:
    """Read an endpoint's URL strictly. Raises `UrlRefused`, or `AddressRefused`.

    `allow_ports` (the operator's --allow-webhook-ports): of those that are refused.

    http is allowed as well as https and taken as it is: the signature still proves
    who sent what, but everybody on the way can read it. Host names are only checked
    for their form; what they resolve to is judged when the connection is made.
    """
    if len(url) > MAX_URL_CHARS:
        raise UrlRefused(f"URL is longer than {MAX_URL_CHARS} characters")
    if _UNPRINTABLE.search(url):
        raise UrlRefused("URL has a space or control character in it")
    match = _URL.fullmatch(url)
    if match is None:
        form = "https://host/path or http://host/path, without a #fragment"
        raise UrlRefused(f"URL must have the form {form}")
    scheme, authority, target = match[1].lower(), match[2], match[3]
    host, port = _split_authority(authority, _DEFAULT_PORT[scheme])
    if port in REFUSED_PORTS and port not in allow_ports:
        raise UrlRefused(
            f"port {port} ({REFUSED_PORTS[port]}) is refused: it is no web server's;"
            f" start the node with --allow-webhook-ports {port} to allow it"
        )
    literal: Address | None
    if host.startswith("["):
        literal = _ipv6_literal(host[1:-1])
    else:
        host = _canonical_name(host)
        literal = _ipv4_literal(host)
    if literal is not None:
        why = refusal(literal, allow_private)
        if why is not None:
            raise AddressRefused(f"address {literal} is refused: {why}")
        host = str(literal)
    return Parsed(scheme, host, port, _canonical_target(target), literal)


def origin_of(url: str) -> str:
    """Scheme, host and port of any text that was meant as a URL, for messages.

    Shows nothing that could be a secret; what cannot be read is not shown at all.
    """
    try:
        return check_url(url, True, _ALL_PORTS).origin
    except UrlRefused:
        return "(unreadable URL)"


def _split_authority(authority: str, default_port: int) -> tuple[str, int]:
    if "@" in authority:
        raise UrlRefused("URL must not contain a user name or password")
    match = _AUTHORITY.fullmatch(authority)
    if match is None or not match[1]:
        raise UrlRefused("URL has no readable host")
    port = match[2]
    if port is None:
        return match[1], default_port
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise UrlRefused("port must be a number from 1 to 65535")
    return match[1], int(port)


def _ipv6_literal(text: str) -> IPv6Address:
    if "%" in text:
        raise AddressRefused("address with a scope is refused")
    try:
        return IPv6Address(text)
    except ValueError:
        raise UrlRefused("what is in the brackets is not an IPv6 address") from None


def _ipv4_literal(host: str) -> IPv4Address | None:
    """The address that `host` is, or None for a name.

    Libraries read 0x7f.1, 2130706433 and 0177.0.0.1 as 127.0.0.1. No name ends in a
    number (WHATWG URL, "ends in a number"), so all but the usual form is refused.
    """
    if not _NUMBER_LABEL.fullmatch(host.rpartition(".")[2]):
        return None
    try:
        return IPv4Address(host)
    except ValueError:
        raise AddressRefused(
            "an IPv4 address must be four decimal numbers without leading zeros"
        ) from None


def _canonical_name(host: str) -> str:
    """Lower-case ASCII (IDNA 2008 with UTS 46 mapping), one trailing dot taken off."""
    if not host.isascii():
        if len(host) > 253:
            raise UrlRefused("host name is longer than 253 characters")
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except UnicodeError:
            raise UrlRefused("host is not a valid international name") from None
    name = host.lower().removesuffix(".")
    if len(name) > 253:
        raise UrlRefused("host name is longer than 253 characters")
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise UrlRefused("host name may have letters, digits, - and _ between dots")
    return name


def _canonical_target(target: str) -> str:
    try:
        target = quote(target, safe=_KEPT_IN_TARGET)
    except UnicodeError:
        raise UrlRefused("URL is not valid Unicode") from None
    return target if target.startswith("/") else f"/{target}"
