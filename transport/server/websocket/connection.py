"""One WebSocket: whole messages in, queued frames out, a clean end in every case.

It stands where gevent-websocket would put its own class after the handshake. That
one accepts unmasked frames of any size, checks UTF-8 byte by byte in Python, sends
close frames without a code and lets two greenlets write at once; none of it is used.

An endpoint calls `listen` and returns. From then on the hub watches the socket: it
answers control frames itself, and starts a greenlet only while a message is dealt with
and for the end. So ten thousand who only listen cost the bytes of their objects.
`send_*` and `close` never wait and may be called from anywhere. Pings and deadlines
are alarms of the server's write loop. Reading is in incoming.py, protocol rules in
frames.py, writing in outbox.py; what messages mean is others' business.
"""

import logging
import random
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import gevent
from gevent.socket import socket as CooperativeSocket  # noqa: N812

from transport.server.websocket import frames, raw_socket
from transport.server.websocket.frames import encode_text
from transport.server.websocket.incoming import Incoming, TooManyFrames
from transport.server.websocket.limits import WebSocketLimits
from transport.server.websocket.outbox import Outbox
from transport.server.websocket.write_loop import Alarm, WriteLoop

__all__ = ["Listener", "WebSocket", "encode_text"]

_log = logging.getLogger("paybell.live")

_CONTROL_FRAMES: Final = 32  # answered at once, in the hub
_TURN_S: Final = 0.0005  # of one that always has more, before others have theirs
_READ: Final = 1  # libev's EV_READ


class Listener(Protocol):
    """Who listens to a WebSocket. Both are called in a greenlet and may wait."""

    def on_message(self, message: str | bytes) -> None:
        """A whole message; the next one is not read before this returns."""

    def ended(self) -> None:
        """Once, when the connection is over."""


