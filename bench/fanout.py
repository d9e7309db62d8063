"""One payment that two thousand browsers watch: how long until the last one knows."""

from __future__ import annotations

import time

from bench.clients import Caller, all_heard, claim, connect_all
from bench.measure import fresh, medians
from bench.report import Row, Section, number, ratio
from bench.servers import addresses, create, naive_server, paybell_server

__all__ = ["run"]

CLIENTS = 2_000
ROUNDS = 3
WORD = b"payment.detected"


def run() -> Section:
    ours = medians(fresh("fanout:paybell"))
    peer = medians(fresh("fanout:naive"))
    name = "pywsgi and gevent-websocket, nothing stored"
    return Section(
        "fanout",
        f"One event to {CLIENTS:,} WebSocket clients",
        f"{CLIENTS:,} clients watch one payment; from sending a webhook about it until"
        " the last client has the event. The server is a process of its own, all"
        f" clients are in another; median of {ROUNDS} rounds with new connections.",
        [
            Row(
                "until the first has it",
                f"{number(ours['first_ms'])} ms",
                f"{name}: {number(peer['first_ms'])} ms",
                ratio(ours["first_ms"], peer["first_ms"]),
            ),
            Row(
                "until the last has it",
                f"{number(ours['last_ms'])} ms",
                f"{name}: {number(peer['last_ms'])} ms",
                ratio(ours["last_ms"], peer["last_ms"]),
            ),
            Row(
                "messages, first to last",
                f"{number(ours['rate'])}/s",
                f"{name}: {number(peer['rate'])}/s",
                ratio(ours["rate"], peer["rate"]),
            ),
        ],
    )


def paybell() -> list[dict[str, float]]:
    with paybell_server() as port:
        wanted = addresses(0, ROUNDS)
        create(port, wanted)
        return [_round(port, address) for address in wanted]


def naive() -> list[dict[str, float]]:
    with naive_server() as port:
        return [_round(port, address) for address in addresses(0, ROUNDS)]


def _round(port: int, address: str) -> dict[str, float]:
    caller = Caller(port, 1)
    clients = connect_all(port, [f"/ws/balance/{address}"] * CLIENTS, WORD)
    began = time.perf_counter()
    caller.claim(claim(address, 1))
    heard = all_heard(clients)
    for client in clients:
        client.close()
    first, last = min(heard), max(heard)
    return {
        "first_ms": (first - began) * 1000,
        "last_ms": (last - began) * 1000,
        "rate": (len(heard) - 1) / (last - first),
    }
