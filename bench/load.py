"""The load of the wire benches: one process, one epoll loop, no framework.

    python -m bench.load < plan.json

Half of what is measured on a machine of two cores would be the measuring, were this a
client as one writes it; so requests are made beforehand, answers are looked at no
closer than they must be, and nothing here is a greenlet. The same loop drives every
peer. A plan is the keywords of `webhooks` or of `requests`, and what it found is
printed as JSON.
"""

from __future__ import annotations

import base64
import json
import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.clients import claim, dial, sign
from bench.measure import ROOT
from tests.tools import children

__all__ = ["cpu_s", "drive"]

WORD: Final = b"payment.detected"
GIVE_UP_S: Final = 40.0
LENGTH: Final = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


def drive(kind: str, **plan: Any) -> Any:
    """Run the plan in a process of its own; what it found."""
    done = children.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps({"kind": kind, **plan}).encode(),
        stdout=subprocess.PIPE,
        cwd=ROOT,
        timeout=GIVE_UP_S * 3,
        check=True,
    )
    return json.loads(done.stdout)


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has taken so far, in all its threads."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Loop:
    """epoll with a clock of microseconds: its own time-out counts milliseconds."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.socks: dict[int, socket.socket] = {}

    def add(self, sock: socket.socket) -> int:
        sock.setblocking(False)
        self.socks[sock.fileno()] = sock
        self.epoll.register(sock.fileno(), select.EPOLLIN)
        return sock.fileno()

    def ready(self, timeout_s: float) -> list[tuple[int, int]]:
        found = self.epoll.poll(0)
        if not found and timeout_s > 0:
            select.select([self.epoll.fileno()], [], [], timeout_s)
            found = self.epoll.poll(0)
        return found

    def close(self) -> None:
        for sock in self.socks.values():
            sock.close()
        self.epoll.close()


def webhooks(
    port: int,
    pid: int,
    addresses: Sequence[str],
    first: int,
    per_s: float,
    connections: int,
) -> dict[str, Any]:
    """A signed webhook for each address; when that address's WebSocket has the event.

    `per_s` 0: each connection sends its next as soon as the last is answered. Answers
    with the milliseconds from when each was due until its event came, how many seconds
    it took in all, and the CPU seconds that process `pid` had in them.
    """
    load = _Webhooks(port, addresses, first, per_s, connections)
    try:
        cpu_before = cpu_s(pid)
        return {**load.run(), "cpu_s": cpu_s(pid) - cpu_before}
    finally:
        load.loop.close()


class _Webhooks:
    def __init__(
        self,
        port: int,
        addresses: Sequence[str],
        first: int,
        per_s: float,
        connections: int,
    ) -> None:
        self.loop = Loop()
        self.count = len(addresses)
        self.per_s = per_s
        self.requests = [
            _post("/webhook/btc", claim(address, first + at))
            for at, address in enumerate(addresses)
        ]
        self.heard: list[float] = [0.0] * self.count
        self.listens: dict[int, int] = {}
        for at, address in enumerate(addresses):
            self.listens[self.loop.add(_watch(port, address, at))] = at
        # Each from an address of its own: one may call 200 times per second.
        callers = (dial(port, at * 200) for at in range(connections))
        self.idle = [self.loop.add(caller) for caller in callers]
        self.owed = dict.fromkeys(self.idle, 0)  # bytes of the answer under way
        self.left = 2 * self.count  # answers and events that are still to come
        self._settle()

    def run(self) -> dict[str, Any]:
        clock, loop, idle = time.perf_counter, self.loop, self.idle
        began = clock()
        step = 1 / self.per_s if self.per_s else 0.0
        planned = [began + at * step for at in range(self.count)]
        sent = 0
        while self.left:
            now = clock()
            while idle and sent < self.count and planned[sent] <= now:
                loop.socks[idle.pop()].send(self.requests[sent])
                sent += 1
            due = idle and sent < self.count
            found = loop.ready(planned[sent] - now if due else 1.0)
            for number, _ in found:
                self._read(number)
            if clock() - began > GIVE_UP_S:
                raise RuntimeError(f"{self.left} answers and events did not come")
        waits = [(h - p) * 1000 for h, p in zip(self.heard, planned, strict=True)]
        return {"waits_ms": waits, "took_s": max(self.heard) - began}

    def _read(self, number: int) -> None:
        data = self.loop.socks[number].recv(65_536)
        at = self.listens.get(number)
        if at is None:
            self.owed[number] += _owed(data)
            if not self.owed[number]:
                self.idle.append(number)
                self.left -= 1
        elif not data:
            raise RuntimeError("the server closed a WebSocket")
        elif WORD in data and not self.heard[at]:
            self.heard[at] = time.perf_counter()
            self.left -= 1

    def _settle(self) -> None:
        """Until the first messages have come and nothing more follows them."""
        quiet_since = time.perf_counter()
        while time.perf_counter() - quiet_since < 0.3:
            for number, _ in self.loop.ready(0.05):
                self.loop.socks[number].recv(65_536)
                quiet_since = time.perf_counter()


def requests(
    port: int,
    pid: int,
    heads: Sequence[str],
    connections: int,
    seconds: float,
    every_s: float = 0.0,
) -> dict[str, Any]:
    """`connections` that always have a request under way, for so many seconds.

    `heads` are whole requests; connections take them in turn. `every_s`: beside them
    a newcomer so often, which connects, asks the last of `heads` once and is timed
    from its connect to its answer. Answers with both in milliseconds, and with the CPU
    seconds of process `pid`.
    """
    load = _Requests(port, heads, connections, every_s)
    try:
        cpu_before = cpu_s(pid)
        return {**load.run(seconds), "cpu_s": cpu_s(pid) - cpu_before}
    finally:
        load.loop.close()


class _Requests:
    def __init__(
        self, port: int, heads: Sequence[str], connections: int, every_s: float
    ) -> None:
        self.loop = Loop()
        self.port = port
        self.every_s = every_s
        self.newcomers_head = heads[-1].encode()
        self.head: dict[int, bytes] = {}
        self.since: dict[int, float] = {}  # of requests under way, newcomers' too
        self.owed: dict[int, int] = {}  # bytes of the answer under way
        self.waits: list[float] = []
        self.newcomers: list[float] = []
        for at in range(connections):
            number = self.loop.add(dial(port, at * 200))
            self.head[number] = heads[at % len(heads)].encode()

    def run(self, seconds: float) -> dict[str, Any]:
        clock, loop = time.perf_counter, self.loop
        began, came = clock(), 0
        for number, head in self.head.items():
            self.since[number], self.owed[number] = clock(), 0
            loop.socks[number].send(head)
        while (now := clock()) - began < seconds:
            next_at = began + came * self.every_s if self.every_s else now + 1.0
            if now >= next_at:
                came += 1
                self._come()
            for number, event in loop.ready(next_at - now):
                if event & select.EPOLLOUT:
                    loop.socks[number].send(self.newcomers_head)
                    loop.epoll.modify(number, select.EPOLLIN)
                else:
                    self._read(number)
        now = clock()
        for number, since in self.since.items():  # who still waits waited that long
            self._note(number, now - since)
        return {
            "waits_ms": self.waits,
            "newcomers_ms": self.newcomers,
            "took_s": now - began,
        }

    def _come(self) -> None:
        sock = socket.socket()
        number = self.loop.add(sock)
        self.since[number], self.owed[number] = time.perf_counter(), 0
        sock.connect_ex(("127.0.0.1", self.port))
        self.loop.epoll.modify(number, select.EPOLLOUT)

    def _read(self, number: int) -> None:
        sock = self.loop.socks[number]
        data = sock.recv(65_536)
        if not data:
            raise RuntimeError("the server closed a connection")
        self.owed[number] += _owed(data)
        if self.owed[number]:
            return
        now = time.perf_counter()
        self._note(number, now - self.since[number])
        head = self.head.get(number)
        if head is not None:
            self.since[number] = now
            sock.send(head)
            return
        del self.since[number], self.owed[number], self.loop.socks[number]
        sock.close()

    def _note(self, number: int, wait_s: float) -> None:
        found = self.waits if number in self.head else self.newcomers
        found.append(wait_s * 1000)


def _owed(data: bytes) -> int:
    """Of a piece of an answer: the bytes that come behind it, less those before it."""
    if not data.startswith(b"HTTP/1.1 "):
        return -len(data)
    if not data.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"a request was answered {data[:300]!r}")
    head, _, body = data.partition(b"\r\n\r\n")
    found = LENGTH.search(head)
    return int(found[1]) - len(body) if found else 0


def _post(path: str, body: bytes) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-Signature: {sign(body)}\r\n\r\n"
    ).encode() + body


def _watch(port: int, address: str, number: int) -> socket.socket:
    """An open WebSocket; the 101 is read, what follows is not."""
    sock = dial(port, number)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET /ws/balance/{address} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = sock.recv(65_536)
    if not head.startswith(b"HTTP/1.1 101"):
        raise RuntimeError(f"no WebSocket for {address}: {head[:200]!r}")
    return sock


def main() -> None:
    plan = json.load(sys.stdin)
    kinds = {"webhooks": webhooks, "requests": requests}
    print(json.dumps(kinds[plan.pop("kind")](**plan)))


if __name__ == "__main__":
    main()
