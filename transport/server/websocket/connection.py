"""One WebSocket: whole messages in, queued frames out, a clean end in every case.

It stands where gevent-websocket would put its own class after the handshake. That
one accepts unmasked frames of any size, checks UTF-8 byte by byte in Python, sends
close frames without a code and lets two greenlets write at once; none of it is used.

It is read in one of two ways. An endpoint may call `receive` in a loop: then the
connection keeps its greenlet. Or it calls `listen` and returns: then there is a
greenlet only while somebody says something, and ten thousand who only listen cost the
bytes of their objects. `receive`, `drained` and `finish` wait, and are for that one
greenlet. `send_*` and `close` never wait and may be called from anywhere. Pings and
deadlines are alarms of the server's pump. Protocol rules are in frames.py, writing is
in outbox.py; what messages mean is others' business.
"""

import _socket
import logging
import random
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import gevent
from gevent.socket import socket as CooperativeSocket  # noqa: N812
from gevent.socket import wait_read

from transport.server.limits import Limits
from transport.server.websocket import frames
from transport.server.websocket.frames import encode_text
from transport.server.websocket.outbox import Outbox
from transport.server.websocket.pump import Alarm, Pump

__all__ = ["Listener", "WebSocket", "encode_text"]

_log = logging.getLogger("paybell.live")

