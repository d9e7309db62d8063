"""One HTTP request over a socket that is already open, and a bounded answer.

Counts and limits what a stranger may send us. It opens no connection, follows nothing
and knows no deadline but the one for the rest of a body: `pinned` brings the socket
and sets the deadline of the whole call. Runs in the caller's greenlet.

Built on `http.client` rather than `requests`: that one resolves inside the connect,
logs the whole URL (whose query may be a secret) when an endpoint sends odd headers,
reloads the trust store for each connection, and adds nothing that is wanted here.
"""

import http.client
import io
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from enum import StrEnum
from typing import Any

import gevent

from transport.outbound.guard import Parsed

__all__ = [
    "BODY_GRACE_S",
    "BODY_HEAD_BYTES",
    "MAX_ANSWER_BYTES",
    "DeadlinePassed",
    "DeliveryError",
    "FailureKind",
    "body_head",
    "exchange",
    "kept_headers",
    "reason_of",
]

BODY_GRACE_S = 1.0
"""How long the body may take once the status is known; it only serves the log."""

BODY_HEAD_BYTES = 4096
MAX_ANSWER_BYTES = 64 * 1024
"""Of status lines, headers and framing, read from one connection."""

_HEADER_CHARS = 256
_INTERIM_HEADERS = 100  # as http.client allows of any other answer
_HEADER_LINE_BYTES = 16 * 1024
_HEADERS_KEPT = ("retry-after", "content-type", "location", "date")


class FailureKind(StrEnum):
    """Why there was no answer."""

    URL = "url"
    REFUSED_ADDRESS = "refused_address"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    TOO_LARGE = "too_large"


class DeliveryError(Exception):
    """No usable answer came. `detail` holds nothing of the URL but host and port."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class DeadlinePassed(Exception):
    """The deadline, thrown into the waiting greenlet. Not a BaseException, and no
    OSError either: nothing below takes it for a fault of the connection."""


def exchange(
    sock: socket.socket, target: Parsed, headers: Mapping[str, str], body: bytes
) -> http.client.HTTPResponse:
    """Send the request, read up to the end of the answer's headers."""
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.auto_open = 0  # whatever happens, never a connection of its own
    connection.sock = sock
    connection.response_class = _BoundedResponse
    sent = {"Host": target.host_header, "Connection": "close", **headers}
    try:
        # A broken pipe is no failure yet: an endpoint may answer (413, say) and close
        # before it has read everything.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", target.target, body, sent)
        response = connection.getresponse()
    except OSError as e:
        detail = f"{target.origin} broke off before it answered: {reason_of(e)}"
        raise DeliveryError(FailureKind.PROTOCOL, detail) from e
    except http.client.HTTPException as e:
        if type(e) in (http.client.HTTPException, http.client.LineTooLong):
            detail = f"{target.origin} answered with too many headers"
            raise DeliveryError(FailureKind.TOO_LARGE, detail) from None
        detail = f"{target.origin} did not answer in HTTP ({type(e).__name__})"
        raise DeliveryError(FailureKind.PROTOCOL, detail) from None
    if isinstance(response, _BoundedResponse) and response.meter.ended:
        # http.client takes the end of the stream for the end of the headers.
        response.close()
        detail = f"{target.origin} broke off within the headers of its answer"
        raise DeliveryError(FailureKind.PROTOCOL, detail)
    return response


def kept_headers(response: http.client.HTTPResponse) -> dict[str, str]:
    found = ((name, response.getheader(name)) for name in _HEADERS_KEPT)
    return {name: value[:_HEADER_CHARS] for name, value in found if value is not None}


def body_head(response: http.client.HTTPResponse, grace_s: float) -> bytes:
    """What comes soon of the body. How it ends does not matter: the status is known."""
    head = bytearray()
    broken = (
        DeadlinePassed,
        OSError,
        http.client.HTTPException,
        DeliveryError,
        ValueError,
    )
    with closing(response), suppress(*broken), gevent.Timeout(grace_s, DeadlinePassed):
        while len(head) < BODY_HEAD_BYTES:
            chunk = response.read1(BODY_HEAD_BYTES - len(head))
            if not chunk:
                break
            head += chunk
    return bytes(head)


class _Metered(io.RawIOBase):
    """Counts what is read from a socket and stops at `MAX_ANSWER_BYTES`.

    Besides memory it protects the other greenlets: a peer that always has more bytes
    ready (endless headers, `100 Continue` without end) would never let us wait, so no
    deadline could interrupt.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._left = MAX_ANSWER_BYTES
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._left <= 0:
            detail = f"answer has more than {MAX_ANSWER_BYTES // 1024} KiB of headers"
            raise DeliveryError(FailureKind.TOO_LARGE, detail)
        if self._left < MAX_ANSWER_BYTES:
            gevent.sleep(0)  # longer than usual: let the others run in between
        count: int | None = self._raw.readinto(buffer)
        self._left -= count or 0
        self.ended = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    """`http.client`'s response, reading through the meter.

    An interim answer (RFC 9110, 15.2: 100, 102; RFC 8297: 103 Early Hints) says that
    the final one is still to come, and any number of them may be sent. `http.client`
    skips 100 only. They count into the bytes and the time of the answer. 101 ends the
    exchange: nobody asked to switch protocols (15.2.2), and what follows is not HTTP.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.meter = _Metered(sock.makefile("rb", buffering=0))
        self.fp = io.BufferedReader(self.meter)

    def _read_status(self) -> tuple[str, int, str]:
        """The status line of the final answer."""
        while True:
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            status = line[1]
            if status == http.client.SWITCHING_PROTOCOLS or not 100 <= status <= 199:
                return line
            self._skip_headers()

    def _skip_headers(self) -> None:
        for _ in range(_INTERIM_HEADERS):
            line = self.fp.readline(_HEADER_LINE_BYTES + 1)
            if len(line) > _HEADER_LINE_BYTES:
                raise http.client.LineTooLong("interim header")
            if line in {b"\r\n", b"\n", b""}:
                return
        raise http.client.HTTPException("too many interim headers")


def reason_of(error: Exception) -> str:
    """One line about a system error, without its number."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text)[:200]
