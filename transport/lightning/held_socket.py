"""A WebSocket to a Lightning node that is held open, and known to be alive.

Over the package `websocket-client` (RFC 6455), which reads and writes the frames. What
it lacks is here: one deadline for connecting and the handshake; a limit for a whole
message, whatever its fragments, and for the head of the handshake; a ping in time, and
the connection given up when nothing whole came for `silence_s`, so that a peer that is
gone without a word (no reset, no FIN) or sends a byte now and then is found out. No
proxy of the environment, no redirect, no cookie; certificates are checked.

    with HeldSocket("till: /websocket", url, silence_s=10, headers=…) as held:
        for text in held.messages(ended):
            …  # a message; None: a sign of life

All of one socket happens in one greenlet, which blocks. Raises like
`engine/lightning/node.py`; errors quote nothing of what came. Sources: RFC 6455 and
`websocket/_core.py` of websocket-client 1.9.
"""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import gevent
import websocket
from websocket import ABNF
from websocket._handshake import CookieJar

from engine.errors.lightning import LightningError, NodeGarbage, NodeUnavailable
from transport.calling.http_failures import reason
from transport.calling.trust import tls_context
from transport.lightning.http import refusal, retry_after_s

__all__ = ["CONNECT_S", "MAX_BYTES", "HeldSocket", "SocketClosed"]

CONNECT_S: Final = 10.0
"""From the look-up of the name to the end of the handshake."""

MAX_BYTES: Final = 256 * 1024
"""Of one message with the heads of its frames, and of the handshake's answer."""

_SLICE_S = 0.25
"""How often `ended` is asked while nothing comes."""

_PINGS = 3  # in each `silence_s`
_GRACE = 0.1  # of `silence_s`, when it is over, to read what is there


class SocketClosed(NodeUnavailable):
    """It ended from the other side. `close_code`: of its close frame (RFC 6455, 7.4),
    or None if there was none."""

    def __init__(self, where: str, close_code: int | None) -> None:
        how = "without a word" if close_code is None else f"with {close_code}"
        super().__init__(f"{where} closed the connection {how}")
        self.close_code = close_code


class _Deadline(Exception):
    """Raised by gevent while connecting. No BaseException."""


class _TooMuch(Exception):
    """More came than a message may have."""


class _Silent(Exception):
    """Nothing whole came for too long."""


class _Ended(Exception):
    """Nobody listens any more."""


class _Counted:
    """The socket below websocket-client: it counts, and looks at the time, before each
    read. The library reads exactly what a frame has, so a limit holds for all of it."""

    def __init__(self, sock: socket.socket, max_bytes: int) -> None:
        self._sock = sock
        self._max_bytes = max_bytes
        self._left = max_bytes
        self._silence_s = float("inf")
        self._dead_at = float("inf")
        self._is_late = False
        self.ended: Callable[[], bool] = bool

    def alive(self, silence_s: float) -> None:
        """Something whole came: there is so much time until the next."""
        self._silence_s = silence_s
        self._dead_at = time.monotonic() + silence_s
        self._is_late = False

    def recv(self, size: int) -> bytes:
        now = time.monotonic()
        if now > self._dead_at:
            if self._is_late:
                raise _Silent
            # We may be late ourselves, and all may be there to be read.
            self._is_late = True
            self._dead_at = now + self._silence_s * _GRACE
        if self.ended():
            raise _Ended
        if self._left <= 0:
            raise _TooMuch
        part = self._sock.recv(min(size, self._left))
        self._left -= len(part)
        return part

    def next_message(self) -> None:
        self._left = self._max_bytes

    def leave_out(self, control: bytes) -> None:
        """The frame with this payload, amid a message maybe: two bytes are its head."""
        self._left = min(self._max_bytes, self._left + 2 + len(control))

    def send(self, data: bytes) -> int:
        return self._sock.send(data)

    def settimeout(self, value: float | None) -> None:
        self._sock.settimeout(value)

    def gettimeout(self) -> float | None:
        return self._sock.gettimeout()

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()


