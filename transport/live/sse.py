"""Server-Sent Events: `GET /events/balance/<address>`, `GET /events/payment/<id>`, and
what all streams share.

The response is a generator that waits for its session's queue: no polling, a comment
every 15 s, which is also how a client that has gone is noticed (the write fails). A
client that reads too slowly gets what is queued and then the end of the stream; its
EventSource comes back with Last-Event-ID and goes on where it was.

Runs in the connection's greenlet, one per stream.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Annotated, Any, Final

import bottle
from msgspec import Meta

from engine.errors.codes import Code
from engine.gateway import Gateway, SessionHandle
from engine.store.epochs import POSITION, POSITION_LENGTH, Position
from transport.bodies.problem_body import FieldError
from transport.http.bottle_app import Api
from transport.http.find_payment import find_followed
from transport.http.hold import hold
from transport.http.openapi import Header, Operation, Text
from transport.http.params import Query
from transport.http.problems import Problem, invalid
from transport.live.audience import OPENED_BY, Audience
from transport.live.encoding import KEEP_ALIVE, PREAMBLE, Frames
from transport.live.leases import Lease, Leases
from transport.live.sinks import (
    QUEUE_BYTES,
    QUEUE_MESSAGES,
    StreamQueue,
    StreamSink,
)
from transport.server.upgrade import is_allowed_origin

__all__ = ["KEEP_ALIVE_S", "last_event_id", "routes", "start_stream", "stream"]

#: Proxies close what is silent for 60 s and more; a quarter of that is safe.
KEEP_ALIVE_S: Final = 15.0


class SinceQuery(Query):
    """Where a reader goes on that cannot send headers."""

    since: Annotated[
        Annotated[str, Meta(pattern=POSITION)] | None,
        Meta(
            description="the id of the last event that was read, <epoch>-<seq>, or its"
            " seq alone"
        ),
    ] = None
    token: Annotated[
        str | None,
        Meta(
            description="the payment's client_secret: with it, or with a key of its"
            " merchant that has the scope read, all is told; without, status, flags,"
            " sums, depth, txids and times"
        ),
    ] = None


_OPERATION: Final = Operation(
    name="followBalance",
    method="GET",
    path="/events/balance/<address>",
    tag="live",
    summary="The payment of an address as Server-Sent Events, resumable by"
    " Last-Event-ID or ?since=<epoch>-<seq>",
    answers={200: Text("text/event-stream")},
    query=SinceQuery,
    headers=(
        Header(
            name="Last-Event-ID",
            description="the id of the last event that was read, <epoch>-<seq>",
            schema={"type": "string", "maxLength": POSITION_LENGTH},
        ),
    ),
    needs_key=False,
    problems=(401, 404),
)

_BY_ID: Final = replace(
    _OPERATION,
    name="followPayment",
    path="/events/payment/<payment_id>",
    summary="A payment as Server-Sent Events, for who has its client_secret or a key"
    " of its merchant; resumable likewise",
    problems=(401, 403),
)


def routes(
    app: Api,
    gateway: Gateway,
    audience: Audience,
    origins: Collection[str] = (),
    *,
    queue_messages: int = QUEUE_MESSAGES,
    queue_bytes: int = QUEUE_BYTES,
    keep_alive_s: float = KEEP_ALIVE_S,
    leases: Leases | None = None,
) -> None:
    """Add the streams of one payment. `origins`: see `transport.server.upgrade`.
    `leases`: a stream that was opened with a key ends with it."""

    def at_address(address: str) -> Iterator[bytes]:
        environ = bottle.request.environ
        since = last_event_id(environ, "since")
        if since is not None:
            since = gateway.epochs().at_an_address(since)
        payment = find_followed(gateway, address)
        if payment is None:
            raise Problem(
                Code.PAYMENT_NOT_FOUND, "No payment is known at this address."
            )
        frames = audience.frames(environ, payment)
        return events(payment.id, frames, since)

    def of_payment(payment_id: str) -> Iterator[bytes]:
        environ = bottle.request.environ
        since = last_event_id(environ, "since")
        frames = audience.insiders(environ, gateway.payment(payment_id))
        return events(payment_id, frames, since)

    def events(
        payment_id: str, frames: Frames, since: Position | None
    ) -> Iterator[bytes]:
        environ = bottle.request.environ
        hold(environ)
        allow_origin(environ, origins)
        start_stream()
        queue = StreamQueue(queue_messages, queue_bytes)
        key_id = environ.get(OPENED_BY)

        def lease() -> Lease | None:
            if leases is None or key_id is None:
                return None
            return leases.of_key(key_id, queue.end)

        def follow() -> SessionHandle:
            session = gateway.open_session("sse", StreamSink(queue, frames))
            session.follow(payment_id, since)
            return session

        return stream(queue, follow, keep_alive_s, lease)

    def preflight(**_path: str) -> str:
        # EventSource never asks; readers built on fetch() do, for Last-Event-ID.
        allow_origin(bottle.request.environ, origins)
        bottle.response.set_header("Access-Control-Allow-Methods", "GET")
        bottle.response.set_header("Access-Control-Allow-Headers", "Last-Event-ID")
        bottle.response.set_header("Access-Control-Max-Age", "600")
        bottle.response.status = 204
        return ""

    for operation, handler in ((_OPERATION, at_address), (_BY_ID, of_payment)):
        app.add(operation, handler, streams=True)
        app.route(operation.path, "OPTIONS", preflight)


def stream(
    queue: StreamQueue,
    follow: Callable[[], SessionHandle],
    keep_alive_s: float = KEEP_ALIVE_S,
    lease: Callable[[], Lease | None] = lambda: None,
) -> Iterator[bytes]:
    """The body: what the session that `follow` opens puts into `queue`.

    The session is opened by the first step and closed with the generator, so none is
    left behind, however the response ends; `lease` likewise.
    """
    session = follow()
    held = lease()
    try:
        yield PREAMBLE
        while True:
            waiting = queue.take(keep_alive_s)
            if waiting:
                yield waiting
            elif queue.ended:
                return
            else:
                yield KEEP_ALIVE
    finally:
        queue.end()
        session.close()
        if held is not None:
            held.release()


def start_stream() -> None:
    """Headers of an event stream; nothing between us and the reader may hold it."""
    bottle.response.content_type = "text/event-stream; charset=utf-8"
    bottle.response.set_header("Cache-Control", "no-store")
    bottle.response.set_header("X-Accel-Buffering", "no")


def allow_origin(environ: dict[str, Any], origins: Collection[str]) -> None:
    """Let pages of an allowed origin read the answer. Others' browsers will not."""
    origin = environ.get("HTTP_ORIGIN")
    bottle.response.add_header("Vary", "Origin")
    if origin is not None and is_allowed_origin(environ, origins):
        bottle.response.set_header("Access-Control-Allow-Origin", origin)


def last_event_id(environ: dict[str, Any], parameter: str) -> Position | None:
    """Where the reader is: its Last-Event-ID, else the query parameter, else None.

    The header is what a reconnecting EventSource sends, with the URL it began with,
    so the header is the newer of the two. Raises `Problem` 422.
    """
    name, text = "Last-Event-ID", environ.get("HTTP_LAST_EVENT_ID", "")
    if not text:
        name, text = f"?{parameter}", bottle.request.query.get(parameter, "")
    if not text:
        return None
    position = Position.parse(text)
    if position is None:
        wanted = "must be <epoch>-<number>, as the stream's ids are, or a whole number"
        raise invalid(FieldError(name, wanted))
    return position
