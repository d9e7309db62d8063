"""For which hosts we answer: the guard against DNS rebinding.

A web page can make a name of its own lead to an address that only its visitor can
reach, and then talk to what listens there as to its own server. Its requests bear that
name in `Host`. So we answer only for names that were given to us. An IP address is no
name that anybody could lead elsewhere, and loopback names lead nowhere else: they are
always allowed. Pure.
"""

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

__all__ = ["OPEN_PATHS", "AllowedHosts", "host_name"]

#: Health checks name anything or nothing as their host, and these tell nothing that a
#: page could use.
OPEN_PATHS: Final = frozenset(("/health", "/ready"))

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::[0-9]*)?")


class AllowedHosts:
    """The names of this node."""

    __slots__ = ("_names", "allows")

    def __init__(self, names: Iterable[str] = (), public_url: str = "") -> None:
        """`names` without ports; "*" allows every host. The host of `public_url` is
        allowed too.
        """
        self._names = {name.lower() for name in names}
        if public_url:
            self._names.add((urlsplit(public_url).hostname or "").lower())
        # A node is asked for a handful of hosts, over and over.
        self.allows = lru_cache(maxsize=64)(self._decide)

    def _decide(self, host: str) -> bool:
        """Whether a request with this `Host` ("" if it has none) is for us."""
        name = host_name(host)
        return (
            "*" in self._names
            or name in self._names
            or name == "localhost"
            or name.endswith(".localhost")  # RFC 6761 6.3
            or _is_address(name)
        )


def host_name(host: str) -> str:
    """The name or address in a Host header, in lower case and without its port."""
    match = _HOST.fullmatch(host)
    return match[1].strip("[]").lower().removesuffix(".") if match else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
