"""Whose connection it is: the client's address behind proxies, and how to count it.

X-Forwarded-For is what anybody may write, so it counts only from peers that the
operator named, and only as far back as the chain of such peers goes. Pure functions.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["Network", "address_key", "client_address", "is_trusted", "parse_networks"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if isinstance(mapped, ipaddress.IPv4Address) else address


def is_trusted(peer: str, trusted: tuple[Network, ...]) -> bool:
    if not trusted:
        return False
    address = _parse(peer)
    return address is not None and any(address in network for network in trusted)


def client_address(peer: str, forwarded_for: str, trusted: tuple[Network, ...]) -> str:
    """The last address of the chain that no trusted proxy stands for.

    `forwarded_for` is the X-Forwarded-For header: each proxy appends its peer, so
    it is read from the right. Something that is no address ends the reading.
    """
    client = peer
    for hop in reversed(forwarded_for.split(",")):
        if not is_trusted(client, trusted):
            break
        address = _parse(hop)
        if address is None:
            break
        client = str(address)
    return client


@lru_cache(maxsize=4_096)  # a customer's connection makes many requests
def address_key(address: str) -> str:
    """What limits are counted by: an IPv4 address, or an IPv6 /64, which is what one
    household gets.
    """
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed or address)
