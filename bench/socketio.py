"""Four thousand Socket.IO clients of one invoice, beside npm's socket.io; what one
costs, and what is left of a hundred thousand who come by polling and leave half-way.

    BENCH_SOCKETIO_DROPS    how many these are (100,000)
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.clients import SECRET, Caller, claim
from bench.crowd import dial
from bench.fanout import Clients, Found, cpu_s, crowd, rss_kb
from bench.measure import ROOT, RUNS, fresh, median
from bench.report import Section, compare
from bench.servers import KEY, addresses, paybell_process
from engine.payment.model import MAX_CLAIMS
from tests.tools.wait import Process

__all__ = ["run"]

CLIENTS = 4_000
EVENTS = 5
CHURN_PER_MIN = CLIENTS // 5
COMERS, FIRST_COMER = 400, 30_000
"""Of whom the oldest leaves and another comes, evenly, while all are told. They are a
process of their own: who reads the events does not stop to connect."""

CHURN_EVENTS, CHURN_EVENT_S = 10, 1.0
assert EVENTS + CHURN_EVENTS <= MAX_CLAIMS, "more of one payment are not told"

DROPS = int(os.environ.get("BENCH_SOCKETIO_DROPS", "100000"))
WARM_UP = 2_000
SETTLE_S = 25.0
"""Who polls no more is forgotten after 20 s."""

PATH = "/socket.io/?EIO=4&transport=websocket"
NAMESPACE = "/payments/salon/s1"
INVOICE = "invoice-1"
_PEER = "npm socket.io"


def run() -> Section:
    ours: dict[str, list[float]] = {}
    theirs: dict[str, list[float]] = {}
    for _ in range(RUNS):  # in turn, so that both meet the same weather
        _add(ours, fresh("socketio:paybell"))
        _add(theirs, fresh("socketio:npm"))
    left = fresh("socketio:half_way")

    def row(what: str, key: str, unit: str, aim: str = "") -> Any:
        return compare(what, ours[key], unit, _PEER, theirs[key], aim)

    def single(what: str, key: str, unit: str, aim: str = "") -> Any:
        return compare(what, [left[key]], unit, aim=aim)

    return Section(
        "socketio",
        f"Socket.IO: one event to {CLIENTS:,} clients of one invoice",
        f"{CLIENTS:,} clients in WebSockets follow one invoice in one namespace; from"
        " sending a webhook about it until the last client has the event. The server is"
        " a process of its own, all clients are in another (the same for both). In each"
        f" run {EVENTS} events, of which the median counts. Then {CHURN_EVENTS} more,"
        f" one in {CHURN_EVENT_S:g} s, while {COMERS} others follow the invoice beside"
        f" these clients, of whom {CHURN_PER_MIN} leave in a minute and as many come,"
        " without a pause. npm's socket.io has a room for the invoice and stores"
        " nothing.",
        [
            row("messages, first to last", "rate", "/s", "twice npm's"),
            row("CPU of the server per message", "cpu_us", "µs"),
            row("until the last has it", "last_ms", "ms"),
            row("the same, while 20 % a minute leave and come", "churn_ms", "ms"),
            row(
                "who left and came meanwhile", "churn", "/min", f"{CHURN_PER_MIN} /min"
            ),
            row("memory per connection", "kb", "KB", "below npm's"),
            single(f"of {DROPS:,} who leave half-way, turned away", "refused", "%"),
            single("memory after them", "rss", "% more", "within 5"),
            single("open files after them", "files", "more than before", "none"),
            single("memory at its highest meanwhile", "peak_mb", "MB more"),
        ],
        [
            "Memory is what the server's resident memory grows by from no connection"
            " to all, divided by their number, with the subscription; what the kernel"
            " keeps is not in it. Of ours: the WebSocket and its buffers, the session"
            " with its alarm and its seat, and, of the subscription, an actor with its"
            " mailbox, which keeps the order of events and the backlog.",
            "What limits the rate is the kernel, as with the WebSockets above: py-spy"
            " (400 samples a second while 3,000 clients are told, 29 November 2026)"
            " finds 90 % of the router's time in send(). Twice npm's, which calls it as"
            " often, cannot be had with one send() for each client.",
            "Who leaves half-way: a third after its handshake, a third in its first"
            " poll, a third in the middle of a request. Memory is compared with what it"
            f" was after the first {WARM_UP:,}, {SETTLE_S:g} s after the last.",
        ],
    )


def _add(runs: dict[str, list[float]], found: Found) -> None:
    for key, value in found.items():
        runs.setdefault(key, []).append(value)


def paybell() -> Found:
    with paybell_process("--seed", "salon=default") as served:
        (address,) = addresses(0, 1)
        _create(served.port, address)
        return _measure(served.port, served.pid, address)


def npm() -> Found:
    environ = {"NODE_ENV": "production", "BENCH_SECRET": SECRET}
    command = ["node", "bench/peers/node/socketio.js"]
    with Process(command, ready=r"ready on (\d+)", env=environ, cwd=ROOT) as server:
        assert server.match is not None
        return _measure(int(server.match[1]), server.pid, addresses(0, 1)[0])


def _create(port: int, address: str) -> None:
    payment = {"method": "onchain", "address": address, "amount_sat": 1_000}
    body = json.dumps({**payment, "external_id": INVOICE}).encode()
    answer = Caller(port, 1).post("/v1/payments", body, f"Authorization: Bearer {KEY}")
    if b'"detail"' in answer:
        raise RuntimeError(f"the payment was not created: {answer[:500]!r}")


@contextmanager
def _pages(
    port: int, address: str, count: int = CLIENTS, first: int = 0
) -> Iterator[Clients]:
    wanted = json.dumps(
        ["subscribe:payment-events", {"invoiceId": INVOICE, "steps": True}]
    )
    hello = f"40{NAMESPACE},\n42{NAMESPACE},1{wanted}"
    with crowd(port, address, count, PATH, hello, first) as clients:
        yield clients


def _measure(port: int, pid: int, address: str) -> Found:
    before_kb = rss_kb(pid)
    numbers = iter(range(1, 1_000))

    def tell(clients: Clients) -> Found:
        return clients.tell(claim(address, next(numbers)))

    with _pages(port, address) as clients:
        grown_kb = (rss_kb(pid) - before_kb) / CLIENTS
        before_s = cpu_s(pid)
        told = [tell(clients) for _ in range(EVENTS)]
        used_us = (cpu_s(pid) - before_s) * 1e6 / EVENTS / CLIENTS
        with _pages(port, address, COMERS, FIRST_COMER) as comers:
            comers.begin_exchange(CHURN_PER_MIN / 60)
            churned = [_in_turn(lambda: tell(clients)) for _ in range(CHURN_EVENTS)]
            churn = comers.end_exchange()
    return {
        "churn": churn,
        "kb": grown_kb,
        "cpu_us": used_us,
        "last_ms": 1000 * median([one["last_s"] for one in told]),
        "churn_ms": 1000 * median([one["last_s"] for one in churned]),
        "rate": median(
            [(CLIENTS - 1) / (one["last_s"] - one["first_s"]) for one in told]
        ),
    }


def _in_turn(tell: Callable[[], Found]) -> Found:
    """And the rest of its second."""
    ends = time.perf_counter() + CHURN_EVENT_S
    found = tell()
    time.sleep(max(0.0, ends - time.perf_counter()))
    return found


def half_way() -> Found:
    with paybell_process("--seed", "salon=default") as served:
        port, pid = served.port, served.pid
        _drop(port, WARM_UP)
        time.sleep(SETTLE_S)
        before_kb, before_files = rss_kb(pid), _files(pid)
        most_kb, taken = before_kb, 0
        for first in range(0, DROPS, 5_000):
            taken += _drop(port, min(5_000, DROPS - first))
            most_kb = max(most_kb, rss_kb(pid))
        time.sleep(SETTLE_S)
        return {
            "refused": 100 * (DROPS - taken) / DROPS,
            "rss": 100 * (rss_kb(pid) - before_kb) / before_kb,
            "files": _files(pid) - before_files,
            "peak_mb": (most_kb - before_kb) / 1024,
        }


def _drop(port: int, count: int) -> int:
    """Each comes by polling and is gone, in one of three moments. How many were let in:
    so many of one address, or of all, are turned away."""
    taken = 0
    host = "Host: 127.0.0.1\r\n"
    query = "/socket.io/?EIO=4&transport=polling"
    for number in range(count):
        with dial(port, number * 7 % 100_000) as sock:
            sock.sendall(f"GET {query} HTTP/1.1\r\n{host}\r\n".encode())
            answer = sock.recv(65_536)
            if b" 200 " not in answer[:20]:
                continue
            taken += 1
            sid = answer.partition(b'"sid":"')[2].partition(b'"')[0].decode()
            if number % 3 == 1:
                get = f"GET {query}&sid={sid} HTTP/1.1\r\n{host}\r\n"
                sock.sendall(get.encode())
            elif number % 3 == 2:
                post = f"POST {query}&sid={sid} HTTP/1.1\r\n{host}"
                sock.sendall(f"{post}Content-Length: 100\r\n\r\n40".encode())
    return taken


def _files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
