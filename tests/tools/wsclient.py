"""A WebSocket client for tests that does what it is told, rules or not.

Raw socket, no library: it can send unmasked frames, halves of frames and bad closes,
and shows exactly what came back. Not for anything but tests.

    client = connect("127.0.0.1", port, "/ws", origin="https://shop.example")
    client.send_json({"type": "ping"})
    assert client.recv_json(5) == {...}
    client.close()

A refused handshake gives a client with `accepted` False, and `status`, `headers`,
`body` and `problem` of the answer.
"""

import base64
import json
import os
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tests.tools.wait import PATIENCE

__all__ = ["Closed", "Frame", "WsClient", "connect", "frame", "read_response"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    fin: bool


class Closed(Exception):
    """The connection ended; `code` is None if no close frame came."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"closed with {code} {reason!r}")
        self.code = code
        self.reason = reason


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    mask: bool = True,
    rsv: int = 0,
) -> bytes:
    """One client frame; `mask=False` and `rsv` (0-7) make wrong ones."""
    head = bytearray([(0x80 if fin else 0) | rsv << 4 | opcode])
    flag = 0x80 if mask else 0
    if len(payload) < 126:
        head.append(flag | len(payload))
    elif len(payload) < 65536:
        head.append(flag | 126)
        head += len(payload).to_bytes(2, "big")
    else:
        head.append(flag | 127)
        head += len(payload).to_bytes(8, "big")
    if not mask:
        return bytes(head) + payload
    key = os.urandom(4)
    n = len(payload)
    repeated = (key * (n // 4 + 1))[:n]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return bytes(head) + key + mixed.to_bytes(n, "big")


class WsClient:
    """One connection. Times out instead of hanging: every wait has a limit.

    Limits are for a quiet machine, as in tests/tools/wait.py; `patience` is 1 for who
    waits to see that nothing comes.
    """

    def __init__(self, sock: socket.socket, timeout_s: float) -> None:
        self.sock = sock
        self.timeout_s = timeout_s
        self.patience: float = PATIENCE
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.buffer = bytearray()
        self.close_code: int | None = None
        self.close_reason = ""
        self.auto_pong = True

    @property
    def accepted(self) -> bool:
        return self.status == 101

    @property
    def problem(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    # Sending

    def send_raw(self, data: bytes) -> None:
        self.sock.settimeout(self.timeout_s * self.patience)
        self.sock.sendall(data)

    def send_frame(self, opcode: int, payload: bytes = b"", **how: Any) -> None:
        self.send_raw(frame(opcode, payload, **how))

    def send_text(self, text: str) -> None:
        self.send_frame(TEXT, text.encode())

    def send_binary(self, payload: bytes) -> None:
        self.send_frame(BINARY, payload)

    def send_json(self, value: Any) -> None:
        self.send_text(json.dumps(value))

    def send_close(self, code: int | None = 1000, reason: str = "") -> None:
        payload = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
        self.send_frame(CLOSE, payload)

    # Receiving

    def _deadline(self, timeout_s: float | None) -> float:
        return time.monotonic() + (timeout_s or self.timeout_s) * self.patience

    def _fill(self, deadline: float) -> bool:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came in time")
        self.sock.settimeout(left)
        received = self.sock.recv(65536)
        self.buffer += received
        return bool(received)

    def _read(self, size: int, deadline: float) -> bytes:
        while len(self.buffer) < size:
            if not self._fill(deadline):
                raise Closed(self.close_code, self.close_reason)
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    def wait_for_frame(self, timeout_s: float | None = None) -> None:
        """Until the next frame is here, whole; it stays to be read. Raises Closed."""
        deadline = self._deadline(timeout_s)
        while not self._has_frame():
            if not self._fill(deadline):
                raise Closed(self.close_code, self.close_reason)

    def _has_frame(self) -> bool:
        head = bytes(self.buffer[:10])
        start = {126: 4, 127: 10}.get(head[1] & 0x7F, 2) if len(head) > 1 else 2
        if len(head) < start:
            return False
        length = head[1] & 0x7F if start == 2 else int.from_bytes(head[2:start], "big")
        return len(self.buffer) >= start + length

    def recv_frame(self, timeout_s: float | None = None) -> Frame:
        """The next frame as it is; nothing is answered. Raises Closed at the end."""
        return self._recv_frame(self._deadline(timeout_s))

    def _recv_frame(self, deadline: float) -> Frame:
        first, second = self._read(2, deadline)
        assert not second & 0x80, "a server must not mask"
        assert not first & 0x70, "no extension was negotiated"
        length = second & 0x7F
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(self._read(size, deadline), "big")
        return Frame(first & 0x0F, self._read(length, deadline), bool(first & 0x80))

    def recv(self, timeout_s: float | None = None) -> str | bytes:
        """The next message; pings are answered on the way. Raises Closed."""
        return self._recv(self._deadline(timeout_s))

    def _recv(self, deadline: float) -> str | bytes:
        while True:
            got = self._recv_frame(deadline)
            if got.opcode == TEXT:
                return got.payload.decode()
            if got.opcode == BINARY:
                return got.payload
            if got.opcode == PING and self.auto_pong:
                self.send_frame(PONG, got.payload)
            if got.opcode == CLOSE:
                self._on_close(got.payload)
                raise Closed(self.close_code, self.close_reason)

    def recv_json(self, timeout_s: float | None = None) -> Any:
        return json.loads(self.recv(timeout_s))

    def _on_close(self, payload: bytes) -> None:
        self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005
        self.close_reason = payload[2:].decode()

    def expect_close(self, timeout_s: float | None = None) -> int | None:
        """Read on until the close frame or the end of the stream; the close code."""
        deadline = self._deadline(timeout_s)
        while True:
            try:
                self._recv(deadline)
            except Closed as closed:
                return closed.code
            except ConnectionError:
                return self.close_code

    def expect_end(self, timeout_s: float | None = None) -> bytes:
        """Wait until the server has ended the TCP connection; what came before that.

        TimeoutError if it does not.
        """
        deadline = self._deadline(timeout_s)
        try:
            while self._fill(deadline):
                pass
        except ConnectionError:
            pass
        came = bytes(self.buffer)
        self.buffer.clear()
        return came

    def close(self, code: int = 1000) -> int | None:
        """Close handshake, then the socket; the code the server answered with."""
        answered = None
        try:
            self.send_close(code)
            answered = self.expect_close()
        except (OSError, Closed):
            pass
        self.sock.close()
        return answered


def read_response(client: WsClient, timeout_s: float, head_only: bool = False) -> None:
    """Read one HTTP answer into status, headers and body."""
    deadline = client._deadline(timeout_s)
    while b"\r\n\r\n" not in client.buffer:
        if not client._fill(deadline):
            raise Closed(None, "the server hung up before its answer was whole")
    head, _, rest = bytes(client.buffer).partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    client.status = int(lines[0].split(" ")[1])
    pairs = (line.split(":", 1) for line in lines[1:])
    client.headers = {name.lower(): value.strip() for name, value in pairs}
    client.buffer = bytearray(rest)
    if client.status in (100, 101) or head_only:
        return
    if "content-length" in client.headers:
        client.body = client._read(int(client.headers["content-length"]), deadline)
    else:  # chunked answers are not needed by any test of ours
        client.body = b""


def connect(
    host: str,
    port: int,
    path: str = "/",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    origin: str | None = None,
    timeout_s: float = 30.0,
    receive_buffer: int | None = None,
    early: bytes = b"",
    source: str = "",
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
) -> WsClient:
    """Open a WebSocket, or show how it was refused.

    `headers` replace the usual ones of the same name; a value of "" leaves the header
    out. `early` is sent right behind the handshake, before its answer has come.
    `source`: the address of ours that it comes from. `tls`: it is a `wss://` to
    `server_name` (None: `host`), whose certificate is checked as the context says.
    """
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(timeout_s * PATIENCE)
    if source:
        sock.bind((source, 0))
    sock.connect((host, port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is not None:
        sock = tls.wrap_socket(sock, server_hostname=server_name or host)
    fields = {
        "Host": f"{host}:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    if origin is not None:
        fields["Origin"] = origin
    fields.update(headers)
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    request = "\r\n".join((f"GET {path} HTTP/1.1", *lines, "", ""))
    client = WsClient(sock, timeout_s)
    client.send_raw(request.encode("latin-1") + early)
    read_response(client, timeout_s)
    return client
