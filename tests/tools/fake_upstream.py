"""An HTTP server that misbehaves on request: what a chain source must survive.

It speaks raw HTTP/1.1 on a loopback port, so that it can also send what no server
library would. `answer` decides for every request; the functions below make the answers.
One greenlet per connection; `close` ends them all.
"""

import json
import socket
import ssl
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer

__all__ = [
    "Request",
    "Upstream",
    "bomb",
    "cut_off",
    "drip",
    "endless",
    "hang",
    "html",
    "of",
    "reset",
    "text",
]

PIECE = b"1," * 32_768


@dataclass
class Request:
    method: str
    path: str  # with the query
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[["Upstream", socket.socket], bool]
"""Writes an answer; False ends the connection."""


@dataclass
class Upstream:
    answer: Callable[[Request], Answer] = lambda request: html()
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0  # of these, now
    sent: int = 0  # bytes of `endless`, before the client had enough
    closing: Event = field(default_factory=Event)
    bind: int = 0  # the port to listen on; 0: any that is free
    tls: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        self._pool = Pool(50)
        options: Any = {} if self.tls is None else {"ssl_context": self.tls}
        self._server = StreamServer(
            ("127.0.0.1", self.bind), self._serve, spawn=self._pool, **options
        )
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.close()
        self._pool.kill()

    @property
    def port(self) -> int:
        return int(self._server.server_port or 0)

    @property
    def url(self) -> str:
        return f"http{'' if self.tls is None else 's'}://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def _serve(self, sock: socket.socket, _address: object) -> None:
        self.connections += 1
        self.open += 1
        reader = sock.makefile("rb")
        try:
            while request := _read(reader):
                self.requests.append(request)
                if not self.answer(request)(self, sock):
                    return
        except OSError:
            return  # the client had enough
        finally:
            self.open -= 1
            reader.close()
            sock.close()


def _read(reader: Any) -> Request | None:
    line = reader.readline(10_000).decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = {}
    while (header := reader.readline(10_000).decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", "0")))
    return Request(line[0], line[1], headers, body)


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def text(body: str | bytes, status: int = 200, **headers: str) -> Answer:
    """A well-formed answer; `Retry_After` in `headers` becomes Retry-After."""
    raw = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("Content-Length", str(len(raw)))

    def write(_up: Upstream, sock: socket.socket) -> bool:
        sock.sendall(_head(status, named) + raw)
        return True

    return write


def of(value: object, status: int = 200) -> Answer:
    """The value as JSON."""
    return text(json.dumps(value), status, Content_Type="application/json")


def html(status: int = 200) -> Answer:
    page = "<!doctype html><title>Just a moment…</title>"
    return text(page, status, Content_Type="text/html")


def cut_off(body: str) -> Answer:
    """Promises the whole body, sends half of it and closes."""

    def write(_up: Upstream, sock: socket.socket) -> bool:
        raw = body.encode()
        sock.sendall(_head(200, {"Content-Length": str(len(raw))}))
        sock.sendall(raw[: len(raw) // 2])
        return False

    return write


def endless(
    size: int = 10**9, start: bytes = b"[", *, declared: bool = False
) -> Answer:
    """A gigabyte of JSON, chunked or with a Content-Length."""

    def write(up: Upstream, sock: socket.socket) -> bool:
        if declared:
            sock.sendall(_head(200, {"Content-Length": str(size)}) + start)
        else:
            sock.sendall(_head(200, {"Transfer-Encoding": "chunked"}))
            sock.sendall(b"%x\r\n%s\r\n" % (len(start), start))
        while up.sent < size and not up.closing.is_set():
            chunk = b"%x\r\n%s\r\n" % (len(PIECE), PIECE)
            sock.sendall(PIECE if declared else chunk)
            up.sent += len(PIECE)
        return False

    return write


def bomb(size: int) -> Answer:
    """Compressed to a thousandth of its size."""

    packer = zlib.compressobj(wbits=31)  # as gzip
    parts = [packer.compress(PIECE) for _ in range(size // len(PIECE))]
    body = b"".join([*parts, packer.flush()])
    return text(body, Content_Encoding="gzip")


def drip(body: bytes = b" " * 1_000, every_s: float = 0.02) -> Answer:
    """One byte after the other, headers included."""

    def write(up: Upstream, sock: socket.socket) -> bool:
        for byte in _head(200, {"Content-Length": str(len(body))}) + body:
            sock.sendall(bytes([byte]))
            if up.closing.wait(every_s):
                return False
        return True

    return write


def hang() -> Answer:
    """Takes the question and says nothing."""

    def write(up: Upstream, _sock: socket.socket) -> bool:
        up.closing.wait()
        return False

    return write


def reset() -> Answer:
    """Ends the connection with a TCP reset."""

    def write(_up: Upstream, sock: socket.socket) -> bool:
        linger = struct.pack("ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return False

    return write
