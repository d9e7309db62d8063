"""Ten thousand WebSocket clients in one process, as lean as Python allows.

    python -m bench.crowd --port 8080 --path /ws/balance/bcrt1… --clients 10000

One epoll loop over raw sockets, no greenlets: what it costs to read a message here
(some 3 µs) must not be what is measured. The same program stands before every server.

Commands are lines on standard input, answers are lines of JSON on standard output:

    first line, unasked      all are connected and were told something
    {"post": path, "body": text, "headers": [..]}
                             sends that request, waits until every client has got one
                             whole frame, and tells when the first and the last had it
    {"exchange": per_s}      from now on so many leave in a second, and as many come,
                             until there is a line; tells how many that were
    {}                       ends
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import select
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

PER_ADDRESS = 200
TIMEOUT_S = 60.0
QUIET_S = 0.25
STDIN = 0
PING = 0x89
CLOSE = b"\x88"
_ANSWERS = {"40": b"40", "42": b"43"}  # of Socket.IO, to joining and to a question
ENGINE_PING = b"\x81\x012"  # of Engine.IO, in a text frame
RECV_BYTES = 65_536


class Crowd:
    """All clients of one path. `heard` counts bytes since it was last cleared."""

    def __init__(
        self,
        port: int,
        path: str,
        clients: int,
        hello: Sequence[str] = (),
        first: int = 0,
    ) -> None:
        """`hello`: what each says once it is connected, one after the other. `first`:
        the number of the first client, of which it has its address."""
        self._port = port
        self._path = path
        self._hello = hello
        self._clients = clients
        self._first = first
        self._replaced = 0
        self._epoll = select.epoll()
        self._buffer = bytearray(RECV_BYTES)
        self._socks: dict[int, socket.socket] = {}
        self._heard: dict[int, int] = {}
        self._commands = b""
        self._usual = 0  # bytes of what was read last
        for number in range(clients):
            self._add(number)
            if number % 50 == 0:
                self._read(0)  # the first are asked whether they are there
        self._epoll.register(STDIN, select.EPOLLIN)

    def _add(self, number: int) -> None:
        sock = self._connect(self._path, number)
        self._socks[sock.fileno()] = sock

    def exchange(self, per_s: float) -> dict[str, float]:
        """Leave and come, evenly, until there is a command, which is not looked at."""
        began, done = time.perf_counter(), 0
        while b"\n" not in self._commands:
            self._heard.clear()
            due_s = began + (done + 1) / per_s
            self._read(max(0.0, due_s - time.perf_counter()))
            if time.perf_counter() >= due_s:
                self._replace_oldest()
                done += 1
        took_s = time.perf_counter() - began
        self.next_command()
        return {"exchanged": done, "took_s": took_s}

    def _replace_oldest(self) -> None:
        number, sock = next(iter(self._socks.items()))
        del self._socks[number]
        self._epoll.unregister(number)
        sock.close()
        self._add(self._replaced % self._clients)
        self._replaced += 1

    def _connect(self, path: str, number: int) -> socket.socket:
        sock = dial(self._port, self._first + number)
        key = base64.b64encode(os.urandom(16)).decode()
        sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = sock.recv(RECV_BYTES)
        if b" 101 " not in head[:20]:
            raise RuntimeError(f"no WebSocket at {path}: {head[:200]!r}")
        came = bytearray(head.partition(b"\r\n\r\n")[2])
        for text in self._hello:
            sock.sendall(_masked(text.encode()))
            _await(sock, came, _ANSWERS[text[:2]])
        sock.setblocking(False)
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        return sock

    def settle(self) -> None:
        """Read what the server says first, until it says no more."""
        quiet_at = time.perf_counter() + QUIET_S
        while (left := quiet_at - time.perf_counter()) > 0:
            self._heard.clear()
            self._read(left)
            if self._heard:  # pings are not counted
                quiet_at = time.perf_counter() + QUIET_S

    def _read(self, timeout_s: float) -> int:
        """Whatever is there, once; how many clients were told something."""
        ready = self._epoll.poll(timeout_s)
        heard, socks, buffer = self._heard, self._socks, self._buffer
        for number, _ in ready:
            if number == STDIN:
                self._commands += os.read(STDIN, RECV_BYTES)
                continue
            try:
                size = socks[number].recv_into(buffer)
            except BlockingIOError:
                continue
            if not size:
                raise RuntimeError("the server closed a WebSocket")
            # All are told the same: only what looks different is looked at.
            if size != self._usual:
                size = self._usual = self._answer_pings(socks[number], size)
            if size:
                heard[number] = heard.get(number, 0) + size
        return len(ready)

    def _answer_pings(self, sock: socket.socket, size: int) -> int:
        """Pings among the frames that came; the size of the others."""
        place = others = 0
        while place + 2 <= size:
            length, begin = self._buffer[place + 1], 2
            if length > 125:
                begin = 4
                length = int.from_bytes(self._buffer[place + 2 : place + 4], "big")
            end = place + begin + length
            if self._buffer[place] == PING:
                pong = b"\x8a%c\0\0\0\0" % (0x80 | length)
                sock.send(pong + self._buffer[place + begin : end])
            elif self._buffer[place:end] == ENGINE_PING:
                sock.send(_masked(b"3"))
            else:
                others += min(end, size) - place
            place = end
        return others

    def next_command(self) -> dict[str, Any]:
        """Answers pings until there is one."""
        while b"\n" not in self._commands:
            self._read(1.0)
        line, _, self._commands = self._commands.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def tell(self, path: str, body: str, headers: list[str]) -> dict[str, Any]:
        """Have an event told to all; moments in seconds after the request was sent."""
        self._heard.clear()
        # Until it is known how long the frame is, nobody has heard it whole.
        lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1",
                 "Content-Type: application/json", f"Content-Length: {len(body)}",
                 *headers, "", ""]  # fmt: skip
        wire = ("\r\n".join(lines) + body).encode()
        poster = dial(self._port, 40_000)
        began = time.perf_counter()
        poster.sendall(wire)
        moments: list[tuple[float, int]] = []
        want = len(self._socks)
        while len(self._heard) < want:
            self._read(1.0)
            now = time.perf_counter()
            moments.append((now, len(self._heard)))
            if now - began > TIMEOUT_S:
                raise RuntimeError(f"{len(self._heard)} of {want} clients heard it")
        sizes = set(self._heard.values())
        if len(sizes) > 1:  # a frame in two segments: read on until all are alike
            self._even_out(began)
        with poster:
            answer = poster.recv(RECV_BYTES)
        if b" 2" not in answer[:12]:
            raise RuntimeError(f"POST {path}: {answer[:300]!r}")
        first = next(at for at, count in moments if count)
        return {
            "first_s": first - began,
            "last_s": moments[-1][0] - began,
            "bytes": max(self._heard.values()),
        }

    def _even_out(self, began: float) -> None:
        while len(set(self._heard.values())) > 1:
            self._read(1.0)
            if time.perf_counter() - began > TIMEOUT_S:
                raise RuntimeError("clients were not all told the same")


def _await(sock: socket.socket, came: bytearray, wanted: bytes) -> None:
    """Take frames off `came` and the socket, until one whose text begins like this
    (it may stand anywhere in another: in the id of a session, say)."""
    while True:
        frame = _frame(came)
        if frame is None:
            received = sock.recv(RECV_BYTES)
            if not received:
                raise RuntimeError("the server closed a WebSocket before its answer")
            came += received
        elif frame[:1] == CLOSE:
            raise RuntimeError(f"the server closed a WebSocket: {bytes(frame)!r}")
        elif frame[4 if frame[1] > 125 else 2 :].startswith(wanted):
            return


def _frame(came: bytearray) -> bytearray | None:
    """The first frame, taken off, with its head; None: it is not whole yet."""
    length, begin = came[1] if len(came) > 1 else 0, 2
    if length > 125:
        length, begin = int.from_bytes(came[2:4], "big"), 4
    if len(came) < begin + length:
        return None
    frame = came[: begin + length]
    del came[: begin + length]
    return frame


def _masked(text: bytes) -> bytes:
    """One text frame of a client, with a mask of zeros."""
    size = len(text)
    head = b"\x81%c" % (0x80 | size)
    if size > 125:
        head = b"\x81\xfe" + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + text


def dial(port: int, number: int) -> socket.socket:
    sock = socket.socket()
    place = number // PER_ADDRESS
    sock.bind((f"127.0.{1 + place // 250}.{1 + place % 250}", 0))
    sock.settimeout(TIMEOUT_S)
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def answer(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--hello", action="append", default=[])
    options = parser.parse_args()
    began = time.perf_counter()
    crowd = Crowd(
        options.port, options.path, options.clients, options.hello, options.first
    )
    took_s = time.perf_counter() - began
    crowd.settle()
    answer({"clients": options.clients, "took_s": took_s})
    while wanted := crowd.next_command():
        if "exchange" in wanted:
            answer(crowd.exchange(wanted["exchange"]))
            continue
        answer(crowd.tell(wanted["post"], wanted["body"], wanted["headers"]))


if __name__ == "__main__":
    main()
