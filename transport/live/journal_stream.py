"""`GET /v1/events`: everything that happens on the node, resumable for ever.

Three ways to the same events, in journal order, for one merchant's key its own only:

    ?cursor=<cursor>&limit=           what there is, at once
    ?cursor=newest                    nothing: `next_cursor` is where to go on from
    ...&wait_s=                       or, if there is nothing, the next that happens
    Accept: text/event-stream         a stream without end; the ids are cursors

A cursor is `<epoch>-<offset>` (`engine/store/epochs.py`), also taken as `after`, its
older name; a number alone is an offset
of the first epoch, and 0 the beginning. One of another epoch would pass over events
that its reader has not read: it gets a 410 that says how to go on.

The stream reads the journal page by page while it is behind, and follows the node's
events once it has caught up. A reader that falls behind then is not cut off: it gets
what is queued and the rest from the journal again, at its own pace.

Runs in the connection's greenlet.
"""

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from gevent.event import Event as Signal
from msgspec import Meta

from engine.errors import EngineError
from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from engine.payment.events import CommittedEvent
from engine.store.epochs import POSITION, POSITION_LENGTH, START, Position
from engine.store.records import StoredEvent
from transport.bodies.problem_body import FieldError
from transport.http.auth import Principal
from transport.http.bottle_app import Api, answer, environ
from transport.http.hold import hold
from transport.http.openapi import Header, Operation, Text
from transport.http.params import Query, position_asked
from transport.http.problems import cursor_gone, invalid
from transport.http.request_json import query
from transport.http.views import EventView
from transport.live.encoding import KEEP_ALIVE, PREAMBLE, Frames
from transport.live.sinks import JournalSink, StreamQueue
from transport.live.sse import KEEP_ALIVE_S, last_event_id, start_stream

__all__ = ["EventFeed", "EventsQuery", "MAX_LIMIT", "MAX_WAIT_S", "routes"]

log = logging.getLogger("paybell.live")

MAX_LIMIT: Final = 1_000
MAX_WAIT_S: Final = 60.0
_PAGE: Final = 500  # events that a stream reads at once

#: Raises `Problem` 401. `transport.http.auth.Auth.require` is one.
Require = Callable[[dict[str, Any]], Principal]

#: Whether a lease (`Principal.lease`) still lasts; may raise `EngineError`: then nobody
#: knows. `transport.http.auth.Auth.is_active` is one.
IsActive = Callable[[str], bool]


NEWEST: Final = "newest"

_Cursor = Annotated[
    str,
    Meta(
        pattern=rf"{POSITION}|^{NEWEST}$",
        description="a position that was given out, like 0a1b2c3d-7, a whole number,"
        " or newest; cursor and after are the same",
    ),
]


class EventsQuery(Query):
    """Where to go on, and how long to wait for something to be there. `cursor=newest`
    passes over what there is: `next_cursor` is the place to follow from."""

    cursor: _Cursor | None = None
    after: _Cursor = "0"
    limit: Annotated[
        int,
        Meta(ge=1, le=MAX_LIMIT, description=f"a whole number from 1 to {MAX_LIMIT}"),
    ] = 100
    wait_s: Annotated[
        float,
        Meta(ge=0, le=MAX_WAIT_S, description="a number of seconds from 0 to 60"),
    ] = 0.0


class EventFeed(msgspec.Struct, frozen=True, kw_only=True):
    """Events in journal order. Ask again with `cursor` = `next_cursor`, which is
    `<epoch>-<offset>`; `next` is the same, by its older name, as is `after`."""

    data: list[EventView]
    next: str
    next_cursor: str


_OPERATION: Final = Operation(
    name="followEvents",
    method="GET",
    path="/v1/events",
    scope=Scope.READ,
    tag="events",
    summary="Every event of the node, resumable; with Accept: text/event-stream a"
    " stream that does not end",
    answers={200: EventFeed},
    also={200: Text("text/event-stream")},
    query=EventsQuery,
    headers=(
        Header(
            name="Last-Event-ID",
            description="for streams: the id of the last event that was read,"
            " <epoch>-<offset>",
            schema={"type": "string", "maxLength": POSITION_LENGTH},
        ),
    ),
    problems=(410,),
)


def routes(
    app: Api,
    gateway: Gateway,
    require: Require,
    frames: Frames,
    is_active: IsActive,
    *,
    keep_alive_s: float = KEEP_ALIVE_S,
) -> None:
    """Add `GET /v1/events`. What is opened with a key, or a session, ends with it."""

    def events() -> Any:
        env = environ()
        principal = require(env)
        merchant = principal.merchant
        asked = query(env, EventsQuery)
        reader = _Reader(
            gateway, frames, merchant, env, partial(is_active, principal.lease)
        )
        if "text/event-stream" in env.get("HTTP_ACCEPT", ""):
            after = usable(gateway, _stream_position(gateway, env, asked), merchant)
            hold(env)
            start_stream()
            return reader.stream(after, keep_alive_s)
        place = position_asked(asked.cursor, asked.after)
        if place == NEWEST:
            after = gateway.health().last_offset
        else:
            after = usable(gateway, Position.parse(place) or START, merchant)
        found = reader.wait(after, asked.limit, asked.wait_s)
        data = [msgspec.Raw(stored.wire) for stored in found]
        last = found[-1].offset if found else after
        cursor = Position(gateway.epochs().present, last)
        text = str(cursor)
        return answer({"data": data, "next": text, "next_cursor": text})

    app.add(_OPERATION, events, streams=True)


