"""From a provider's webhook to the customer's screen, over real sockets.

`run.py serve` is a process of its own. Every claim is on a payment of its own, whose
client waits at /ws/balance/<address>; fifty more clients watch some of the payments.
"""

from __future__ import annotations

import time
from functools import partial

from bench.clients import Caller, all_heard, at_rate, claim, connect_all, dial
from bench.measure import fresh, median, percentile
from bench.report import Row, Section, number, ratio
from bench.servers import addresses, create, echo_server, naive_server, paybell_server

__all__ = ["run"]

PER_S = 100.0
CLAIMS = 500
ROUNDS = 3
ONLOOKERS = 50
WARM_UP = 50
WORD = b"payment.detected"


def run() -> Section:
    ours: list[list[float]] = fresh("latency:paybell")
    naive: list[list[float]] = fresh("latency:naive")
    floor: list[list[float]] = fresh("latency:floor")
    rows = []
    for name, peer in (
        ("pywsgi and gevent-websocket, nothing stored", naive),
        ("a TCP ping-pong", floor),
    ):
        for label, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
            mine, theirs = _of(ours, share), _of(peer, share)
            rows.append(
                Row(
                    f"webhook in → WebSocket out, {label}",
                    f"{number(mine)} ms",
                    f"{name}: {number(theirs)} ms",
                    ratio(mine, theirs),
                )
            )
    return Section(
        "latency",
        "From a webhook to the browser",
        f"{PER_S:g} signed POST /webhook/btc per second, each on a payment of its own,"
        f" from the moment it was due until that payment's WebSocket client has the"
        f" event, which was committed (fsync) in between; {ROUNDS} rounds of"
        f" {CLAIMS:,} with {CLAIMS:,} clients and {ONLOOKERS} onlookers, the server a"
        " process of its own (`run.py serve`). p50 and p99 are medians of the rounds,"
        " p99.9 is of all rounds together.",
        rows,
    )


def _of(rounds: list[list[float]], share: float) -> float:
    if share > 0.99:
        return percentile([wait for one in rounds for wait in one], share)
    return median([percentile(one, share) for one in rounds])


def paybell() -> list[list[float]]:
    with paybell_server() as port:
        wanted = addresses(0, WARM_UP + ROUNDS * CLAIMS)
        create(port, wanted)
        return _rounds(port, wanted)


def naive() -> list[list[float]]:
    with naive_server() as port:
        return _rounds(port, addresses(0, WARM_UP + ROUNDS * CLAIMS))


def _rounds(port: int, wanted: list[str]) -> list[list[float]]:
    _round(port, wanted[:WARM_UP])
    return [
        _round(port, wanted[first : first + CLAIMS])
        for first in range(WARM_UP, len(wanted), CLAIMS)
    ]


def _round(port: int, wanted: list[str]) -> list[float]:
    """Milliseconds from each claim's moment to its client."""
    caller = Caller(port)
    clients = connect_all(port, [f"/ws/balance/{one}" for one in wanted], WORD)
    others = [f"/ws/balance/{one}" for one in wanted[:ONLOOKERS]]
    onlookers = connect_all(port, others, WORD, len(clients))
    bodies = [claim(address, number) for number, address in enumerate(wanted)]
    planned = at_rate(PER_S, [partial(caller.claim, body) for body in bodies])
    heard = all_heard(clients)
    all_heard(onlookers)
    for client in (*clients, *onlookers):
        client.close()
    return [(to - at) * 1000 for at, to in zip(planned, heard, strict=True)]


def floor() -> list[list[float]]:
    """The same bytes there and back, at the same rate, by the same clock."""
    with echo_server() as port:
        return [_pings(port) for _ in range(ROUNDS)]


def _pings(port: int) -> list[float]:
    pings = _Pings(port)
    planned = at_rate(PER_S, [pings.ping] * CLAIMS)
    return [(to - at) * 1000 for at, to in zip(planned, pings.back, strict=True)]


class _Pings:
    """One connection to the echo server."""

    def __init__(self, port: int) -> None:
        self._sock = dial(port, 0)
        self.back: list[float] = []

    def ping(self) -> None:
        self._sock.sendall(b"x" * 100)
        self._sock.recv(100)
        self.back.append(time.perf_counter())
