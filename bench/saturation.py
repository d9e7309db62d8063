"""HTTP when it is asked all that it can answer: how long the others wait, and each.

32 keep-alive connections ask for a payment as fast as they are answered; once in 10 ms
somebody new connects, asks once and goes. The load is bench/load.py, the same for all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from bench.clients import Caller, claim
from bench.load import drive
from bench.measure import RUNS, fresh, percentile
from bench.report import Row, Section, compare
from bench.servers import (
    KEY,
    Served,
    addresses,
    express_server,
    paybell_process,
    peer_server,
)

__all__ = ["run"]

CONNECTIONS = 32
NEWCOMER_EVERY_S = 0.010
SECONDS = 3.0
WARM_UP_S = 0.5

AIM = "< 50 ms"
FIGURES = (
    ("newcomer p99", "a newcomer's one request, p99", "ms", AIM),
    ("newcomer max", "a newcomer's one request, the longest", "ms", AIM),
    ("p99", "a request of the saturating connections, p99", "ms", AIM),
    ("max", "a request of the saturating connections, the longest", "ms", AIM),
    ("per_s", "GET /v1/payments/{id}, one process", "/s", ""),
    ("cpu", "CPU of the server for each of these", "µs", ""),
)


def run() -> Section:
    ours: list[dict[str, float]] = []
    peers: dict[str, list[dict[str, float]]] = {"express": [], "plain": []}
    for _ in range(RUNS):  # in turn, so that all meet the same machine
        ours.append(fresh("saturation:paybell"))
        for name, found in peers.items():
            found.append(fresh(f"saturation:{name}"))

    def row(key: str, what: str, unit: str, aim: str, name: str, peer: str) -> Row:
        theirs = [r[key] for r in peers[name]]
        return compare(what, [r[key] for r in ours], unit, peer, theirs, aim)

    rows = [
        row(*figure, name, peer)
        for figure in FIGURES
        for name, peer in (("plain", "pywsgi and bottle alone"), ("express", "Express"))
    ]
    return Section(
        "saturation",
        "HTTP under saturation",
        f"{CONNECTIONS} keep-alive connections ask GET /v1/payments/{{id}} with an API"
        " key, each as soon as it was answered, and every"
        f" {NEWCOMER_EVERY_S * 1000:.0f} ms a newcomer connects and asks once;"
        f" {SECONDS:.0f} s, {RUNS} runs of each, in turn. A request that is not"
        " answered at the end counts with what it has waited.",
        rows,
        (
            "The peers answer from memory. pywsgi writes an answer in two pieces and"
            " leaves TCP to wait for more: most of its time is that wait.",
        ),
    )


def paybell() -> dict[str, float]:
    with paybell_process() as served:
        caller = Caller(served.port, 1)
        authorization = f"Authorization: Bearer {KEY}"
        terms = {"method": "onchain", "address": addresses(0, 1)[0]}
        body = json.dumps({**terms, "amount_sat": 1_000}).encode()
        payment = json.loads(caller.post("/v1/payments", body, authorization))["id"]
        keys = []
        for number in range(CONNECTIONS):  # one may call 200 times per second
            wanted = json.dumps({"name": f"{number}", "merchant": "default"}).encode()
            made = json.loads(caller.post("/v1/keys", wanted, authorization))
            keys.append(made["key"])
        return _measured(served, [_get(payment, key) for key in keys])


def express() -> dict[str, float]:
    with express_server() as served:
        Caller(served.port, 1).claim(claim("pay_1", 1))
        return _measured(served, [_get("pay_1", KEY)])


def plain() -> dict[str, float]:
    with peer_server("plain_http") as served:
        return _measured(served, [_get("pay_1", KEY)])


def _get(payment: str, key: str) -> str:
    return (
        f"GET /v1/payments/{payment} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {key}\r\n\r\n"
    )


def _measured(served: Served, heads: Sequence[str]) -> dict[str, float]:
    plan = {
        "port": served.port,
        "pid": served.pid,
        "heads": heads,
        "connections": CONNECTIONS,
    }
    drive("requests", **plan, seconds=WARM_UP_S)
    alone = drive("requests", **plan, seconds=SECONDS)
    beside = drive("requests", **plan, seconds=SECONDS, every_s=NEWCOMER_EVERY_S)
    return {
        "newcomer p99": percentile(beside["newcomers_ms"], 0.99),
        "newcomer max": max(beside["newcomers_ms"]),
        "p99": percentile(beside["waits_ms"], 0.99),
        "max": max(beside["waits_ms"]),
        "per_s": len(alone["waits_ms"]) / alone["took_s"],
        "cpu": alone["cpu_s"] / len(alone["waits_ms"]) * 1e6,
    }
