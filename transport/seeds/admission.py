"""How much may come in by a route that takes no key: by client address, and in all.

Whoever knows the node's address can call such a route. One client address is held to
so many calls a minute; and all of them together to so many an hour, since addresses
cost an attacker little: what they leave behind (payments that are watched, rows of the
log) is bounded by that. No I/O; runs in the request's greenlet.
"""

import time
from typing import Any

import msgspec

from engine.policy.token_bucket import TokenBucket
from transport.http.problems import rate_limited
from transport.server.client_address import address_key
from transport.server.limits import RateLimiter

__all__ = ["Admission", "SeedLimits"]


class SeedLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The settings seed_calls_per_minute and seed_calls_per_hour."""

    per_minute: int = 30
    per_hour: int = 1_000


class Admission:
    """One for each system. As many as in the whole time may come at once."""

    def __init__(self, limits: SeedLimits) -> None:
        self._by_client = RateLimiter(limits.per_minute / 60, limits.per_minute)
        self._in_all = TokenBucket.full(limits.per_hour / 3_600, limits.per_hour)

    def require(self, environ: dict[str, Any]) -> None:
        """Raises `Problem` 429 that names the setting."""
        now = time.monotonic()
        client = address_key(environ.get("REMOTE_ADDR", ""))
        wait_s = self._by_client.allow(client, now)
        if wait_s > 0:
            raise rate_limited(
                "Too many calls of this kind from this address"
                " (seed_calls_per_minute).",
                wait_s,
                "seed_calls_per_minute",
            )
        self._in_all, wait_s = self._in_all.take(now)
        if wait_s > 0:
            raise rate_limited(
                "Too many calls of this kind without a key from all addresses together"
                " (seed_calls_per_hour).",
                wait_s,
                "seed_calls_per_hour",
            )
