"""A request head, read strictly: what two parties could read differently is refused.

pywsgi's own reading takes "1_0" and "+5" for lengths, drops a Content-Length beside
chunked, and answers HTTP/0.9. Behind a reverse proxy such differences let one client
slip a request into another's connection (request smuggling). RFC 9112 is the source
of each rule here.

`read_head` is called by `transport/server/connection.py`; it waits only in the reader.
"""

import re
from typing import Final, Protocol

from engine.codes import Code
from transport.server.limits import Limits

__all__ = ["HeadError", "RequestHead", "read_head"]

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_IN_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_TARGET: Final = re.compile(rb"[\x21-\x7e]+")
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
_ABSOLUTE: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


class LineReader(Protocol):
    def readline(self, limit: int) -> bytes: ...


class HeadError(Exception):
    """The head cannot be taken. `code` is the answer, `detail` for a person."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(f"{code.status} {detail}")
        self.code = code
        self.detail = detail


class RequestHead:
    """A head that was understood. Header names are lower case, values latin-1."""

    __slots__ = (
        "chunked",
        "content_length",
        "fields",
        "keep_alive",
        "method",
        "target",
        "version",
    )

    def __init__(self, method: str, target: str, version: str) -> None:
        self.method = method
        self.target = target  # origin form: path and query
        self.version = version  # "HTTP/1.0" or "HTTP/1.1"
        self.fields: list[tuple[str, str]] = []
        self.content_length: int | None = None
        self.chunked = False
        self.keep_alive = version == "HTTP/1.1"

    def get_all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def get(self, name: str, default: str = "") -> str:
        """The values of a header as one, as RFC 9110 5.3 combines them."""
        return ", ".join(self.get_all(name)) or default


def read_head(reader: LineReader, limits: Limits) -> RequestHead | None:
    """The next head, or None if the stream ended before one began.

    Raises HeadError; TimeoutError and other OSErrors of the reader pass through.
    """
    line = reader.readline(limits.request_line_bytes)
    if line == b"\r\n":  # after the body of some old clients (RFC 9112 2.2)
        line = reader.readline(limits.request_line_bytes)
    if not line:
        return None
    head = _request_line(line, limits.request_line_bytes)
    left = limits.header_bytes
    while True:
        line = reader.readline(left + 2)
        if line == b"\r\n":
            break
        left -= len(line)
        if left < 0 or len(head.fields) >= limits.header_count:
            raise HeadError(
                Code.HEADERS_TOO_LARGE,
                f"The headers are limited to {limits.header_count} lines and "
                f"{limits.header_bytes} bytes.",
            )
        head.fields.append(_field(line))
    _check_host(head)
    _set_framing(head)
    options = head.get("connection").lower().replace(" ", "").split(",")
    head.keep_alive = "close" not in options and (
        head.keep_alive or "keep-alive" in options
    )
    return head


def _request_line(line: bytes, limit: int) -> RequestHead:
    if not line.endswith(b"\r\n"):
        if len(line) >= limit:
            raise HeadError(
                Code.URI_TOO_LONG, f"The request line is limited to {limit} bytes."
            )
        raise HeadError(Code.BAD_REQUEST, "The request line is incomplete.")
    words = line[:-2].split(b" ")
    if (
        len(words) != 3
        or not _TOKEN.fullmatch(words[0])
        or not _TARGET.fullmatch(words[1])
    ):
        raise HeadError(Code.BAD_REQUEST, "The request line is malformed.")
    if words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise HeadError(
            Code.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 and HTTP/1.0 are spoken here."
        )
    method, target, version = (word.decode("latin-1") for word in words)
    absolute = _ABSOLUTE.match(target)
    if absolute:  # must be taken (RFC 9112 3.2.2), though only proxies send it
        target = "/" + target[absolute.end() :].removeprefix("/")
    if not target.startswith("/") and not (target == "*" and method == "OPTIONS"):
        raise HeadError(Code.BAD_REQUEST, "The request target must be a path.")
    return RequestHead(method, target, version)


def _field(line: bytes) -> tuple[str, str]:
    name, colon, value = line[:-2].partition(b":")
    value = value.strip(b" \t")
    # A name with a blank behind it or a folded line is not a token either.
    if (
        not line.endswith(b"\r\n")
        or not colon
        or not _TOKEN.fullmatch(name)
        or _BAD_IN_VALUE.search(value)
    ):
        raise HeadError(Code.BAD_REQUEST, "A header line is malformed.")
    return name.decode("latin-1").lower(), value.decode("latin-1")


def _check_host(head: RequestHead) -> None:
    hosts = len(head.get_all("host"))
    if hosts > 1 or (hosts == 0 and head.version == "HTTP/1.1"):
        raise HeadError(Code.BAD_REQUEST, "Exactly one Host header is wanted.")


def _set_framing(head: RequestHead) -> None:
    """How long the body is (RFC 9112 6.3); doubt is an error."""
    lengths = head.get_all("content-length")
    codings = head.get_all("transfer-encoding")
    if codings:
        if lengths:
            raise HeadError(
                Code.BAD_REQUEST, "Content-Length and Transfer-Encoding exclude."
            )
        if head.version == "HTTP/1.0" or [c.lower() for c in codings] != ["chunked"]:
            raise HeadError(
                Code.BAD_REQUEST, "The only Transfer-Encoding taken is chunked."
            )
        head.chunked = True
    elif lengths:
        if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
            raise HeadError(
                Code.BAD_REQUEST, "Content-Length must be one decimal number."
            )
        head.content_length = int(lengths[0])