def _stream_position(
    gateway: Gateway, env: dict[str, Any], asked: EventsQuery
) -> Position:
    place = position_asked(asked.cursor, asked.after)
    if place == NEWEST and not env.get("HTTP_LAST_EVENT_ID"):
        return Position(gateway.epochs().present, gateway.health().last_offset)
    return last_event_id(env, "after" if asked.cursor is None else "cursor") or START


class _Reader:
    """One client reading the journal."""

    def __init__(
        self,
        gateway: Gateway,
        frames: Frames,
        merchant: str | None,
        environ: dict[str, Any],
        is_allowed: Callable[[], bool],
    ) -> None:
        """`is_allowed`: whether its key still is one; may raise `EngineError`."""
        self._is_allowed = is_allowed
        self._gateway = gateway
        self._frames = frames
        self._merchant = merchant
        self._environ = environ
        # Set when the server stops; absent under another server.
        self._stopping: Signal = environ.get("paybell.stopping") or Signal()

    def wait(self, after: int, limit: int, wait_s: float) -> list[StoredEvent]:
        """A page after `after`; if it is empty, wait for something to be in it."""
        found = self._read(after, limit)
        if found or wait_s <= 0:
            return found
        hold(self._environ)
        # Any event will do, so one place is enough: when it is taken, look.
        queue = StreamQueue(max_messages=1)
        sink = JournalSink(queue, lambda _event: b".", after)
        session = self._gateway.open_session("long-poll", sink)
        self._stopping.rawlink(queue.end)
        try:
            session.follow_all(after, self._merchant)
            queue.take(wait_s)
        finally:
            self._stopping.unlink(queue.end)
            session.close()
        return [] if self._is_over() else self._read(after, limit)

    def stream(self, after: int, keep_alive_s: float) -> Iterator[bytes]:
        """The body of an event stream. Ends when the key is revoked, whether there is
        much to tell or nothing."""
        yield PREAMBLE
        checked_at = time.monotonic()

        def is_over() -> bool:
            nonlocal checked_at
            if time.monotonic() - checked_at < keep_alive_s:
                return False
            checked_at = time.monotonic()
            return self._is_over()

        while not is_over():
            page = self._read(after, _PAGE)
            if page:
                yield b"".join(self._encoded(stored) for stored in page)
                after = page[-1].offset
            if len(page) == _PAGE:
                continue
            queue = StreamQueue()
            sink = JournalSink(queue, self._frames.sse_by_offset, after)
            session = self._gateway.open_session("events", sink)
            try:
                session.follow_all(after, self._merchant)
                while not queue.ended:
                    yield queue.take(keep_alive_s) or KEEP_ALIVE
                    if is_over():
                        return
            finally:
                queue.end()
                session.close()
            rest = queue.take(0)
            if rest:
                yield rest
            if not queue.full:
                return  # the node ends the session, not the reader's slowness
            after = sink.offset

    def _is_over(self) -> bool:
        """Asked of the key itself, not as a call: that there are too many calls says
        nothing of the key, and that the store cannot be read proves nothing."""
        try:
            return not self._is_allowed()
        except EngineError as error:
            log.warning("live.keys_unread error=%s", error)
            return False

    def _read(self, after: int, limit: int) -> list[StoredEvent]:
        return self._gateway.events_after(after, limit, self._merchant)

    def _encoded(self, stored: StoredEvent) -> bytes:
        return self._frames.sse_by_offset(
            CommittedEvent(stored.offset, stored.event, stored.merchant, stored.wire)
        )


def usable(gateway: Gateway, cursor: Position, merchant: str | None) -> int:
    """The offset of a cursor. Raises `Problem` 410 for one of another epoch, or after
    which events of the merchant are kept no longer: who begins at 0 has missed none,
    nor has one of whose events none went, however old the cursor. And 422 for one that
    does not exist yet: it is a mistake, and to go on from it would pass over events in
    silence.
    """
    epochs = gateway.epochs()
    is_present = epochs.is_present(cursor)
    if not is_present:
        cursor = epochs.going_on_from(cursor)
    kept_after = gateway.pruned(merchant).through
    if 0 < cursor.number < kept_after:
        raise cursor_gone(Position(epochs.present, kept_after), is_kept=False)
    if not is_present:
        raise cursor_gone(cursor)
    if cursor.number == 0:
        return 0
    last = gateway.health().last_offset
    if cursor.number > last:
        text = f"must be at most {last}, the offset of the newest event"
        raise invalid(FieldError("?after", text))
    return cursor.number
