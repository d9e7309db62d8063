"""How much anybody outside may ask of us, and a token bucket to hold them to it.

Every number of the wire edge stands here with its unit and its reason, so that a
test, a bench or an operator changes one value and nothing else. No I/O: the rate
limiter is told the time.

`ServerLimits` is made by run.py and read by `transport/server/server.py` and what it
starts; those of a WebSocket are in `transport/server/websocket/limits.py`.
`RateLimiter` is used by whoever answers a request, in that request's greenlet; it never
blocks.
"""

from collections import OrderedDict

import msgspec

from engine.policy.token_bucket import TokenBucket
from transport.server.websocket.limits import WebSocketLimits

__all__ = ["CallLimits", "RateLimiter", "ServerLimits"]


class ServerLimits(WebSocketLimits, frozen=True, kw_only=True):
    """The bounds of the wire edge. Times are seconds, sizes are bytes."""

    #: Open connections in all: about 3 KB for a WebSocket, 20 KB for others. Keep it
    #: below the process's open-file limit, or accept() fails for everybody.
    connections: int = 16_000
    #: Open connections of one address (IPv6: one /64), so that one client cannot
    #: take them all. Trusted proxies are exempt; whom they speak for is counted.
    connections_per_address: int = 256
    #: Connections the kernel holds for us while we are busy (capped by somaxconn).
    backlog: int = 1024

    #: Whole request head, first byte to empty line, however it trickles in.
    head_timeout_s: float = 10.0
    #: Whole body, unless read_body() is given another deadline.
    body_timeout_s: float = 20.0
    #: Silence allowed between two requests of a connection: longer than the proxies
    #: keep theirs (60 s nginx and AWS, 120 s Caddy), so that they close it, not we.
    idle_timeout_s: float = 130.0
    #: A large answer gets this many bytes per second more time.
    write_bytes_per_s: int = 4096

    #: "GET <target> HTTP/1.1"; longer is 414.
    request_line_bytes: int = 8192
    #: All header lines together (cookies of a shared domain can be large): 431.
    header_bytes: int = 32_768
    #: Header lines: 431.
    header_count: int = 100
    #: No body is ever longer, whatever a handler asks for. The largest that the API
    #: takes is a batch of 1 MiB.
    body_bytes: int = 2 * 1024 * 1024
    #: Pieces of one chunked body: one-byte chunks cost us far more than they cost
    #: the sender.
    body_chunks: int = 4096
    #: Rest of an unread body that we read away to keep the connection; with more
    #: than this left the connection is closed instead.
    discard_bytes: int = 65_536


class CallLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Calls per second and in a burst: of an API key, or of a provider's address."""

    #: A batch of 1,000 payments is one call; a provider calls for all its customers
    #: from one address.
    rate_per_s: float = 200.0
    burst: int = 1_000
    #: Wrong keys, secrets and signatures, by client address. Nobody guesses 256 bits;
    #: this bounds the noise.
    failure_rate_per_s: float = 0.5
    failure_burst: int = 20


class RateLimiter:
    """One token bucket per key, at most `max_keys` of them.

    A key that comes for the first time has a full bucket. When there are too many
    keys the one that was not seen for the longest goes: it is the likeliest to be
    full again, so forgetting it gives nothing away.
    """

    def __init__(self, rate_per_s: float, burst: int, max_keys: int = 10_000) -> None:
        if max_keys < 1:
            raise ValueError(f"a rate limit wants max_keys >= 1, got {max_keys}")
        self._full = TokenBucket.full(rate_per_s, float(burst))
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()  # by last use

    def __len__(self) -> int:
        return len(self._buckets)

    def allow(self, key: str, now_s: float) -> float:
        """Take one token of `key`: 0.0, or the seconds until there will be one.

        A refused call takes nothing, so a client that keeps knocking is not locked
        out for longer. `now_s` may be any clock; a step backwards counts as no time.
        """
        bucket, wait_s = self._buckets.get(key, self._full).take(now_s)
        self._buckets[key] = bucket
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return wait_s
