"""The body of a request: bounded in bytes, pieces and time, whoever reads it.

`read_body` is what handlers use. `RequestBody` is the server's `wsgi.input`, so the
hard limits hold for code that reads that instead. Runs in the connection's greenlet;
waits only in the reader, under its deadline.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from engine.errors import (
    BodyError,
    BodyIncomplete,
    BodyMalformed,
    BodyTimeout,
    BodyTooLarge,
)
from transport.server.field_line import parse_field
from transport.server.limits import ServerLimits

__all__ = [
    "NO_BODY",
    "RequestBody",
    "read_body",
]

_LENGTH: Final = re.compile(r"[0-9]{1,15}")
_NAME: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED: Final = rb'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x08\x0a-\x1f\x7f])*+"'
_BWS: Final = rb"[ \t]*+"
#: A size and its extensions (RFC 9112 7.1), and nothing else in the line.
_CHUNK_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,8})(?:%b;%b%b(?:%b=%b(?:%b|%b))?)*+\r\n"
    % (_BWS, _BWS, _NAME, _BWS, _BWS, _NAME, _QUOTED)
)
_CHUNK_LINE_BYTES: Final = 256  # size and extensions, which nobody uses
_TRAILER_LINES: Final = 16
_TRAILER_LINE_BYTES: Final = 1024


class ByteReader(Protocol):
    def readline(self, limit: int) -> bytes: ...
    def read(self, size: int) -> bytes: ...
    def set_deadline(self, after_s: float | None) -> None: ...


def read_body(
    environ: dict[str, Any], limit_bytes: int, deadline_s: float | None = None
) -> bytes:
    """The whole body, b"" if there is none.

    `limit_bytes` is checked against Content-Length before a byte is read. The body
    may take `deadline_s` from now; without it, the server's default counts from the
    end of the head. Raises BodyTooLarge, BodyTimeout, BodyIncomplete, BodyMalformed.
    """
    announced = environ.get("CONTENT_LENGTH") or ""
    if announced and not _LENGTH.fullmatch(announced):
        raise BodyMalformed("Content-Length must be one decimal number.")
    if announced and int(announced) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    source = environ["wsgi.input"]
    if isinstance(source, RequestBody):
        if deadline_s is not None:
            source.set_deadline(deadline_s)
        body = source.read(limit_bytes + 1)
    else:  # another server, or a test without one
        body = source.read(int(announced or 0))
    if len(body) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    if announced and len(body) < int(announced):
        raise BodyIncomplete
    return body


class RequestBody:
    """`wsgi.input` of one request. Every read raises BodyError, nothing else."""

    __slots__ = (
        "_chunk_left",
        "_chunked",
        "_chunks",
        "_ended",
        "_failed",
        "_left",
        "_limits",
        "_reader",
        "_send_continue",
        "_taken",
    )

    def __init__(
        self,
        reader: ByteReader,
        limits: ServerLimits,
        content_length: int | None,
        chunked: bool,
        send_continue: Callable[[], None] | None,
    ) -> None:
        self._reader = reader
        self._limits = limits
        self._left = content_length or 0  # bytes still to read, if not chunked
        self._chunked = chunked
        self._chunk_left = 0  # of the chunk under way
        self._chunks = 0
        self._taken = 0  # bytes read so far
        self._ended = not chunked and not content_length
        self._failed = False  # what comes next on the wire is not known
        # Called before the first read: the client waits with its body until then.
        self._send_continue = send_continue

    def set_deadline(self, after_s: float) -> None:
        self._reader.set_deadline(after_s)

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, or all; fewer only at the end of the body."""
        return self._guarded(self._collect, size, None)

    def readline(self, size: int = -1) -> bytes:
        return self._guarded(self._collect, size, b"\n")

    def readlines(self, hint: int = -1) -> list[bytes]:
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def discard(self) -> bool:
        """Read away what nobody read, so that the next request can be found.

        False if that is not worth it: the connection has to be closed.
        """
        if self._ended:
            return True
        if self._failed or self._send_continue is not None:
            return False  # where the next request begins cannot be known
        if not self._chunked and self._left > self._limits.discard_bytes:
            return False
        try:
            self.read(self._limits.discard_bytes)
        except BodyError:
            return False
        return self._ended

    def _discard(self) -> None:
        """pywsgi calls this after the answer; the handler has done it already."""

    def _guarded(
        self, read: Callable[[int, bytes | None], bytes], size: int, end: bytes | None
    ) -> bytes:
        try:
            if self._send_continue is not None and not self._ended:
                send, self._send_continue = self._send_continue, None
                send()
            return read(size, end)
        except BodyError:
            self._failed = True
            raise
        except TimeoutError as error:
            self._failed = True
            raise BodyTimeout from error
        except OSError as error:
            self._failed = True
            raise BodyIncomplete from error

    def _collect(self, size: int, end: bytes | None) -> bytes:
        collected = bytearray()
        while size < 0 or len(collected) < size:
            available = self._available()
            if not available:
                break
            wanted = min(available, 65_536)
            if size >= 0:
                wanted = min(wanted, size - len(collected))
            piece = self._reader.readline(wanted) if end else self._reader.read(wanted)
            self._took(piece, wanted, end)
            collected += piece
            if end and piece.endswith(end):
                break
        return bytes(collected)

    def _available(self) -> int:
        """Bytes that may be read now without meeting chunk framing; 0 at the end."""
        if self._ended:
            return 0
        if not self._chunked:
            return self._left
        if not self._chunk_left:
            self._next_chunk()
        return self._chunk_left

    def _took(self, piece: bytes, wanted: int, end: bytes | None) -> None:
        if not piece or (not end and len(piece) < wanted):
            raise BodyIncomplete
        self._taken += len(piece)
        if self._taken > self._limits.body_bytes:
            raise BodyTooLarge(self._limits.body_bytes)
        if self._chunked:
            self._chunk_left -= len(piece)
            if not self._chunk_left and self._reader.read(2) != b"\r\n":
                raise BodyMalformed("A chunk does not end where it says.")
        else:
            self._left -= len(piece)
            self._ended = not self._left

    def _next_chunk(self) -> None:
        self._chunks += 1
        if self._chunks > self._limits.body_chunks:
            raise BodyTooLarge(self._taken)
        line = self._reader.readline(_CHUNK_LINE_BYTES)
        if not line:
            raise BodyIncomplete
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise BodyMalformed("A chunk has no proper size.")
        self._chunk_left = int(match[1], 16)
        if not self._chunk_left:
            self._skip_trailers()
            self._ended = True

    def _skip_trailers(self) -> None:
        for _ in range(_TRAILER_LINES):
            line = self._reader.readline(_TRAILER_LINE_BYTES)
            if line == b"\r\n":
                return
            if parse_field(line) is None:
                break
        raise BodyMalformed("The trailers are malformed or too long.")


#: For a handler that reads no more requests.
NO_BODY: Final = RequestBody(
    None,  # type: ignore[arg-type]  # never read: there is no body
    None,  # type: ignore[arg-type]
    content_length=0,
    chunked=False,
    send_continue=None,
)
