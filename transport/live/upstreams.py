"""`GET /events/upstreams/<merchant>`: how a merchant's Lightning connections stand.

    event: upstreams
    data: {"type":"upstreams","ready":…,"data":[…],"timestamp":…}

once at the beginning, and again at each change: always all of them, so that a client
that missed one has missed nothing; so there is nothing to resume, and no `id`. `ready`:
every one is live (S2.5: "✓ Ready"); `data` is as in `GET /v1/upstreams` of a merchant's
key, whoever asks.

It is opened by an API key that may read the merchant's payments (`Authorization:
Bearer`), or by a token of the merchant's site (`?token=`).

Runs in the connection's greenlet; a change is put into its queue in the turn of the
actor whose it is.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Annotated, Any, Final

import bottle
import msgspec
from msgspec import Meta

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.lightning.upstream import seen_by
from engine.merchants.scopes import Scope
from engine.payment.events import iso
from transport.http.bottle_app import Api
from transport.http.hold import hold
from transport.http.openapi import Operation, Text
from transport.http.params import Query
from transport.http.problems import Problem
from transport.http.request_json import query
from transport.http.upstream_views import UpstreamView, upstream_page
from transport.live.audience import Require
from transport.live.doors import DoorClosed, Doors
from transport.live.encoding import KEEP_ALIVE, PREAMBLE
from transport.live.leases import Lease, Leases
from transport.live.sinks import StreamQueue
from transport.live.sse import KEEP_ALIVE_S, allow_origin, start_stream

__all__ = ["routes"]

#: A client that reads none of so many changes is cut off; its EventSource comes back.
MOST_WAITING: Final = 64


class UpstreamsQuery(Query):
    """By which right, without a key."""

    token: Annotated[
        str | None, Meta(description="a token of the merchant's site (JWT)")
    ] = None


class UpstreamsMessage(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="upstreams"
):
    """What each message says."""

    ready: bool
    data: list[UpstreamView]
    timestamp: str


_OPERATION: Final = Operation(
    name="followUpstreams",
    method="GET",
    path="/events/upstreams/<merchant>",
    tag="live",
    summary="How the Lightning connections of a merchant stand, as Server-Sent Events:"
    " all of them at the beginning and at each change. For who has a key with the scope"
    " read, or a token of the merchant's site",
    answers={200: Text("text/event-stream")},
    query=UpstreamsQuery,
    needs_key=False,
    problems=(401, 403, 404),
)

MakeLeases = Callable[[Callable[[], None]], tuple[Lease, ...]]


def routes(
    app: Api,
    gateway: Gateway,
    require: Require,
    doors: Doors,
    leases: Leases,
    origins: Collection[str] = (),
    *,
    keep_alive_s: float = KEEP_ALIVE_S,
) -> None:
    """Add the stream. It ends with the key, or the token, that opened it, or with the
    rules under which the token was good."""
    visitors = _Visitors(require, doors, leases)

    def follow(merchant: str) -> Iterator[bytes]:
        environ = bottle.request.environ
        token = query(environ, UpstreamsQuery).token
        lease = visitors.admit(environ, merchant, token)
        if not seen_by(gateway.upstreams(), merchant):
            raise Problem(
                Code.UPSTREAM_NOT_FOUND, "No Lightning account is this merchant's."
            )
        hold(environ)
        allow_origin(environ, origins)
        start_stream()
        return _stream(gateway, merchant, lease, keep_alive_s)

    app.add(_OPERATION, follow, streams=True)


class _Visitors:
    """Who may listen."""

    def __init__(self, require: Require, doors: Doors, leases: Leases) -> None:
        self._require = require
        self._doors = doors
        self._leases = leases

    def admit(
        self, environ: dict[str, Any], merchant: str, token: str | None
    ) -> MakeLeases:
        """For how long. Raises `Problem`."""
        if token is not None:
            return self._by_token(token, merchant)
        principal = self._require(environ)
        if not principal.may(Scope.READ) or not principal.may_see(merchant):
            raise Problem(Code.FORBIDDEN, "This key does not read this merchant's.")
        return lambda end: (self._leases.of_key(principal.lease, end),)

    def _by_token(self, token: str, merchant: str) -> MakeLeases:
        try:
            guest = self._doors.guest_of(token, merchant)
        except DoorClosed as closed:
            raise Problem(Code.FORBIDDEN, str(closed)) from closed
        assert guest.expires_at is not None, "a token that does not end"
        ends = guest.expires_at
        return lambda end: (
            self._leases.until(ends, end),
            self._leases.of_key(guest.rules, end),  # a secret that leaked is replaced
        )


def _stream(
    gateway: Gateway, merchant: str, leases: MakeLeases, keep_alive_s: float
) -> Iterator[bytes]:
    """Listening is begun by the first step and ended with the generator."""
    queue = StreamQueue(MOST_WAITING)
    last = b""

    def tell(_changed: object = None) -> None:
        nonlocal last
        page = upstream_page(gateway.upstreams(), merchant, details=False)
        said = _encoded(page.ready, page.data, iso(gateway.now()))
        shown = msgspec.json.encode(page)
        if shown != last:  # else it was one of others
            last = shown
            queue.put(said)

    unlisten = gateway.listen_upstreams(tell)
    held = leases(queue.end)
    try:
        yield PREAMBLE
        tell()
        while True:
            waiting = queue.take(keep_alive_s)
            if waiting:
                yield waiting
            elif queue.ended:
                return
            else:
                yield KEEP_ALIVE
    finally:
        unlisten()
        queue.end()
        for lease in held:
            lease.release()


def _encoded(ready: bool, data: list[UpstreamView], now: str) -> bytes:
    message = UpstreamsMessage(ready=ready, data=data, timestamp=now)
    return b"event: upstreams\ndata: " + msgspec.json.encode(message) + b"\n\n"
