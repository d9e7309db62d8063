"""Clients of a bench: many WebSockets, and requests at a steady rate.

Raw sockets and the least parsing that works, so that little of what is measured is the
measuring. Connections come from many loopback addresses, as from many customers: one
address may hold 256.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import socket
import time
from collections.abc import Callable, Sequence

import gevent
from gevent.queue import Queue

from bench.measure import wait_for

__all__ = [
    "SECRET",
    "Caller",
    "Listener",
    "at_rate",
    "claim",
    "connect_all",
    "dial",
]

SECRET = "a-secret-of-the-bench"
PER_ADDRESS = 200


class Listener:
    """One WebSocket client; notes when the first message with `word` came."""

    __slots__ = ("_buffer", "_sock", "greenlet", "heard_at", "messages", "word")

    def __init__(self, port: int, path: str, number: int, word: bytes) -> None:
        self.word = word
        self.messages = 0
        self.heard_at: float | None = None
        self._buffer = b""
        self._sock = dial(port, number)
        key = base64.b64encode(os.urandom(16)).decode()
        self._sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = self._read_until(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(f"no WebSocket at {path}: {head[:200]!r}")
        self.greenlet = gevent.spawn(self._listen)

    def close(self) -> None:
        self.greenlet.kill()
        self._sock.close()

    def _listen(self) -> None:
        while True:
            message = self._frame()
            now = time.perf_counter()
            self.messages += 1
            if self.heard_at is None and self.word in message:
                self.heard_at = now

    def _frame(self) -> bytes:
        size, begin = self._take(2)[1] & 0x7F, 2
        if size > 125:
            begin = 4 if size == 126 else 10
            size = int.from_bytes(self._take(begin)[2:], "big")
        frame = self._take(begin + size)
        self._buffer = self._buffer[begin + size :]
        return frame[begin:]

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        return self._buffer[:size]

    def _read_until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(end)
        return head

    def _fill(self) -> None:
        data = self._sock.recv(65_536)
        if not data:
            raise RuntimeError("the server closed a WebSocket")
        self._buffer += data


class Caller:
    """Keep-alive connections for POSTs; each call takes a free one.

    They come from so many `places`, in turn: from one no more than 200 webhooks per
    second are heard, once its burst of 1,000 is over.
    """

    def __init__(self, port: int, connections: int = 16, places: int = 1) -> None:
        self._idle: Queue[socket.socket] = Queue()
        for number in range(connections):
            self._idle.put(dial(port, PER_ADDRESS * (number % places)))

    def post(self, path: str, body: bytes, *headers: str) -> bytes:
        """The body of the answer. RuntimeError if its status is not 2xx."""
        sock = self._idle.get()
        lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1",
                 "Content-Type: application/json", f"Content-Length: {len(body)}",
                 *headers, "", ""]  # fmt: skip
        sock.sendall("\r\n".join(lines).encode() + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += _more(sock)
        head, _, rest = answer.partition(b"\r\n\r\n")
        if b" 2" not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(f"POST {path}: {head[:100]!r} {rest[:300]!r}")
        size = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        while len(rest) < size:
            rest += _more(sock)
        self._idle.put(sock)
        return rest

    def claim(self, body: bytes) -> None:
        """POST /webhook/btc, signed."""
        self.post("/webhook/btc", body, f"X-Signature: {sign(body)}")


def claim(address: str, number: int) -> bytes:
    """A provider's word that the address was paid."""
    txid = hashlib.sha256(number.to_bytes(8, "big")).hexdigest()
    return json.dumps({"address": address, "txid": txid, "value": 1_000}).encode()


def sign(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def at_rate(
    per_s: float, calls: Sequence[Callable[[], None]], within_s: float = 30
) -> list[float]:
    """Begin the calls at fixed moments, whether or not earlier ones have ended; the
    last has `within_s` to end.

    Returns the moment each should have begun, by `time.perf_counter()`: a call that
    begins late counts its lateness.
    """
    began = time.perf_counter()
    planned = [began + number / per_s for number in range(len(calls))]
    running = []
    for moment, call in zip(planned, calls, strict=True):
        gevent.sleep(max(moment - time.perf_counter(), 0))
        running.append(gevent.spawn(call))
    gevent.joinall(running, timeout=within_s, raise_error=True)
    return planned


def connect_all(
    port: int, paths: Sequence[str], word: bytes, first: int = 0
) -> list[Listener]:
    """One client for each path, and until each has had its first message."""
    found = [
        Listener(port, path, first + number, word) for number, path in enumerate(paths)
    ]
    wait_for(lambda: all(one.messages for one in found), "the first messages")
    return found


def dial(port: int, number: int) -> socket.socket:
    sock = socket.socket()
    place = number // PER_ADDRESS
    sock.bind((f"127.0.{1 + place // 250}.{1 + place % 250}", 0))
    sock.settimeout(30)
    sock.connect(("127.0.0.1", port))
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(65_536)
    if not data:
        raise RuntimeError("the server closed a connection")
    return data
