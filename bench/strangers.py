"""1,500 strangers on a database of 2,000,000 events: how long a shop waits beside them.

None has a key, each has an address of its own, and the node's limits are the defaults.
A third holds a WebSocket, a sixth an event stream, of a payment there; half ask, every
third second, for what anybody may: a payment's page and its numbers, what it comes to,
the documentation, the pages' files, the API's document, whether the node is well. A
stream is left and opened again from time to time, as phones do. Bob orders meanwhile
and is told, as he did before they came (`bench/grown.py`).
"""

from __future__ import annotations

import base64
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from random import Random

import gevent

from bench.fanout import cpu_s
from bench.grown import (
    EVENTS,
    FOR_S,
    PAYMENTS,
    PER_S,
    Figures,
    beside,
    orders,
    serving,
    waits_of,
)
from bench.measure import fresh
from bench.report import Row, Section, compare
from tests.tools.many_events import address_of, name_of
from tests.tools.receiver import Receiver

__all__ = ["run", "strangers"]

STRANGERS = int(os.environ.get("STRANGERS", "1500"))
"""Fewer for a trial."""

EVERY_S = 3.0
"""Between two requests of one stranger."""

HOLDS_S = 20.0
"""A stream, until it is opened again."""

COMING_S = 10.0
"""In which they all come; bob's orders begin then."""

TIMEOUT_S = 60.0
KINDS = ("websocket", "websocket", "stream", "asking", "asking", "asking")


def run() -> Section:
    with serving() as node, Receiver() as shop:
        key = node.key_of("bob")
        alone = orders(node, key, shop)
        for_s = COMING_S + FOR_S + 3
        crowd = gevent.spawn(fresh, "strangers:strangers", node.url, STRANGERS, for_s)
        gevent.sleep(COMING_S + 1)
        used_s, began = cpu_s(node.pid), time.perf_counter()
        disturbed = orders(node, key, shop)
        cpu = (cpu_s(node.pid) - used_s) / (time.perf_counter() - began)
        found = crowd.get(timeout=for_s * 10)
    return Section(
        "strangers",
        "1,500 strangers and two million events",
        f"A database of {EVENTS:,} events. A shop orders {PER_S} times a second for"
        f" {FOR_S:g} s and is told by webhook: alone, and beside {STRANGERS:,} without"
        f" a key, each from an address of its own: a third with a WebSocket and a"
        f" sixth with an event stream of a payment, opened anew every {HOLDS_S:g} s;"
        f" half ask every {EVERY_S:g} s for pages, their files, the documentation, the"
        " API's document, /health. They are one process on the same cores. One run; the"
        " peer is the same without them.",
        [
            *beside(alone, disturbed),
            *_rows_of(found),
            compare("CPU of the node meanwhile", [100 * cpu], "% of a core"),
        ],
        [
            f"Strangers had {found['answers']:,.0f} answers, of which"
            f" {found['refused']:,.0f} refused them (429 or 503) and"
            f" {found['failed']:,.0f} were any other than 200; {found['streams']:,.0f}"
            f" streams were opened, and {found['lost']:,.0f} connections ended that"
            " should not have.",
        ],
    )


def _rows_of(found: Figures) -> Iterator[Row]:
    for name, what in (
        ("page", "a stranger's page or file"),
        ("state", "a stranger's stream, until its first word"),
    ):
        for share in ("p50", "p99"):
            yield compare(f"{what}: {share}", [found[f"{name} {share}"]], "ms")


# -- in a process of their own ---------------------------------------------------------


def strangers(url: str, count: int, for_s: float) -> Figures:
    """So many for so long; what they waited for, and how they were answered."""
    crowd = _Crowd(int(url.rpartition(":")[2]), time.perf_counter() + for_s)
    ours = [gevent.spawn(crowd.live, number) for number in range(count)]
    gevent.joinall(ours, timeout=for_s + TIMEOUT_S, raise_error=True)
    statuses = crowd.statuses
    answers, refused = statuses.total(), statuses[429] + statuses[503]
    good = statuses[200] + statuses[101]
    return {
        **waits_of(crowd.waits_s),
        "answers": answers,
        "refused": refused,
        "failed": answers - refused - good,
        "streams": len(crowd.waits_s["state"]),
        "lost": crowd.lost,
    }


class _Crowd:
    def __init__(self, port: int, until: float) -> None:
        self.statuses: Counter[int] = Counter()
        self.waits_s: dict[str, list[float]] = {"page": [], "state": []}
        self.lost = 0
        self._port = port
        self._until = until

    def live(self, number: int) -> None:
        random = Random(number)
        gevent.sleep(random.uniform(0, COMING_S))
        kind = KINDS[number % len(KINDS)]
        while (left_s := self._until - time.perf_counter()) > 0:
            try:
                with _dial(self._port, number) as sock:
                    if kind == "asking":
                        self._ask(sock, random)
                    else:
                        self._hold(sock, kind, random, min(HOLDS_S, left_s))
            except (OSError, EOFError):
                self.lost += 1
                gevent.sleep(EVERY_S)

    def _ask(self, sock: socket.socket, random: Random) -> None:
        """Over one connection, as long as all lasts."""
        while time.perf_counter() < self._until:
            began = time.perf_counter()
            sock.sendall(_head(_path(random)))
            head, rest = _answer_head(sock)
            self.statuses[_status(head)] += 1
            left = _length(head) - len(rest)
            while left > 0:
                left -= len(_more(sock))
            self.waits_s["page"].append(time.perf_counter() - began)
            gevent.sleep(EVERY_S * random.uniform(0.5, 1.5))

    def _hold(
        self, sock: socket.socket, kind: str, random: Random, for_s: float
    ) -> None:
        """Until its state has come, and then some time; whatever more comes is read."""
        began, address = time.perf_counter(), address_of(_old(random))
        if kind == "stream":
            sock.sendall(_head(f"/events/balance/{address}"))
        else:
            sock.sendall(_head(f"/ws/balance/{address}", _upgrade(random)))
        head, rest = _answer_head(sock)
        status = _status(head)
        self.statuses[status] += 1
        if status not in (101, 200):
            gevent.sleep(EVERY_S)
            return
        while not rest:
            rest = _more(sock)
        self.waits_s["state"].append(time.perf_counter() - began)
        with suppress(gevent.Timeout), gevent.Timeout(for_s * random.uniform(0.5, 1)):
            while True:
                _more(sock)


def _path(random: Random) -> str:
    """What anybody may ask for."""
    name, address = name_of(_old(random)), address_of(_old(random))
    return random.choice(
        (
            f"/pay/{name}",
            f"/pay/{name}.json",
            f"/poll/balance/{address}",
            "/web/pay.js",
            "/web/paybell.js",
            "/docs",
            "/openapi.json",
            "/health",
        )
    )


def _old(random: Random) -> int:
    return random.randrange(PAYMENTS)


def _dial(port: int, number: int) -> socket.socket:
    """From an address of its own."""
    sock = socket.socket()
    sock.bind((f"127.1.{number // 250}.{1 + number % 250}", 0))
    sock.settimeout(TIMEOUT_S)
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _head(path: str, *more: str) -> bytes:
    return "\r\n".join(
        (f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *more, "", "")
    ).encode()


def _upgrade(random: Random) -> str:
    key = base64.b64encode(random.randbytes(16)).decode()
    return (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}"
    )


def _answer_head(sock: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(sock)
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _status(head: bytes) -> int:
    return int(head.split(b" ", 2)[1])


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise RuntimeError(f"an answer without its length: {head[:300]!r}")


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(65_536)
    if not data:
        raise EOFError
    return data
