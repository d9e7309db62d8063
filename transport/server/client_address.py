"""Whose connection it is: the client's address behind proxies, and how to count it.

X-Forwarded-For and Forwarded (RFC 7239) are what anybody may write, so they count only
from peers that the operator named, and only as far back as the chain of such peers
goes: each proxy adds at the right end, so both are read from there. Which of the two
the proxies write the operator says; the other one is the client's own. Pure functions.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, Literal

__all__ = [
    "ForwardedHeader",
    "Network",
    "address_key",
    "client_address",
    "forwarded_elements",
    "forwarded_hops",
    "is_trusted",
    "parse_networks",
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Which header the trusted proxies write.
ForwardedHeader = Literal["x-forwarded-for", "forwarded"]

#: Proxies one behind the other; nobody has more, and a header could name thousands.
_MAX_HOPS: Final = 16
#: Of a Forwarded header only so much of its right end is read.
_MAX_CHARACTERS: Final = 4_096

_NAME: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
_PAIR: Final = rf"(?:{_NAME}=(?:{_NAME}|{_QUOTED}))?"
#: The last element of a Forwarded header, with its comma. What stands to the left of it
#: may be anything: the proxies did not write it. No part of the pattern is tried twice.
_LAST_ELEMENT: Final = re.compile(
    rf"(?:^|,)[ \t]*+({_PAIR}(?:;[ \t]*+{_PAIR})*+)[ \t]*+$"
)
_ONE_PAIR: Final = re.compile(rf"({_NAME})=({_NAME}|{_QUOTED})")

#: An address that may have a port: 1.2.3.4, 1.2.3.4:5678, [::1], [::1]:5678.
_WITH_PORT: Final = re.compile(r"([0-9.]+)(?::[^:]*)?|\[([0-9A-Fa-f:.]+)\](?::[^:]*)?")


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks like "10.0.0.0/8"; ValueError names the wrong one."""
    networks: list[Network] = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text.strip()))
        except ValueError as error:
            raise ValueError(
                f"trusted proxy {text!r} is neither an address nor a network like"
                " 10.0.0.0/8"
            ) from error
    return tuple(networks)


def _parse(text: str) -> Address | None:
    """The address in "1.2.3.4", "1.2.3.4:5678", "::1", "[::1]:5678"; None if there is
    none, as in "unknown" or in RFC 7239's obfuscated names ("_hidden").
    """
    text = text.strip()
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        text = match[1] or match[2]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if isinstance(mapped, ipaddress.IPv4Address) else address


def is_trusted(peer: str, trusted: tuple[Network, ...]) -> bool:
    if not trusted:
        return False
    address = _parse(peer)
    return address is not None and any(address in network for network in trusted)


def client_address(peer: str, hops: Iterable[str], trusted: tuple[Network, ...]) -> str:
    """The first address, from our end, that no trusted proxy stands for.

    `hops` is what the proxies say, the nearest first. Something that is no address
    ends the reading: then it is the proxy that said so.
    """
    client = peer
    for hop in hops:
        if not is_trusted(client, trusted):
            break
        address = _parse(hop)
        if address is None:
            break
        client = str(address)
    return client


def forwarded_hops(x_forwarded_for: str) -> Iterator[str]:
    """The addresses of an X-Forwarded-For header, the nearest proxy's word first."""
    yield from reversed(x_forwarded_for.rsplit(",", _MAX_HOPS)[-_MAX_HOPS:])


def forwarded_elements(forwarded: str) -> Iterator[dict[str, str]]:
    """The elements of a Forwarded header (RFC 7239), the nearest proxy's first.

    Each as its parameters by lower-case name, quotes taken off. Ends at the first one,
    from the right, that is malformed: a client that leaves a quote open must not
    swallow what the proxy behind it wrote.
    """
    rest = forwarded[-_MAX_CHARACTERS:]
    for _ in range(_MAX_HOPS):
        match = _LAST_ELEMENT.search(rest)
        if match is None:
            return
        pairs = _ONE_PAIR.findall(match[1])
        names = [name.lower() for name, _ in pairs]
        if len(set(names)) < len(names):
            return  # "Each parameter MUST NOT occur more than once" (RFC 7239 4)
        if pairs:  # an empty element counts as none (RFC 9110 5.6.1)
            values = (_unquoted(value) for _, value in pairs)
            yield dict(zip(names, values, strict=True))
        if match.start() == 0:
            return
        rest = rest[: match.start()]


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


@lru_cache(maxsize=4_096)  # a customer's connection makes many requests
def address_key(address: str) -> str:
    """What limits are counted by: an IPv4 address, or an IPv6 /64, which is what one
    household gets.
    """
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed or address)
