"""WebSocket endpoints for tests, and a server for them with quick time-outs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gevent.event import Event

from transport.server.limits import Limits
from transport.server.server import Server
from transport.server.websocket.connection import WebSocket

__all__ = ["Held", "echo", "in_turn", "serving_websockets"]

QUICK = {"ws_close_timeout_s": 0.5, "ws_fail_timeout_s": 0.4, "write_timeout_s": 0.5}


def echo(websocket: WebSocket) -> None:
    while (message := websocket.receive()) is not None:
        if isinstance(message, str):
            websocket.send_text(message)
        else:
            websocket.send_binary(message)


def no_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [])
    return [b""]


@contextmanager
def serving_websockets(
    endpoint: Callable[[WebSocket], None] = echo, **limits: Any
) -> Iterator[Server]:
    server = Server(
        no_app, lambda _: endpoint, "127.0.0.1", 0, Limits(**{**QUICK, **limits})
    )
    server.start()
    try:
        yield server
    finally:
        server.stop(1.0)


class Held:
    """An endpoint that gives its WebSocket to the test and reads on."""

    def __init__(self, reads: bool = True) -> None:
        self.opened = Event()
        self.ended = Event()
        self.websocket: WebSocket | None = None
        self.reads = reads

    def __call__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.opened.set()
        while websocket.receive() is not None:
            pass
        self.ended.set()

    def get(self) -> WebSocket:
        assert self.opened.wait(5)
        assert self.websocket is not None
        return self.websocket


def in_turn(endpoints: list[Held]) -> Callable[[WebSocket], None]:
    """The first connection goes to the first, the second to the second, ..."""
    waiting = iter(endpoints)

    def endpoint(websocket: WebSocket) -> None:
        next(waiting)(websocket)

    return endpoint