class HeldSocket:
    """See the module. `where` names it in errors; `url` is ws:// or wss://. `ping`
    makes a text message that the peer answers with one, where its protocol has that
    (`graphql-transport-ws`); without it, pings are frames. `repr` shows no header."""

    def __init__(
        self,
        where: str,
        url: str,
        *,
        silence_s: float,
        headers: Mapping[str, str] | None = None,
        protocols: tuple[str, ...] = (),
        ping: Callable[[], str] | None = None,
        max_bytes: int = MAX_BYTES,
        connect_s: float = CONNECT_S,
    ) -> None:
        assert silence_s > 0, silence_s
        self._where = where
        self._url = url
        self._silence_s = silence_s
        self._headers = dict(headers or {})
        self._protocols = list(protocols)
        self._ping = ping
        self._max_bytes = max_bytes
        self._connect_s = connect_s
        self._ws = websocket.WebSocket(enable_multithread=False)
        self._socket: _Counted | None = None
        self._is_open = False  # the handshake was done; stays so

    def __repr__(self) -> str:
        return f"<HeldSocket {self._where}>"

    def __enter__(self) -> Self:
        """Connected, the handshake done. Raises `LightningError`."""
        try:
            with gevent.Timeout(self._connect_s, _Deadline):
                self._connect()
        except BaseException as error:
            self.close()
            if isinstance(error, _Deadline):
                text = f"{self._where} did not connect within {self._connect_s:g} s"
                raise NodeUnavailable(text) from error
            if isinstance(error, Exception):
                raise self._failure(error) from error
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """At once, without a word: nothing that we would still wait for is of use."""
        if self._socket is not None:
            self._socket.close()

    def send(self, text: str) -> None:
        """Raises `NodeUnavailable`."""
        try:
            self._ws.send(text)
        except Exception as error:
            raise self._failure(error) from error

    def messages(self, ended: Callable[[], bool]) -> Iterator[str | None]:
        """Each text message, and None for each other sign of life (a pong, a ping of
        theirs); until `ended()`, which is asked all the time. Raises `LightningError`.

        Everything whole that comes counts as a sign of life.
        """
        sock = self._socket
        assert sock is not None, "not connected"
        sock.ended = ended
        sock.settimeout(_SLICE_S)
        pause_s = self._silence_s / _PINGS
        ping_at = time.monotonic() + pause_s
        sock.alive(self._silence_s)
        while True:
            try:
                if time.monotonic() >= ping_at:
                    self._send_ping()
                    ping_at = time.monotonic() + pause_s
                opcode, frame = self._ws.recv_data_frame(control_frame=True)
            except websocket.WebSocketTimeoutException:
                continue  # of one slice; what came of a frame is kept
            except _Ended:
                return
            except Exception as error:
                raise self._failure(error) from error
            sock.alive(self._silence_s)
            if opcode == ABNF.OPCODE_CLOSE:
                raise SocketClosed(self._where, _close_code(frame.data))
            if opcode in (ABNF.OPCODE_PING, ABNF.OPCODE_PONG):
                sock.leave_out(frame.data)
                yield None
            else:
                sock.next_message()
                yield self._text(opcode, frame.data)

    def _send_ping(self) -> None:
        if self._ping is None:
            self._ws.ping()
        else:
            self._ws.send(self._ping())

    def _text(self, opcode: int, data: bytes) -> str:
        if opcode != ABNF.OPCODE_TEXT:
            raise NodeGarbage(f"{self._where} sent a message that is no text")
        return data.decode()  # the library has seen that it is UTF-8

    def _connect(self) -> None:
        url = urlsplit(self._url)
        is_tls = url.scheme == "wss"
        assert url.scheme in ("ws", "wss"), url.scheme
        host = url.hostname or ""
        plain = socket.create_connection((host, url.port or (443 if is_tls else 80)))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = _Counted(plain, self._max_bytes)
        if is_tls:
            tls = tls_context(None, ()).wrap_socket(plain, server_hostname=host)
            self._socket = _Counted(tls, self._max_bytes)
        CookieJar.jar.clear()  # the library's, of all its connections together
        self._ws.connect(  # type: ignore[no-untyped-call]
            self._url,
            socket=self._socket,
            header=self._headers,
            subprotocols=self._protocols or None,
            redirect_limit=0,
            suppress_origin=True,
        )
        self._socket.next_message()
        self._is_open = True

    def _failure(self, error: Exception) -> LightningError:
        """What it was, in our words: the library's quote what came."""
        where = self._where
        if isinstance(error, LightningError):
            return error
        if isinstance(error, websocket.WebSocketBadStatusException):
            wait_s = retry_after_s((error.resp_headers or {}).get("retry-after"))
            return refusal(where, int(error.status_code), wait_s)
        shaken = self._ws.handshake_response
        if shaken is not None and shaken.status in range(300, 400):
            return refusal(where, shaken.status, None)
        if isinstance(error, _Silent):
            return NodeUnavailable(f"{where} said nothing for {self._silence_s:g} s")
        if isinstance(error, _TooMuch):
            return NodeGarbage(f"{where} sent more than {self._max_bytes:,} bytes")
        gone = (websocket.WebSocketConnectionClosedException, ConnectionError)
        if self._is_open and isinstance(error, gone):
            return SocketClosed(where, None)
        if isinstance(error, websocket.WebSocketTimeoutException):
            return NodeUnavailable(f"{where} takes nothing that we send")
        if isinstance(error, websocket.WebSocketConnectionClosedException):
            return NodeUnavailable(f"{where} broke the connection off")
        if isinstance(error, OSError):  # ssl.SSLError is one
            return NodeUnavailable(f"{where} {reason(error)}")
        return NodeGarbage(f"{where} does not keep to the WebSocket protocol")


def _close_code(data: bytes) -> int | None:
    return int.from_bytes(data[:2], "big") if len(data) >= 2 else None
