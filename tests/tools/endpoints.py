"""WebSocket endpoints for tests, and a server for them with quick time-outs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gevent.event import Event

from tests.tools.wsclient import BINARY, frame
from transport.server.limits import ServerLimits
from transport.server.server import Server
from transport.server.websocket.connection import WebSocket, encode_text

__all__ = ["Echo", "Held", "echo", "in_turn", "send_text", "serving_websockets"]

QUICK = {"ws_close_timeout_s": 0.5, "ws_fail_timeout_s": 0.4, "write_timeout_s": 60.0}


def send_text(websocket: WebSocket, text: str) -> bool:
    return websocket.send_encoded(encode_text(text.encode()))


class Echo:
    """Sends back what it is told: text as text, binary as binary."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    def on_message(self, message: str | bytes) -> None:
        if isinstance(message, str):
            send_text(self._websocket, message)
        else:
            self._websocket.send_encoded(frame(BINARY, message, mask=False))

    def ended(self) -> None:
        """Nothing is kept."""


def echo(websocket: WebSocket) -> None:
    websocket.listen(Echo(websocket))


def no_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [])
    return [b""]


@contextmanager
def serving_websockets(
    endpoint: Callable[[WebSocket], None] = echo, **limits: Any
) -> Iterator[Server]:
    server = Server(
        no_app, lambda _: endpoint, "127.0.0.1", 0, ServerLimits(**{**QUICK, **limits})
    )
    server.start()
    try:
        yield server
    finally:
        server.stop(1.0)


class Held:
    """An endpoint that gives its WebSocket to the test, and is its listener."""

    def __init__(self) -> None:
        self.opened = Event()
        self.has_ended = Event()
        self.websocket: WebSocket | None = None
        self.messages: list[str | bytes] = []

    def __call__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        websocket.listen(self)
        self.opened.set()

    def on_message(self, message: str | bytes) -> None:
        self.messages.append(message)

    def ended(self) -> None:
        self.has_ended.set()

    def get(self) -> WebSocket:
        assert self.opened.wait(30)
        assert self.websocket is not None
        return self.websocket


def in_turn(endpoints: list[Held]) -> Callable[[WebSocket], None]:
    """The first connection goes to the first, the second to the second, ..."""
    waiting = iter(endpoints)

    def endpoint(websocket: WebSocket) -> None:
        next(waiting)(websocket)

    return endpoint
