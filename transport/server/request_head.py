"""A request head, read strictly: what two parties could read differently is refused.

pywsgi's own reading takes "1_0" and "+5" for lengths, drops a Content-Length beside
chunked, and answers HTTP/0.9. Behind a reverse proxy such differences let one client
slip a request into another's connection (request smuggling). RFC 9112 is the source
of each rule here.

`read_head` is called by `transport/server/connection.py`; it waits only in the reader.
"""

import re
from typing import Final, Protocol

from engine.errors.codes import Code
from transport.server.field_line import TOKEN, parse_field
from transport.server.limits import ServerLimits

__all__ = ["HeadError", "RequestHead", "read_head"]

_TARGET: Final = re.compile(rb"[\x21-\x7e]+")
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
_ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
#: uri-host [ ":" port ] (RFC 9110 7.2), which may be empty; no user before it.
_HOST: Final = re.compile(
    r"(?:\[[0-9A-Fa-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]{0,5})?",
    re.ASCII,
)
#: Half an escape, an escaped NUL.
_BAD_IN_PATH: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
#: Headers that say where a request goes and where it ends.
_FRAMING: Final = frozenset(("host", "content-length", "transfer-encoding"))
#: What RFC 9110 9.3 and 5789 define, but CONNECT, and the HTTP working group's QUERY;
#: others are not even looked up. A method is case-sensitive, so `get` is none of them.
_METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
)


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
        "authority",
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
        self.authority: str | None = None  # of an absolute target: more than Host says
        self.fields: list[tuple[str, str]] = []
        self.content_length: int | None = None
        self.chunked = False
        self.keep_alive = version == "HTTP/1.1"

    def get_all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def get(self, name: str, default: str = "") -> str:
        """The values of a header as one, as RFC 9110 5.3 combines them."""
        return ", ".join(self.get_all(name)) or default


def read_head(reader: LineReader, limits: ServerLimits) -> RequestHead | None:
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
        or not TOKEN.fullmatch(words[0])
        or not _TARGET.fullmatch(words[1])
    ):
        raise HeadError(Code.BAD_REQUEST, "The request line is malformed.")
    if words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise HeadError(
            Code.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 and HTTP/1.0 are spoken here."
        )
    method, target, version = (word.decode("latin-1") for word in words)
    if method not in _METHODS:
        raise HeadError(
            Code.METHOD_NOT_IMPLEMENTED,
            "No path here knows this method.",
        )
    absolute = _ABSOLUTE.match(target)
    if absolute:  # must be taken (RFC 9112 3.2.2), though only proxies send it
        target = "/" + target[absolute.end() :].removeprefix("/")
    if not target.startswith("/") and not (target == "*" and method == "OPTIONS"):
        raise HeadError(Code.BAD_REQUEST, "The request target must be a path.")
    if "#" in target or _BAD_IN_PATH.search(target.partition("?")[0]):
        raise HeadError(
            Code.BAD_REQUEST, "The request target has a fragment or a broken escape."
        )
    head = RequestHead(method, target, version)
    head.authority = absolute[1] if absolute else None
    return head


def _field(line: bytes) -> tuple[str, str]:
    field = parse_field(line)
    # A tab around a value is allowed, but nginx takes it for a part of the value.
    if field is None or (b"\t" in line and field[0] in _FRAMING):
        raise HeadError(Code.BAD_REQUEST, "A header line is malformed.")
    return field


def _check_host(head: RequestHead) -> None:
    hosts = head.get_all("host")
    if len(hosts) > 1 or (not hosts and head.version == "HTTP/1.1"):
        raise HeadError(Code.BAD_REQUEST, "Exactly one Host header is wanted.")
    if head.authority is not None:
        # It takes the place of what Host says (RFC 9112 3.2.2).
        hosts = [head.authority]
        head.fields = [(n, v) for n, v in head.fields if n != "host"]
        head.fields.append(("host", head.authority))
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise HeadError(Code.BAD_REQUEST, "The Host header is malformed.")


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