_RECV_BYTES: Final = 4096  # enough for what clients say
_RECV_BYTES_LARGE: Final = 65_536  # inside a frame that is longer
_CONTROL_FRAMES: Final = 32  # answered at once, in the hub
_TURN_S: Final = 0.0005  # of one that always has more, before others have theirs
_DRAIN_BYTES: Final = 1024 * 1024  # read away from a peer that we have given up
_NOT_SENT_BYTES: Final = 65_536
_NO_LINGER: Final = struct.pack("ii", 1, 0)
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
        "_allowance",
        "_allowance_at",
        "_ear",
        "_limits",
        "_next_ping_at",
        "_on_gone",
        "_outbox",
        "_parser",
        "_peer_closed",
        "_ping",
        "_pump",
        "_raw",
        "_turn_ends",
        "_watcher",
        "close_code",
        "close_reason",
        "closed",
    )

    def __init__(
        self,
        sock: CooperativeSocket,
        limits: Limits,
        pump: Pump,
        received: bytes = b"",
    ) -> None:
        """Takes the connection over: `sock` is of no more use to anybody.

        `received` is what came behind the handshake already.
        """
        # Without gevent's own part of a socket, which is larger than all of this.
        raw: Any = _socket.socket(fileno=sock.detach())
        raw.setblocking(False)
        self._raw: socket.socket = raw
        lowat = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if lowat is not None:
            # What waits should wait in the outbox, where it is counted, not in
            # megabytes of kernel buffers.
            raw.setsockopt(socket.IPPROTO_TCP, lowat, _NOT_SENT_BYTES)
        self._ear: Listener | None = None
        self._watcher: Any = None  # tells the hub to call us; only with an ear
        self._on_gone: Callable[[WebSocket], None] | None = None
        self._limits = limits
        self._pump = pump
        self._outbox = Outbox(raw, pump, limits.write_timeout_s, self.abort)
        self._parser: frames.FrameParser | None = frames.FrameParser(
            limits.ws_message_bytes, limits.ws_fragments
        )  # None once nothing more is read
        self._parser.feed(received)
        self._turn_ends = 0.0  # what it says now is answered, then it stands in line
        self._allowance = float(limits.ws_frames_burst)  # frames it may send now
        self._allowance_at = time.monotonic()
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
        self._alarm: Alarm | None = pump.set_alarm(self, self._next_ping_at)

    def __repr__(self) -> str:
        state = f"closed {self.close_code}" if self.closed else "open"
        return f"<WebSocket {state} queued={self._outbox.messages}>"

    # Reading: one greenlet, or the hub.

    def receive(self) -> str | bytes | None:
        """Wait for the next whole message: str, bytes, or None once it is over.

        Pings, pongs, close and protocol errors are dealt with in here; so it must
        be called again and again for the connection to live.
        """
        while (message := self._take_message()) is None and self._parser is not None:
            if self._read_more():
                self._pace()
            else:
                wait_read(self._raw.fileno())
                self._turn_ends = time.monotonic() + _TURN_S
        return message

    def _take_message(self) -> str | bytes | None:
        """The next whole message of what was read; in a greenlet."""
        while (event := self._next_event()) is not None:
            self._pace()
            message = self._handle(event)
            if message is not None:
                return message
        return None

    def _pace(self) -> None:
        """A peer that always has more for us must not keep the hub."""
        if time.monotonic() >= self._turn_ends:
            self._pump.wait_turn()
            self._turn_ends = time.monotonic() + _TURN_S

    def _next_event(self) -> frames.Event | None:
        """None: more must be read, or nothing more will be."""
        if self._parser is None:
            return None
        try:
            return self._parser.next_event()
        except frames.FrameError as error:
            # What it said before was right, and is answered.
            self._fail(error.code, error.reason, keep_queue=True)
            return None

    def _handle(self, event: frames.Event) -> str | bytes | None:
        if not self._may_send_frame():
            self._fail(1008, "too many frames")
        elif isinstance(event, frames.Close):
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

    def _may_send_frame(self) -> bool:
        rate = self._limits.ws_frames_per_s
        if not rate:
            return True
        now = time.monotonic()
        earned = (now - self._allowance_at) * rate
        burst = float(self._limits.ws_frames_burst)
        self._allowance = min(burst, self._allowance + earned) - 1.0
        self._allowance_at = now
        return self._allowance >= 0.0

    def _on_close(self, event: frames.Close) -> None:
        self._peer_closed = True
        self._parser = None
        if not self.closed:
            self._begin_close(event.code, event.reason)
            self._set_alarm(self._limits.ws_close_timeout_s)

    def _read_more(self) -> bool:
        """Feed the parser what is there; False: nothing is, now.

        At the end of the stream there is no parser any more.
        """
        parser = self._parser
        assert parser is not None
        size = _RECV_BYTES if parser.wants() < _RECV_BYTES else _RECV_BYTES_LARGE
        try:
            received = self._raw.recv(size)
        except BlockingIOError:
            return False
        except OSError:
            received = b""
        if received:
            parser.feed(received)
        else:
            self._lost()
        return True

    def listen(self, ear: Listener) -> None:
        """Instead of `receive`: `ear` is told; the endpoint returns, its greenlet ends.

        What was read behind the handshake is told as well, later.
        """
        self._ear = ear
        self._watcher = gevent.get_hub().loop.io(self._raw.fileno(), _READ)
        if self._parser is not None and self._parser.is_empty:
            self._watcher.start(self._on_readable)
        else:
            gevent.spawn(self._converse, None)

    @property
    def listens(self) -> bool:
        return self._ear is not None

    def when_gone(self, callback: Callable[["WebSocket"], None]) -> None:
        """For the server: called once a socket that `listens` is closed."""
        self._on_gone = callback
        if self._raw.fileno() < 0:
            callback(self)

    def _on_readable(self) -> None:
        """The hub calls: nothing may wait in here. Most of it is a pong to our ping."""
        try:
            if self._parser is not None and self._read_more():
                for _ in range(_CONTROL_FRAMES):
                    event = self._next_event()
                    if event is None:
                        break
                    message = self._handle(event)
                    if message is not None:
                        self._spawn_conversation(message)
                        return
                else:
                    self._spawn_conversation(None)
                    return
            if self._parser is None:
                self._spawn_conversation(None)
        except Exception:  # noqa: BLE001 - the border of one connection
            _log.exception("live.read_failed")
            self.abort()
            self._spawn_conversation(None)

    def _spawn_conversation(self, message: str | bytes | None) -> None:
        self._watcher.stop()
        self._turn_ends = 0.0
        gevent.spawn(self._converse, message)

    def _converse(self, message: str | bytes | None) -> None:
        """As long as there are whole messages; then the hub listens, or it is over."""
        ear = self._ear
        assert ear is not None
        try:
            if message is not None:
                ear.on_message(message)
            while (message := self._take_message()) is not None:
                ear.on_message(message)
        except Exception:  # noqa: BLE001 - the border of one connection
            _log.exception("live.endpoint_failed")
            self.close(1011, "internal error")
        if self._parser is not None:
            self._watcher.start(self._on_readable)
        else:
            self._end(ear)

    def _end(self, ear: Listener) -> None:
        try:
            ear.ended()
        finally:
            self.finish()
            if self._on_gone is not None:
                self._on_gone(self)

    def drained(self, timeout_s: float) -> bool:
        """Wait until everything queued is with the kernel: pace long replays by it.

        False when that took longer, or when the connection is closing.
        """
        if not self.closed:
            self._outbox.wait_flushed(timeout_s)
        return not self.closed and not self._outbox.writing

    def finish(self) -> None:
        """Close if need be, and wait for the end: bounded by the close timeouts.

        Called once: by the server when the endpoint has returned, or by itself if it
        `listens`.
        """
        try:
            self.close()
            while self.receive() is not None:
                pass
            # An alarm ends each of these waits.
            self._outbox.wait_flushed(None)
            if not self._outbox.dead:
                self._hang_up()
        finally:
            self._lost()
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
            self._outbox.dispose()
            if self._watcher is not None:
                self._watcher.close()
            self._raw.close()

    def _hang_up(self) -> None:
        """Half-close, and read away what is under way: closing a socket with unread
        bytes in it makes the kernel send a reset, which can eat our close frame.
        """
        if self._peer_closed:
            return  # nothing can be under way behind its close frame
        left = _DRAIN_BYTES
        try:
            self._raw.shutdown(socket.SHUT_WR)
            while left > 0 and not self._outbox.dead:
                try:
                    received = self._raw.recv(_RECV_BYTES_LARGE)
                except BlockingIOError:
                    wait_read(self._raw.fileno())
                    continue
                if not received:
                    return
                left -= len(received)
                self._pace()
        except OSError:
            pass

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
        """`drained` for who cannot wait: called once, when room was made in the queue.

        Only with something in the queue; never if the connection ends before.
        """
        self._outbox.call_when_written(callback)

    def send_text(self, text: str) -> bool:
        """Queue one text message; see `send_encoded`."""
        return self.send_encoded(encode_text(text.encode()))

    def send_binary(self, payload: bytes) -> bool:
        """Queue one binary message; see `send_encoded`."""
        return self.send_encoded(frames.encode_binary(payload))

    def send_encoded(self, encoded: bytes, messages: int = 1) -> bool:
        """Queue whole frames made by `encode_text`, `messages` of them.

        False if the connection is closing; True says that they are queued, not that
        they arrive. A full queue closes the connection with 1013: who reads too
        slowly comes back and asks for what it missed.
        """
        if self.closed:
            return False
        if (
            self._outbox.messages + messages > self._limits.ws_queue_messages
            or self._outbox.bytes + len(encoded) > self._limits.ws_queue_bytes
        ):
            self._fail(1013, "too slow")
            return False
        self._outbox.put(encoded, messages)
        return True

    def send_now(self, encoded: bytes) -> bool:
        """`send_encoded` of one message that may go out ahead of the pump's turn."""
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
        self._parser = None
        if not keep_queue:
            self._outbox.clear()
        if not self.closed:
            self._begin_close(code, reason)
            _log.debug("live.closed code=%d reason=%s", code, reason)
        self._set_alarm(self._limits.ws_fail_timeout_s)

    # Time: the pump's greenlet.

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
        self._alarm = self._pump.set_alarm(self, time.monotonic() + delay_s)

    def _lost(self) -> None:
        """The stream has ended. Without a close handshake that is 1006."""
        self._parser = None
        if not self.closed:
            self.closed = True
            self.close_code = 1006
        self._outbox.kill()

    def abort(self) -> None:
        """The end, now and without a word: whoever waits on this socket wakes up."""
        self._lost()
        try:
            # What the peer never read goes with it, instead of staying in the
            # kernel until TCP gives up.
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is gone already