class WebSocket:
    """An accepted connection. Made by the server, given to the endpoint."""

    __slots__ = (
        "_alarm",
        "_incoming",
        "_limits",
        "_listener",
        "_loop",
        "_next_ping_at",
        "_on_gone",
        "_outbox",
        "_peer_closed",
        "_ping",
        "_raw",
        "_request_id",
        "_turn_ends",
        "_watcher",
        "close_code",
        "close_reason",
        "closed",
    )

    def __init__(
        self,
        sock: CooperativeSocket,
        limits: WebSocketLimits,
        loop: WriteLoop,
        received: bytes,
        on_gone: Callable[["WebSocket"], None],
        request_id: str = "",
    ) -> None:
        """Takes the connection over: `sock` is of no more use to anybody.

        `received` is what came behind the handshake already; `on_gone` is called once,
        when the socket is closed. `request_id` is that of the 101, for the log.
        """
        self._request_id = request_id
        self._raw = raw_socket.take_over(sock)
        self._listener: Listener | None = None
        self._watcher: Any = None  # tells the hub to call us; only with a listener
        self._on_gone = on_gone
        self._limits = limits
        self._loop = loop
        self._outbox = Outbox(self._raw, loop, limits.write_timeout_s, self.abort)
        self._incoming = Incoming(self._raw, limits, received)
        self._turn_ends = 0.0  # what it says now is answered, then it stands in line
        self._ping = b""  # payload of the ping that is not answered yet
        #: True once closing has begun, from either side: nothing is sent any more.
        self.closed = False
        #: What ended it: the first close code, ours or theirs; 1005 if theirs had
        #: none, 1006 if it ended without a close frame. None while it is open.
        self.close_code: int | None = None
        self.close_reason = ""
        self._peer_closed = False  # its close frame has come
        # Not all at once when all clients of a restarted server come back together.
        first_s = limits.ws_ping_s * (0.5 + random.random() / 2)
        self._next_ping_at = time.monotonic() + first_s
        self._alarm: Alarm | None = loop.set_alarm(self, self._next_ping_at)

    def __repr__(self) -> str:
        state = f"closed {self.close_code}" if self.closed else "open"
        return f"<WebSocket {state} queued={self._outbox.messages}>"

    # Reading: the hub, and a greenlet while there is something to deal with.

    def listen(self, listener: Listener) -> None:
        """From now on `listener` is told; called once, and does not wait.

        What was read behind the handshake is told as well, later.
        """
        assert self._listener is None, "a WebSocket has one listener"
        self._listener = listener
        self._watcher = gevent.get_hub().loop.io(self._raw.fileno(), _READ)
        if self._incoming.stopped or not self._incoming.is_empty:
            gevent.spawn(self._converse, None)
        else:
            self._watcher.start(self._on_readable)

    @property
    def listens(self) -> bool:
        return self._listener is not None

    def _on_readable(self) -> None:
        """The hub calls: nothing may wait in here. Most of it is a pong to our ping."""
        try:
            message, is_idle = self._read_in_hub()
        except Exception:  # noqa: BLE001 - the border of one connection
            _log.exception("live.read_failed request=%s", self._request_id)
            self.abort()
            message, is_idle = None, False
        if not is_idle:
            self._watcher.stop()
            self._turn_ends = 0.0
            gevent.spawn(self._converse, message)

    def _read_in_hub(self) -> tuple[str | bytes | None, bool]:
        """A message that came, and whether the hub may go on listening by itself."""
        if not self._incoming.stopped:
            self._read_more()
        for _ in range(_CONTROL_FRAMES):
            event = self._next_event()
            if event is None:
                return None, not self._incoming.stopped
            message = self._handle(event)
            if message is not None:
                return message, False
        return None, False  # there is more

    def _converse(self, message: str | bytes | None) -> None:
        """As long as there are whole messages; then the hub listens, or it is over."""
        listener = self._listener
        assert listener is not None
        try:
            if message is not None:
                listener.on_message(message)
            while (message := self._take_message()) is not None:
                listener.on_message(message)
        except Exception:  # noqa: BLE001 - the border of one connection
            _log.exception("live.endpoint_failed request=%s", self._request_id)
            self.close(1011, "internal error")
        if self._incoming.stopped:
            self._end(listener)
        else:
            self._watcher.start(self._on_readable)

    def _take_message(self) -> str | bytes | None:
        """The next whole message of what was read; in a greenlet."""
        while (event := self._next_event()) is not None:
            # A peer that always has more for us must not keep the hub.
            self._wait_turn()
            message = self._handle(event)
            if message is not None:
                return message
        return None

    def _wait_turn(self) -> None:
        if time.monotonic() >= self._turn_ends:
            self._loop.wait_turn()
            self._turn_ends = time.monotonic() + _TURN_S

    def _read_more(self) -> None:
        try:
            self._incoming.read()
        except EOFError:
            self._lost()

    def _next_event(self) -> frames.Event | None:
        """None: more must be read, or nothing more will be."""
        try:
            return self._incoming.next_event()
        except TooManyFrames as error:
            self._fail(error.code, error.reason)
        except frames.FrameError as error:
            # What it said before was right, and is answered.
            self._fail(error.code, error.reason, keep_queue=True)
        return None

    def _handle(self, event: frames.Event) -> str | bytes | None:
        """The message that it is; other frames are dealt with here."""
        if isinstance(event, frames.Close):
            self._on_close(event)
        elif self.closed:
            pass  # what still comes is for nobody
        elif isinstance(event, frames.Text):
            return event.text
        elif isinstance(event, frames.Binary):
            return event.payload
        elif isinstance(event, frames.Ping):
            self._outbox.put_pong(frames.encode_pong(event.payload))
        elif event.payload == self._ping:
            self._ping = b""
        return None

    def _on_close(self, event: frames.Close) -> None:
        self._peer_closed = True
        self._incoming.stop()
        if not self.closed:
            self._begin_close(event.code, event.reason)
            self._set_alarm(self._limits.ws_close_timeout_s)

    # The end: in the greenlet of the last conversation.

    def _end(self, listener: Listener) -> None:
        """Nothing more is read: wait until all is written, and close the socket."""
        assert self.closed, "it ends only after closing has begun"
        try:
            listener.ended()
        finally:
            try:
                # An alarm ends each of these waits.
                self._outbox.wait_flushed()
                # Nothing can be under way behind its close frame.
                if not self._outbox.dead and not self._peer_closed:
                    raw_socket.drain(self._raw, self._may_drain)
            finally:
                self._dispose()

    def _dispose(self) -> None:
        self._lost()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._outbox.dispose()
        self._watcher.close()
        self._raw.close()
        self._on_gone(self)

    def _may_drain(self) -> bool:
        self._wait_turn()
        return not self._outbox.dead

    # Writing: called from anywhere, never waits.

    @property
    def busy(self) -> bool:
        """Whether something waits to be written."""
        return self._outbox.writing

    @property
    def queued_messages(self) -> int:
        return self._outbox.messages

    @property
    def queued_bytes(self) -> int:
        return self._outbox.bytes

    def call_when_written(self, callback: Callable[[], None]) -> None:
        """Called once, when room was made in the queue: pace long replays by it.

        Only with something in the queue; never if the connection ends before.
        """
        self._outbox.call_when_written(callback)

    def send_encoded(self, encoded: bytes) -> bool:
        """Queue one frame made by `encode_text`.

        False if the connection is closing; True says that it is queued, not that it
        arrives. A full queue closes the connection with 1013: who reads too
        slowly comes back and asks for what it missed.
        """
        if self.closed:
            return False
        if (
            self._outbox.messages >= self._limits.ws_queue_messages
            or self._outbox.bytes + len(encoded) > self._limits.ws_queue_bytes
        ):
            self._fail(1013, "too slow")
            return False
        self._outbox.put(encoded)
        return True

    def send_now(self, encoded: bytes) -> bool:
        """`send_encoded` of what may go out at once, ahead of the write loop."""
        outbox = self._outbox
        if self.closed or outbox.writing:
            return self.send_encoded(encoded)
        outbox.send(encoded)
        return not self.closed

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin the close handshake, behind what is queued. Later calls do nothing."""
        if not self.closed:
            self._begin_close(code, reason)
            self._set_alarm(self._limits.ws_close_timeout_s)

    def refuse(self, code: int, reason: str) -> None:
        """Close because of what the peer said: nothing more of it is looked at."""
        if not self.closed:
            self._fail(code, reason, keep_queue=True)

    def _begin_close(self, code: int, reason: str) -> None:
        self.closed = True
        self.close_code, self.close_reason = code, reason
        self._outbox.put_close(frames.encode_close(code, reason))

    def _fail(self, code: int, reason: str, *, keep_queue: bool = False) -> None:
        """Close because of what the peer did, in little time. One that does not read,
        or says too much, gets the reason and nothing else.
        """
        self._incoming.stop()
        if not keep_queue:
            self._outbox.clear()
        if not self.closed:
            self._begin_close(code, reason)
            _log.debug("live.closed code=%d reason=%s", code, reason)
        self._set_alarm(self._limits.ws_fail_timeout_s)

    # Time: the write loop's greenlet.

    def on_alarm(self, now_s: float) -> None:
        if self.closed:
            self.abort()
        elif self._ping:
            self._fail(1011, "ping not answered")
        elif now_s < self._next_ping_at:
            self._set_alarm(self._next_ping_at - now_s)
        else:
            self._ping = random.randbytes(4)
            self._outbox.put_ping(frames.encode_ping(self._ping))
            self._next_ping_at = now_s + self._limits.ws_ping_s
            self._set_alarm(self._limits.ws_pong_timeout_s)

    def _set_alarm(self, delay_s: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.set_alarm(self, time.monotonic() + delay_s)

    def _lost(self) -> None:
        """The stream has ended. Without a close handshake that is 1006."""
        self._incoming.stop()
        if not self.closed:
            self.closed = True
            self.close_code = 1006
        self._outbox.kill()

    def abort(self) -> None:
        """The end, now and without a word: whoever waits on this socket wakes up."""
        self._lost()
        raw_socket.reset(self._raw)
