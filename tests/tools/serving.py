"""A server on a free port for tests, and plain HTTP clients that may misbehave.

with serving(app, head_timeout_s=0.3) as server:
    client = dial(server)
    assert ask(client) == 200
"""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.tools.wait import wait_until
from tests.tools.wsclient import WsClient, read_response
from transport.server.limits import ServerLimits
from transport.server.request_body import read_body
from transport.server.server import Server

__all__ = [
    "ask",
    "dial",
    "echo_body",
    "hello",
    "is_problem",
    "no_routes",
    "post",
    "serving",
    "until",
]

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def echo_body(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = read_body(environ, 1000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]


def no_routes(environ: dict[str, Any]) -> None:
    return None


@contextmanager
def serving(
    app: App = hello, routes: Any = no_routes, **options: Any
) -> Iterator[Server]:
    own = {k: options.pop(k) for k in ("origins", "trusted_proxies") if k in options}
    server = Server(app, routes, "127.0.0.1", 0, ServerLimits(**options), **own)
    server.start()
    try:
        yield server
    finally:
        server.stop(1.0)


def dial(
    server: Server, source: str = "127.0.0.1", receive_buffer: int = 0
) -> WsClient:
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.bind((source, 0))
    sock.settimeout(30)
    sock.connect(("127.0.0.1", server.port))
    return WsClient(sock, 30.0)


def ask(
    client: WsClient, request: str | bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
) -> int:
    client.send_raw(request if isinstance(request, bytes) else request.encode())
    read_response(client, 30)
    return client.status


def post(body: bytes = b"", *headers: str) -> bytes:
    return "\r\n".join(("POST / HTTP/1.1", "Host: a", *headers, "", "")).encode() + body


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    wait_until(condition, timeout_s, "it to happen")


def is_problem(client: WsClient, status: int) -> bool:
    assert client.headers["content-type"] == "application/problem+json"
    assert client.problem["status"] == client.status
    return client.status == status
