"""A WebSocket over a real socket whose sending a test holds and lets go.

What waits in kernel buffers depends on the kernel; here nothing leaves until the test
says so, and then all of it does.

    with gated_websocket() as (websocket, peer, gate):
        gate.close()
        websocket.send_encoded(...)
        gate.open()
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gevent.event import Event
from gevent.socket import wait_write

from tests.tools.wsclient import WsClient
from transport.server.websocket import outbox, raw_socket
from transport.server.websocket.connection import WebSocket
from transport.server.websocket.limits import WebSocketLimits
from transport.server.websocket.write_loop import WriteLoop

__all__ = ["Gate", "Listens", "gated_websocket"]


class Gate:
    """A socket of the server's side; sends `room` bytes, or whatever while open."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._opened = Event()
        self._opened.set()
        self.sends: list[int] = []  # bytes of each call that sent something
        self.offered: list[int] = []  # bytes that each call wanted to send
        self.waits = 0  # how often somebody waited for room

    def close(self) -> None:
        self._opened.clear()

    def open(self) -> None:
        self._opened.set()

    def send(self, data: bytes | memoryview) -> int:
        self.offered.append(len(data))
        if not self._opened.is_set():
            raise BlockingIOError
        sent: int = self._raw.send(data)
        self.sends.append(sent)
        return sent

    def wait_for_room(self, timeout_s: float) -> None:
        """As gevent's `wait_write`: TimeoutError when there is none in time."""
        self.waits += 1
        if not self._opened.wait(timeout_s):
            raise TimeoutError
        wait_write(self._raw.fileno(), timeout_s)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class Listens:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.over = Event()

    def on_message(self, message: str | bytes) -> None:
        self.messages.append(message)

    def ended(self) -> None:
        self.over.set()


@contextmanager
def gated_websocket(
    monkeypatch: pytest.MonkeyPatch,
    listener: Any = None,
    received: bytes = b"",
    loop: WriteLoop | None = None,
    listens: bool = True,
    **limits: Any,
) -> Iterator[tuple[WebSocket, WsClient, Gate]]:
    """An open WebSocket, its peer, and the gate between them.

    `received` came behind the handshake; `loop` is one that others use too. Not
    `listens`: the test calls `listen`.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    gates: list[Gate] = []
    take_over = raw_socket.take_over

    def gated(sock: Any) -> Any:
        gates.append(Gate(take_over(sock)))
        return gates[-1]

    monkeypatch.setattr(raw_socket, "take_over", gated)
    monkeypatch.setattr(
        outbox, "wait_write", lambda _fd, timeout_s: gates[0].wait_for_room(timeout_s)
    )
    own_loop = None if loop else WriteLoop()
    if own_loop is not None:
        own_loop.start()
    gone = Event()
    websocket = WebSocket(
        ours,  # patched: it is gevent's
        WebSocketLimits(**limits),
        loop or own_loop,  # type: ignore[arg-type]  # one of the two
        received,
        lambda _websocket: gone.set(),
    )
    if listens:
        websocket.listen(listener or Listens())
    try:
        yield websocket, WsClient(theirs, 10.0), gates[0]
    finally:
        gates[0].open()
        websocket.abort()
        theirs.close()
        assert gone.wait(30)
        if own_loop is not None:
            own_loop.stop()
