"""The writing half of a WebSocket: what waits to be sent, and who sends it.

At any time one party writes: whoever has a message while nothing waits, or the
server's write loop for what was queued, as long as the kernel takes all of it at once;
else a greenlet that exists until the peer has caught up. Everything queued goes out in
one call. Nothing here waits except that greenlet.

It knows frames only as bytes. Owned by one `WebSocket` of
transport/server/websocket/connection.py, which decides what a full queue or a dead
socket means.
"""

import socket
from collections.abc import Callable
from typing import Final

import gevent
from gevent.event import Event
from gevent.socket import wait_write

from transport.server.websocket.write_loop import WriteLoop

__all__ = ["Outbox"]

#: Joined for one call. What waits is shared by all who are told it; this is a copy.
_BATCH_BYTES: Final = 131_072
_PONGS: Final = 32  # wait at most, 127 bytes each


class Outbox:
    """Frames on their way to one peer."""

    __slots__ = (
        "_close",
        "_flushed",
        "_loop",
        "_on_error",
        "_ping",
        "_pongs",
        "_queue",
        "_raw",
        "_taken",
        "_timeout_s",
        "_waiting",
        "_writer",
        "bytes",
        "dead",
        "messages",
        "writing",
    )

    def __init__(
        self,
        raw: socket.socket,
        loop: WriteLoop,
        timeout_s: float,
        on_error: Callable[[], None],
    ) -> None:
        self._raw = raw  # does not wait
        self._loop = loop
        self._timeout_s = timeout_s  # for one blocked write
        self._on_error = on_error  # the socket is of no more use
        self._queue: list[bytes] | None = None  # not yet taken for a write
        self._ping = b""  # one frame at most; it goes first, with the pongs
        self._pongs: list[bytes] | None = None
        self._close = b""  # goes last
        self._taken = (0, 0)  # messages and bytes of the write under way
        self._writer: gevent.Greenlet[[bytes], None] | None = None
        self._flushed: Event | None = None  # somebody waits until all is written
        self._waiting: list[Callable[[], None]] | None = None  # for the next batch
        self.messages = 0  # waiting, with those of the write under way
        self.bytes = 0
        self.writing = False  # on the loop's list, or has a writer greenlet
        self.dead = False  # nothing is written any more

    def send(self, encoded: bytes) -> None:
        """One message, at once if nothing waits and the kernel takes it; else as `put`.

        The way of an event to thousands who watch: one call, no copy, no queue.
        """
        if self.writing:
            self.put(encoded)
            return
        try:
            sent = self._raw.send(encoded)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._on_error()
            return
        if sent < len(encoded):
            self._write_rest(encoded, sent)

    def _write_rest(self, encoded: bytes, sent: int) -> None:
        assert not self.messages, "sent past what waits"
        self.messages, self.bytes = 1, len(encoded)
        self._taken = (1, len(encoded))
        self.writing = True
        self._writer = gevent.spawn(self._write, encoded[sent:])

    def put(self, encoded: bytes) -> None:
        """Queue one message; what waits goes out together."""
        self.messages += 1
        self.bytes += len(encoded)
        if self._queue is None:
            self._queue = []
        self._queue.append(encoded)
        self._want_write()

    def put_pong(self, encoded: bytes) -> None:
        """Behind those that wait. Of a flood only the latest pings want an answer."""
        if self._pongs is None:
            self._pongs = []
        del self._pongs[_PONGS - 1 :]
        self._pongs.append(encoded)
        self._want_write()

    def put_ping(self, encoded: bytes) -> None:
        if not self.writing and not self.dead:
            self.send(encoded)
            return
        self._ping = encoded
        self._want_write()

    def put_close(self, encoded: bytes) -> None:
        """Behind the messages that wait; the last thing that is sent."""
        self._close = encoded
        self._ping = b""
        self._want_write()

    def clear(self) -> None:
        """Forget what waits; what is half written is finished all the same."""
        self._queue = self._pongs = None
        self.messages, self.bytes = self._taken

    def call_when_written(self, callback: Callable[[], None]) -> None:
        """Call it once, when what is queued now has gone, or most of it; it must not
        wait. Never if the socket dies before.
        """
        if self._waiting is None:
            self._waiting = []
        self._waiting.append(callback)

    def wait_flushed(self) -> None:
        """Until everything is with the kernel, or the socket is dead."""
        if self.writing and not self.dead:
            if self._flushed is None:
                self._flushed = Event()
            self._flushed.clear()
            self._flushed.wait()

    def kill(self) -> None:
        """Nothing is sent any more; who waits in `wait_flushed` goes on."""
        self.dead = True
        self.clear()
        self._waiting = None
        if self._flushed is not None:
            self._flushed.set()

    def dispose(self) -> None:
        """Called before the descriptor is closed: nobody may wait on it then."""
        self.kill()
        if self._writer is not None:
            self._writer.kill()

    def _want_write(self) -> None:
        if not self.writing and not self.dead:
            self.writing = True
            self._loop.write_soon(self)

    def on_writable(self) -> None:
        """The loop's turn: write without waiting."""
        rest = self._take_batch()
        if rest and not self.dead:
            try:
                rest = rest[self._raw.send(rest) :]
            except BlockingIOError:
                pass
            except OSError:
                self._on_error()
        if rest and not self.dead:
            self._writer = gevent.spawn(self._write, rest)
        else:
            self._batch_done()
            self._write_done()

    def _write(self, rest: bytes) -> None:
        """The writer greenlet: there as long as the peer does not keep up."""
        try:
            while rest and not self.dead:
                self._write_all(memoryview(rest))
                self._batch_done()
                rest = self._take_batch()
        except OSError:
            self._on_error()
        self._writer = None
        self._write_done()

    def _write_all(self, view: memoryview) -> None:
        while view:
            try:
                view = view[self._raw.send(view) :]
            except BlockingIOError:
                wait_write(self._raw.fileno(), self._timeout_s)

    def _take_batch(self) -> bytes:
        """Everything there is to write, up to a bound; the close frame at its end."""
        pieces = [*(self._pongs or ()), self._ping]
        self._pongs, self._ping = None, b""
        size = count = 0
        queue = self._queue or []
        for encoded in queue:
            if count and size + len(encoded) > _BATCH_BYTES:
                break
            pieces.append(encoded)
            count, size = count + 1, size + len(encoded)
        self._queue = queue[count:] or None
        if self._queue is None:
            pieces.append(self._close)
            self._close = b""
        self._taken = (count, size)
        return b"".join(pieces)

    def _batch_done(self) -> None:
        self.messages -= self._taken[0]
        self.bytes -= self._taken[1]
        self._taken = (0, 0)
        assert self.messages >= 0, "more was written than was queued"
        assert self.bytes >= 0, "more was written than was queued"
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            for callback in waiting:
                callback()

    def _write_done(self) -> None:
        self.writing = False
        waits = self._queue or self._pongs or self._ping or self._close
        if waits and not self.dead:
            self._want_write()
        elif self._flushed is not None:
            self._flushed.set()
