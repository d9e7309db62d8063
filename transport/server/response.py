"""One answer: what a WSGI application says, put on the wire in as few writes as can be.

pywsgi's own way checks and encodes every header by itself, looks through them three
times and writes head and body apart. Here a head is one string, looked at once. The
rules of RFC 9112 that it keeps: a length or chunks, no body where none may be, and
`Connection` where the default of the version is not meant.

Used by `transport/server/connection.py`, in the connection's greenlet; it waits only
where that sends.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from email.utils import formatdate
from typing import Any, Final, Protocol

from transport.server.request_head import RequestHead
from transport.server.request_id import HEADER

__all__ = ["Connection", "Response"]

_ONE_WRITE_BYTES: Final = 65_536  # copying this is cheaper than a second write
_NO_BODY: Final = (204, 304)

WsgiApp = Callable[..., Iterable[bytes]]


class Connection(Protocol):
    """What it is written to."""

    close_connection: bool
    request_id: str

    def send(self, data: bytes) -> None:
        """All of it, or an error that ends the answer."""

    def on_head(self, content_type: str) -> None:
        """The head is made now; `close_connection` may still be set."""


class Response:
    """The answer to one request."""

    __slots__ = (
        "_bodiless",
        "_chunked",
        "_connection",
        "_headers",
        "_length",
        "_named",
        "_request",
        "_status",
        "begun",
    )

    def __init__(self, connection: Connection, request: RequestHead) -> None:
        self._connection = connection
        self._request = request
        self._status = ""
        self._headers: Sequence[tuple[str, str]] = ()
        self._named: dict[str, str] = {}  # the same by name, in lower case
        self._length: int | None = None  # of the body, if the application did not say
        self._chunked = False
        self._bodiless = request.method == "HEAD"
        self.begun = False  # something is on the wire

    @property
    def status(self) -> int:
        """0 until the application has said it."""
        return int(self._status[:3] or 0)

    def run(self, application: WsgiApp, environ: dict[str, Any]) -> None:
        """Call the application and send what it says. What it raises passes through."""
        result = application(environ, self.start)
        try:
            if isinstance(result, list | tuple):
                self._length = sum(map(len, result))
            for data in result:
                if data:
                    self.write(data)
            self._end()
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def start(
        self, status: str, headers: Sequence[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """WSGI's `start_response`. Raises ValueError for a line break in a header."""
        if exc_info and self.begun:
            raise exc_info[1].with_traceback(exc_info[2])
        text = f"{status}{''.join([name + value for name, value in headers])}"
        if "\r" in text or "\n" in text:
            raise ValueError("a line break in the status or in a header")
        self._status = status
        self._headers = headers
        self._named = {name.lower(): value for name, value in headers}
        if int(status[:3]) in _NO_BODY:
            self._bodiless = True
        return self.write

    def write(self, data: bytes) -> None:
        """A piece of the body; the first one goes with the head."""
        if self.begun:
            self._send_piece(data)
            return
        head = self._head()
        self.begun = True
        if self._bodiless:
            self._connection.send(head)
        elif len(data) > _ONE_WRITE_BYTES:
            self._connection.send(head)
            self._send_piece(data)
        elif self._chunked and data:
            self._connection.send(b"%b%x\r\n%b\r\n" % (head, len(data), data))
        else:
            self._connection.send(head + data)

    def _send_piece(self, data: bytes) -> None:
        if self._bodiless or not data:
            return
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._connection.send(data)

    def _end(self) -> None:
        if not self.begun:
            if not self._status:
                raise AssertionError("the application did not call start_response()")
            self.write(b"")
        if self._chunked and not self._bodiless:
            self._connection.send(b"0\r\n\r\n")

    def _head(self) -> bytes:
        """Status line and headers, with those that are the server's to say."""
        connection, named = self._connection, self._named
        if named.get("connection", "").lower() == "close":
            connection.close_connection = True
        connection.on_head(named.get("content-type", ""))
        lines = [f"HTTP/1.1 {self._status}"]
        lines += [f"{name}: {value}" for name, value in self._headers]
        if "date" not in named:
            lines.append(_date.line())
        if "content-length" not in named:
            self._frame(lines)
        lines.append(f"{HEADER}: {connection.request_id}")
        if "connection" not in named:
            if connection.close_connection:
                lines.append("Connection: close")
            elif self._request.version == "HTTP/1.0":
                lines.append("Connection: keep-alive")
        lines.append("\r\n")
        return "\r\n".join(lines).encode("latin-1")

    def _frame(self, lines: list[str]) -> None:
        """How its reader finds the end of the body."""
        if int(self._status[:3]) in _NO_BODY:
            return
        if self._length is not None:
            lines.append(f"Content-Length: {self._length}")
        elif self._request.version == "HTTP/1.0":
            self._connection.close_connection = True
        else:
            self._chunked = True
            lines.append("Transfer-Encoding: chunked")


class _Date:
    """The Date header, made once in a second."""

    __slots__ = ("_line", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._line = ""

    def line(self) -> str:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._line = f"Date: {formatdate(now, usegmt=True)}"
        return self._line


_date = _Date()
