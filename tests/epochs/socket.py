"""A WebSocket without a network: what the node says is kept until it is read."""

from collections.abc import Callable, Iterator
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
        told, self._frames = b"".join(self._frames), []
        return [*_texts(told)]


def _texts(told: bytes) -> Iterator[bytes]:
    while told:
        assert told[0] == 0x81, "one whole text message"
        head, size = 2, told[1]
        if size == 126:
            head, size = 4, int.from_bytes(told[2:4])
        elif size == 127:
            head, size = 10, int.from_bytes(told[2:10])
        yield told[head : head + size]
        told = told[head + size :]
