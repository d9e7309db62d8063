"""A session's wire to its client: a WebSocket, or the queue behind an event stream.

Implementations of `engine.ports.Sink`. Their methods run in the dispatcher's greenlet
and never wait; False tells the session to end. What cannot be queued any more is not
lost: it is in the journal, and the client comes back for it with its last seq or id.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from gevent.event import Event as Signal

from engine.errors.codes import StreamCode
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from engine.ports import Freshness
from engine.store.epochs import Position
from transport.live.encoding import (
    Frames,
    error_message,
    sse,
)
from transport.live.events_only import EventsOnly
from transport.server.websocket.connection import WebSocket
from transport.server.websocket.frames import encode_text
from transport.server.websocket.limits import WebSocketLimits

__all__ = [
    "QUEUE_BYTES",
    "QUEUE_MESSAGES",
    "JournalSink",
    "StreamQueue",
    "StreamSink",
    "WebSocketSink",
    "Wire",
]

#: What may wait for one slow reader of a stream: as much as of a WebSocket.
QUEUE_MESSAGES: Final = WebSocketLimits().ws_queue_messages
QUEUE_BYTES: Final = WebSocketLimits().ws_queue_bytes
#: The part of it that is for backlogs: enough to keep a line busy, little enough that
#: many who never read cost little. The rest is for what happens meanwhile.
BACKLOG_SHARE: Final = 8


class Wire:
    """A WebSocket that closes with 1013 *behind* what is queued when that is much.

    The socket's own limit, which is no lower, throws away what waits: the right end
    for a peer that sends rubbish. But a client that has much to catch up with must
    get something of it each time, or it would come back for the same for ever.
    """

    __slots__ = ("_backlog", "_max_bytes", "_max_messages", "_source", "websocket")

    def __init__(
        self,
        websocket: WebSocket,
        max_messages: int = QUEUE_MESSAGES,
        max_bytes: int = QUEUE_BYTES,
    ) -> None:
        self.websocket = websocket
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._source = b""  # the freshness that was told last
        self._backlog = False  # what is told next is one of many

    def has_room(self, again: Callable[[], None]) -> bool:
        """Else `again` is called when the peer has taken some of it."""
        socket = self.websocket
        if (
            socket.queued_messages * BACKLOG_SHARE < self._max_messages
            and socket.queued_bytes * BACKLOG_SHARE < self._max_bytes
        ):
            self._backlog = True
            return True
        socket.call_when_written(again)
        return False

    def send_source(self, frame: bytes) -> bool:
        """Tell of the sources, once for all payments that are followed here."""
        if frame == self._source:
            return not self.websocket.closed
        self._source = frame
        return self.send(frame)

    def send_event(self, frame: bytes) -> bool:
        """Send a frame, as soon as can be if it is not from a backlog; as `send`."""
        if self._backlog or self.websocket.busy:
            self._backlog = False
            return self.send(frame)
        return self.websocket.send_now(frame)

    def send(self, frame: bytes) -> bool:
        """Queue a frame; False when the connection is closing or closes now."""
        socket = self.websocket
        if (
            socket.queued_messages >= self._max_messages
            or socket.queued_bytes + len(frame) > self._max_bytes
        ):
            socket.close(1013, "too slow; come back with since")
            return False
        return socket.send_encoded(frame)


class WebSocketSink:
    """One payment on a socket of its own."""

    __slots__ = ("_frames", "_wire")

    def __init__(self, wire: Wire, frames: Frames) -> None:
        self._wire = wire
        self._frames = frames

    def has_room(self, again: Callable[[], None]) -> bool:
        return self._wire.has_room(again)

    def state(self, payment: Payment, since: int | None) -> bool:
        return self._wire.send(encode_text(self._frames.state(payment)))

    def event(self, event: CommittedEvent) -> bool:
        return self._wire.send_event(self._frames.websocket(event))

    def freshness(self, freshness: Freshness) -> bool:
        return self._wire.send_source(self._frames.freshness_frame(freshness))

    def problem(self, code: StreamCode, message: str) -> bool:
        return self._wire.send(encode_text(error_message(code, message)))

    def close(self, code: int, reason: str) -> None:
        self._wire.websocket.close(code, reason)


class StreamQueue:
    """Bytes on their way from a session to the greenlet that writes a stream.

    Bounded in messages and bytes. When it is full it ends: the reader still gets what
    is in it, so that the client has a gapless story up to its last id.
    """

    __slots__ = (
        "_bytes",
        "_max_bytes",
        "_max_messages",
        "_queue",
        "_ready",
        "_waiting",
        "ended",
        "full",
    )

    def __init__(
        self, max_messages: int = QUEUE_MESSAGES, max_bytes: int = QUEUE_BYTES
    ) -> None:
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._ready = Signal()
        self._waiting: list[Callable[[], None]] = []  # for room
        self.ended = False  # nothing more will come
        self.full = False  # ... because its reader was too slow

    def has_room(self, again: Callable[[], None]) -> bool:
        """Else `again` is called when the reader took it."""
        if (
            len(self._queue) * BACKLOG_SHARE < self._max_messages
            and self._bytes * BACKLOG_SHARE < self._max_bytes
        ):
            return True
        self._waiting.append(again)
        return False

    def put(self, data: bytes) -> bool:
        """False when it has ended, or ends now because it is full."""
        if self.ended:
            return False
        full = len(self._queue) >= self._max_messages
        if full or self._bytes + len(data) > self._max_bytes:
            self.full = True
            self.end()
            return False
        self._queue.append(data)
        self._bytes += len(data)
        self._ready.set()
        return True

    def end(self, *_: object) -> None:
        self.ended = True
        self._ready.set()

    def take(self, timeout_s: float) -> bytes:
        """All that waits, joined; b"" when nothing came in time or it has ended."""
        if not self._queue and not self.ended:
            self._ready.wait(timeout_s)
        if not self.ended:
            self._ready.clear()
        taken = b"".join(self._queue)
        self._queue.clear()
        self._bytes = 0
        waiting, self._waiting = self._waiting, []
        for again in waiting:
            again()
        return taken


class StreamSink:
    """One payment as an event stream; ids are seqs, with the epoch.

    The state carries an id only if nothing is replayed after it. Else a connection
    that drops in between would come back with the state's seq and miss the replay.
    """

    __slots__ = ("_frames", "queue")

    def __init__(self, queue: StreamQueue, frames: Frames) -> None:
        self.queue = queue
        self._frames = frames

    def has_room(self, again: Callable[[], None]) -> bool:
        return self.queue.has_room(again)

    def state(self, payment: Payment, since: int | None) -> bool:
        frames = self._frames
        event_id = Position(frames.epoch, payment.seq) if since is None else None
        return self.queue.put(sse(frames.state(payment), "state", event_id))

    def event(self, event: CommittedEvent) -> bool:
        return self.queue.put(self._frames.sse(event))

    def freshness(self, freshness: Freshness) -> bool:
        return self.queue.put(self._frames.freshness_sse(freshness))

    def problem(self, code: StreamCode, message: str) -> bool:
        # Not named "error": that is the name of EventSource's own event.
        return self.queue.put(sse(error_message(code, message), "problem"))

    def close(self, code: int, reason: str) -> None:
        self.queue.end()


class JournalSink(EventsOnly):
    """Everything that happens, in the form that `encode` gives it."""

    __slots__ = ("_encode", "offset", "queue")

    def __init__(
        self,
        queue: StreamQueue,
        encode: Callable[[CommittedEvent], bytes],
        offset: int,
    ) -> None:
        self.queue = queue
        self._encode = encode
        self.offset = offset  # of the last event that was queued

    @property
    def is_open(self) -> bool:
        return not self.queue.ended

    def has_room(self, again: Callable[[], None]) -> bool:
        return self.queue.has_room(again)

    def event(self, event: CommittedEvent) -> bool:
        if not self.queue.put(self._encode(event)):
            return False
        self.offset = event.offset
        return True

    def close(self, code: int, reason: str) -> None:
        self.queue.end()
