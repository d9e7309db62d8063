"""A WebSocket without a network: what the node says is kept until it is read."""

import struct
from collections.abc import Callable
from typing import Any

__all__ = ["Socket"]


class Socket:
    """As much of `transport.server.websocket.connection.WebSocket` as the edges use."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._listener: Any = None
        self.busy = False
        self.closed = False
        self.queued_messages = self.queued_bytes = 0  # its peer reads at once

    def listen(self, listener: Any) -> None:
        self._listener = listener

    def send_encoded(self, frame: bytes) -> bool:
        self._frames.append(frame)
        return not self.closed

    send_now = send_encoded

    def call_when_written(self, again: Callable[[], None]) -> None:
        again()

    def close(self, _code: int, _reason: str) -> None:
        self.closed = True

    refuse = close

    # What the peer does

    def say(self, text: str) -> None:
        self._listener.on_message(text)

    def hang_up(self) -> None:
        self.closed = True
        self._listener.ended()

    def texts(self) -> list[bytes]:
        """All that came, each the text of one frame (RFC 6455, 5.2)."""
        frames, self._frames = self._frames, []
        return [_text(frame) for frame in frames]


def _text(frame: bytes) -> bytes:
    assert frame[0] == 0x81, "one whole text message"
    short = frame[1]
    if short < 126:
        return frame[2:]
    return frame[4:] if short == 126 else frame[2 + struct.calcsize("!Q") :]
