"""The reading side of one connection, under a deadline for every phase.

pywsgi reads through `socket.makefile()`, which waits for ever: a request head sent
byte by byte holds a greenlet as long as its sender likes. This reader takes its place
(pywsgi needs `readline`, `read` and `closed` of it). A deadline is for the whole of a
phase, head or body, not for each read, and is set by the handler.

It knows no HTTP. Runs in the connection's greenlet.
"""

import socket
import time
from typing import Final

from gevent.socket import socket as CooperativeSocket  # noqa: N812

from engine.runtime.yielding import yield_to_hub

__all__ = ["RequestReader"]

#: Also the most that a pipelining client can make us hold.
_RECV_BYTES: Final = 16_384


class RequestReader:
    """Buffered bytes of a socket. Raises TimeoutError once the deadline is past."""

    __slots__ = ("_buffer", "_deadline", "_raw", "_socket", "closed")

    def __init__(self, sock: CooperativeSocket) -> None:
        self._socket = sock
        # Never waits; pinned in test_gevent_contract.
        self._raw: socket.socket = sock._sock  # type: ignore[attr-defined]
        self._buffer = bytearray()
        self._deadline: float | None = None  # time.monotonic(); None waits for ever
        self.closed = False  # pywsgi asks before each request

    @property
    def buffered(self) -> int:
        """Bytes that have come and were not read."""
        return len(self._buffer)

    def set_deadline(self, after_s: float | None) -> None:
        """From now on everything together may take this long."""
        self._deadline = None if after_s is None else time.monotonic() + after_s

    def wait_for_byte(self, *, fair: bool = False) -> bool:
        """Wait until there is something to read; False at the end of the stream.

        `fair`: if there is already, others get their turn first, those too whose bytes
        the hub has not seen yet. Clients that always have their next request ready must
        not keep it to themselves.
        """
        if not self._buffer:
            try:
                self._buffer += self._raw.recv(_RECV_BYTES)
            except BlockingIOError:
                return self._fill()
        if fair and self._buffer:
            yield_to_hub()
        return bool(self._buffer)

    def readline(self, limit: int = _RECV_BYTES) -> bytes:
        """Up to and with the next newline, but no more than `limit` bytes."""
        seen = 0
        while True:
            end = self._buffer.find(b"\n", seen, limit)
            if end >= 0:
                return self._take(end + 1)
            seen = min(len(self._buffer), limit)
            if seen >= limit or not self._fill():
                return self._take(seen)

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end of the stream."""
        while len(self._buffer) < size and self._fill():
            pass
        return self._take(min(size, len(self._buffer)))

    def take_rest(self) -> bytes:
        """What has been received and not read: it belongs to the next protocol."""
        self.closed = True
        return self._take(len(self._buffer))

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _fill(self) -> bool:
        left = None
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("deadline of the request has passed")
        self._socket.settimeout(left)
        received = self._socket.recv(_RECV_BYTES)
        self._buffer += received
        return bool(received)
