"""The reading half of a WebSocket: what the peer sends, as events, under a frame rate.

Nothing here waits: it takes what the kernel has. Owned by one `WebSocket` of
transport/server/websocket/connection.py, which decides when to read and what an event
means; the rules of the protocol are in frames.py.
"""

import socket
import time
from typing import Final

from engine.policy.token_bucket import TokenBucket
from transport.server.websocket import frames
from transport.server.websocket.limits import WebSocketLimits

__all__ = ["Incoming", "TooManyFrames"]

_RECV_BYTES: Final = 4096  # enough for what clients say
_RECV_BYTES_LARGE: Final = 65_536  # inside a frame that is longer


class TooManyFrames(frames.FrameError):
    """The peer keeps the protocol, but says more than it may."""

    def __init__(self) -> None:
        super().__init__(1008, "too many frames")


class Incoming:
    """Events of one peer, until `stop` or the end of its stream."""

    __slots__ = ("_allowance", "_parser", "_raw")

    def __init__(
        self, raw: socket.socket, limits: WebSocketLimits, received: bytes
    ) -> None:
        """`raw` does not wait; `received` was read from it already."""
        self._raw = raw
        self._parser: frames.FrameParser | None = frames.FrameParser(
            limits.ws_message_bytes, limits.ws_fragments
        )  # None once nothing more is read
        self._parser.feed(received)
        self._allowance = (
            TokenBucket.full(limits.ws_frames_per_s, limits.ws_frames_burst)
            if limits.ws_frames_per_s
            else None
        )  # frames it may send now; None: any number

    @property
    def stopped(self) -> bool:
        """Nothing more will come, or is looked at."""
        return self._parser is None

    @property
    def is_empty(self) -> bool:
        """Whether all that was read is looked at."""
        return self._parser is None or self._parser.is_empty

    def stop(self) -> None:
        self._parser = None

    def read(self) -> bool:
        """Take what the kernel has; False if that is nothing, now.

        Raises EOFError at the end of the stream.
        """
        parser = self._parser
        assert parser is not None
        size = _RECV_BYTES if parser.wants() < _RECV_BYTES else _RECV_BYTES_LARGE
        try:
            received = self._raw.recv(size)
        except BlockingIOError:
            return False
        except OSError as error:
            raise EOFError from error
        if not received:
            raise EOFError
        parser.feed(received)
        return True

    def next_event(self) -> frames.Event | None:
        """None: more must be read first, or nothing more will be.

        Raises FrameError if the peer broke the protocol, or sends `TooManyFrames`.
        """
        if self._parser is None:
            return None
        event = self._parser.next_event()
        if event is not None and not self._may_send_frame():
            raise TooManyFrames
        return event

    def _may_send_frame(self) -> bool:
        if self._allowance is None:
            return True
        self._allowance, wait_s = self._allowance.take(time.monotonic())
        return wait_s == 0.0
