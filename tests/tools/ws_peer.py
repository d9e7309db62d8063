"""The server's end of a WebSocket, for doubles that we are clients of.

Raw frames over the socket of `tests/tools/fake_upstream.py`, no library: it can send
what none would, and says nothing by itself but pongs. `upgrade` makes an answer of it:

    with Upstream(lambda request: upgrade(request, talk)) as server: …

where `talk(peer)` runs in the connection's greenlet; when it returns, the TCP
connection is closed, without a close frame.
"""

import base64
import hashlib
import json
import socket
from collections.abc import Callable
from typing import Any

from tests.tools.fake_upstream import Answer, Request, Upstream, text
from tests.tools.wsclient import CLOSE, PING, PONG, TEXT, Frame, frame

__all__ = ["WsPeer", "accept_head", "upgrade"]

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class WsPeer:
    """One connection. `up.closing` is set when the test is over."""

    def __init__(self, up: Upstream, sock: socket.socket, request: Request) -> None:
        self.up = up
        self.sock = sock
        self.request = request
        self.auto_pong = True
        self.pings = 0  # frames that came

    def send_raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send_frame(self, opcode: int, payload: bytes = b"", **how: Any) -> None:
        self.send_raw(frame(opcode, payload, mask=False, **how))

    def send_text(self, text: str) -> None:
        self.send_frame(TEXT, text.encode())

    def send_json(self, value: Any) -> None:
        self.send_text(json.dumps(value))

    def send_close(self, code: int) -> None:
        self.send_frame(CLOSE, code.to_bytes(2, "big"))

    def receive(self) -> Frame | None:
        """The next frame that is no ping; those are answered. None: it is over."""
        while (got := self._frame()) is not None:
            if got.opcode != PING:
                return got
            self.pings += 1
            if self.auto_pong:
                self.send_frame(PONG, got.payload)
        return None

    def receive_json(self) -> Any:
        """The next message; None: it is over."""
        while (got := self.receive()) is not None:
            if got.opcode == TEXT:
                return json.loads(got.payload)
        return None

    def until_gone(self) -> None:
        """Answer pings until the client has gone."""
        while self.receive() is not None:
            pass

    def _frame(self) -> Frame | None:
        head = self._read(2)
        if head is None:
            return None
        assert head[1] & 0x80, "a client masks (RFC 6455, 5.1)"
        length = head[1] & 0x7F
        if length >= 126:
            more = self._read(2 if length == 126 else 8)
            if more is None:
                return None
            length = int.from_bytes(more, "big")
        body = self._read(4 + length)
        if body is None:
            return None
        key, masked = body[:4], body[4:]
        payload = bytes(byte ^ key[i % 4] for i, byte in enumerate(masked))
        return Frame(head[0] & 0x0F, payload, bool(head[0] & 0x80))

    def _read(self, size: int) -> bytes | None:
        got = b""
        while len(got) < size:
            try:
                part = self.sock.recv(size - len(got))
            except OSError:
                return None
            if not part:
                return None
            got += part
        return got


def accept_head(request: Request, protocol: str = "") -> bytes:
    """The answer to this handshake (RFC 6455, 4.2.2)."""
    key = request.headers["sec-websocket-key"].encode()
    accept = base64.b64encode(
        hashlib.sha1(key + GUID, usedforsecurity=False).digest()
    ).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def upgrade(
    request: Request, talk: Callable[[WsPeer], None], protocol: str = ""
) -> Answer:
    """Accepts the handshake, and then talks. `protocol`: the one that is chosen."""
    if request.headers.get("upgrade", "").lower() != "websocket":
        return text("no handshake", 400)

    def write(up: Upstream, sock: socket.socket) -> bool:
        sock.sendall(accept_head(request, protocol))
        talk(WsPeer(up, sock, request))
        return False

    return write
