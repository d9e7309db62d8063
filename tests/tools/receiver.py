"""A webhook receiver for tests: records every request, answers by a script.

    with Receiver(answers=[reply(500), reply(204)]) as shop:
        ...deliver to shop.url("/hook")...
        first, second = shop.wait_for(2, timeout_s=2)

Requests beyond the script get the `default` answer. It speaks just enough HTTP/1.1
on raw sockets that an answer may also hang, drip, lie or be garbage. One request per
connection. Runs on gevent, on an ephemeral loopback port.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer

from tests.tools.wait import PATIENCE

__all__ = [
    "Answer",
    "Received",
    "Receiver",
    "drip",
    "hang",
    "hang_up",
    "pour",
    "raw",
    "reply",
]


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case; of a repeated one the last."""

    body: bytes
    at_s: float
    """`time.time()` when it was complete."""


Answer = Callable[[socket.socket, Received, "Receiver"], None]
"""Writes an answer to the socket. The connection is closed when it returns."""


def reply(
    status: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> Answer:
    """An ordinary answer."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if status not in (204, 304):
        lines.append(f"Content-Length: {len(body)}")
    return raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


def raw(data: bytes) -> Answer:
    """These bytes, then the end."""

    def answer(sock: socket.socket, _: Received, receiver: "Receiver") -> None:
        sock.sendall(data)
        receiver.sent_bytes += len(data)

    return answer


def pour(head: bytes, chunk: bytes, count: int) -> Answer:
    """`head`, then `chunk` so many times as fast as it is read."""

    def answer(sock: socket.socket, _: Received, receiver: "Receiver") -> None:
        sock.sendall(head)
        for _i in range(count):
            sock.sendall(chunk)
            receiver.sent_bytes += len(chunk)

    return answer


def drip(data: bytes, every_s: float) -> Answer:
    """One byte at a time."""

    def answer(sock: socket.socket, _: Received, receiver: "Receiver") -> None:
        for value in data:
            sock.sendall(bytes([value]))
            receiver.sent_bytes += 1
            gevent.sleep(every_s)

    return answer


def hang() -> Answer:
    """No answer until the other side goes away."""

    def answer(sock: socket.socket, _: Received, receiver: "Receiver") -> None:
        sock.recv(1)

    return answer


def hang_up() -> Answer:
    """Close without a word."""
    return raw(b"")


@dataclass
class Receiver:
    """See the module. Use as a context manager, or `start()` and `stop()`."""

    answers: Iterable[Answer] = ()
    default: Answer = field(default_factory=lambda: reply(200))
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one; read it after the start."""

    requests: list[Received] = field(default_factory=list, init=False)
    connections: int = field(default=0, init=False)
    """Accepted ones, whether or not a request came."""

    sent_bytes: int = field(default=0, init=False)
    """Of answers, as far as the other side let us."""

    server_names: list[str | None] = field(default_factory=list, init=False)
    """The SNI of every TLS handshake."""

    def __post_init__(self) -> None:
        self._script: Iterator[Answer] = iter(self.answers)
        self._news = Event()
        if self.tls is not None:
            self.tls.sni_callback = self._note_server_name
        self._server = StreamServer((self.host, self.port), self._serve)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen. `port` and `url()` are right from here on."""
        self._server.start()
        self.port = int(self._server.address[1])

    def stop(self) -> None:
        """Close the port and every connection that still hangs."""
        self._server.stop(timeout=0)

    def url(self, path: str = "/") -> str:
        """Where to send to."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://{self.host}:{self.port}{path}"

    def wait_for(self, n: int, timeout_s: float = 5.0) -> list[Received]:
        """The first `n` requests, once they are there, or AssertionError."""
        deadline = time.monotonic() + timeout_s * PATIENCE
        while len(self.requests) < n:
            self._news.clear()
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not self._news.wait(left_s):
                got = len(self.requests)
                raise AssertionError(f"{got} of {n} webhooks came in time")
        return self.requests[:n]

    def _serve(self, sock: socket.socket, _address: Any) -> None:
        self.connections += 1
        # Without this, TLS session tickets delay the answer by 40 ms (Nagle).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
            received = _read_request(sock)
            if received is None:
                return
            self.requests.append(received)
            self._news.set()
            next(self._script, self.default)(sock, received, self)
            _finish(sock)
        except OSError:
            pass  # the other side went away, which is what some tests are about
        finally:
            sock.close()

    def _note_server_name(self, _sock: Any, name: str | None, _context: Any) -> None:
        self.server_names.append(name)


def _read_request(sock: socket.socket) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        if not chunk:
            return None
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    request_line, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = request_line.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    while len(body) < int(headers.get("content-length", "0")):
        chunk = sock.recv(65536)
        if not chunk:
            return None
        body += chunk
    return Received(method, target, headers, body, time.time())


def _finish(sock: socket.socket) -> None:
    """Say that nothing more comes, so that no reset overtakes the last bytes."""
    if isinstance(sock, ssl.SSLSocket):
        sock.settimeout(PATIENCE)
        sock.unwrap()
    else:
        sock.shutdown(socket.SHUT_WR)
