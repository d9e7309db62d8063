"""Calls without a key: so many per client address, whatever they ask for.

Who has a key is limited by it (`transport/http/auth.py`), who sends webhooks by what
they may send; everybody else is held to this, in one place for all routes, so that a
new one cannot be forgotten. Paths that do not exist count too, and openings of
WebSockets. No I/O; runs in the request's greenlet.
"""

import time
from typing import Any, Final

import msgspec

from transport.server.client_address import address_key
from transport.server.limits import RateLimiter

__all__ = ["LIMIT", "TOO_MANY", "StrangerLimits", "Strangers"]

TOO_MANY = "Too many requests without an API key from this address."
LIMIT: Final = "anonymous_per_s"


class StrangerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Calls per second, and at once, of one address (IPv6: one /64).

    A café full of payers behind one router asks less, and so does a browser that loads
    a page with all its files; guessing ids is hopeless at any rate.
    """

    rate_per_s: float = 30.0
    burst: int = 300

    @classmethod
    def of(cls, per_s: int) -> "StrangerLimits":
        """So many per second, and ten times as many at once."""
        return cls(rate_per_s=per_s, burst=10 * per_s)


class Strangers:
    """Who came without a key, and how often."""

    def __init__(self, limits: StrangerLimits | None = None) -> None:
        limits = limits or StrangerLimits()
        self._calls = RateLimiter(limits.rate_per_s, limits.burst)

    def wait_s(self, environ: dict[str, Any]) -> float:
        """0.0 if this call may be answered, else the seconds until one may be."""
        client = address_key(environ.get("REMOTE_ADDR", ""))
        return self._calls.allow(client, time.monotonic())
