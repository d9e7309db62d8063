"""From a provider's webhook to the customer's screen, over real sockets.

The server is a process of its own and the load another one (bench/load.py), the same
for the peer. Every webhook is on a payment of its own, whose client waits at
/ws/balance/<address>.
"""

from __future__ import annotations

from typing import Any

from bench.load import drive
from bench.measure import RUNS, fresh, percentile
from bench.report import Row, Section, compare
from bench.servers import (
    Served,
    addresses,
    create,
    express_server,
    paybell_process,
)

__all__ = ["run"]

WARM_UP = 100
STEADY = ((100, 300), (500, 1_500), (1_000, 2_000))
"""Webhooks per second, and how many."""

PAYMENTS_AT_MOST = 2_000
CALLERS, CALLERS_AT_MOST = 16, 32
AIMS = {"500 p50": "< 2 ms", "500 p99": "< 10 ms"}
PEER = "Express and ws, nothing stored"


def run() -> Section:
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    for _ in range(RUNS):  # in turn, so that both meet the same machine
        ours.append(fresh("latency:paybell"))
        theirs.append(fresh("latency:express"))

    def row(key: str, what: str, unit: str, aim: str = "") -> Row:
        return compare(
            what, [r[key] for r in ours], unit, PEER, [r[key] for r in theirs], aim
        )

    rows = [
        row(
            f"{per_s} {share}",
            f"webhook in → WebSocket out at {per_s:,}/s, {share}",
            "ms",
            AIMS.get(f"{per_s} {share}", ""),
        )
        for per_s, _ in STEADY
        for share in ("p50", "p99")
    ]
    rows.append(row("most", "webhooks told, at most", "/s", "not slower"))
    rows.append(row("cpu", "CPU of the server for each of these", "µs"))
    return Section(
        "latency",
        "From a webhook to the browser",
        "Signed POST /webhook/btc, each on a payment of its own, from the moment it was"
        " due (sent late counts) until that payment's WebSocket client has the event,"
        f" which Paybell committed (fsync) in between; {CALLERS} connections, or"
        f" {CALLERS_AT_MOST} that each send the next as soon as the last is answered"
        " for the most per second. Server (`run.py serve`) and load are processes of"
        f" their own; {RUNS} runs of each, in turn.",
        rows,
        (
            "Express keeps the payment in a Map and answers: what it was told is lost"
            " with its process.",
            "What limits the most per second is one interpreter (py-spy, 500 samples a"
            " second under that load, 21 November 2026): 44 % of it is a request's"
            " way through HTTP and the webhook's checks, 35 % are turns of actors (13"
            " the watcher that decides, 8 the look at the chain that each webhook asks"
            " for), 12 % the journal's thread, 5 % the hub. No single place takes 6 %.",
        ),
    )


def paybell() -> dict[str, float]:
    with paybell_process() as served:
        return _measured(served, durable=True)


def express() -> dict[str, float]:
    with express_server() as served:
        return _measured(served, durable=False)


def _measured(served: Served, *, durable: bool) -> dict[str, float]:
    found: dict[str, float] = {}
    first = 0

    def play(
        per_s: float, count: int, callers: int
    ) -> tuple[list[float], float, float]:
        nonlocal first
        wanted = addresses(first, count)
        if durable:
            create(served.port, wanted)
        told: dict[str, Any] = drive(
            "webhooks",
            port=served.port,
            pid=served.pid,
            addresses=wanted,
            first=first,
            per_s=per_s,
            connections=callers,
        )
        first += count
        return told

    play(100, WARM_UP, CALLERS)
    for per_s, count in STEADY:
        waits = play(per_s, count, CALLERS)["waits_ms"]
        found[f"{per_s} p50"] = percentile(waits, 0.5)
        found[f"{per_s} p99"] = percentile(waits, 0.99)
    told = play(0, PAYMENTS_AT_MOST, CALLERS_AT_MOST)
    found["most"] = PAYMENTS_AT_MOST / told["took_s"]
    found["cpu"] = told["cpu_s"] / PAYMENTS_AT_MOST * 1e6
    return found
