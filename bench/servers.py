"""The processes that the wire benches speak to: `run.py serve`, and the peers."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from bench.clients import SECRET, Caller
from bench.measure import ROOT, folder, wait_for
from bench.node import terms
from tests.tools.wait import Process

__all__ = [
    "KEY",
    "Served",
    "addresses",
    "create",
    "express_server",
    "paybell_process",
    "peer_server",
]

KEY = "a-key-of-the-bench"
BATCH = 1_000


@dataclass(frozen=True)
class Served:
    """A server that runs, by its port and its process's id."""

    port: int
    pid: int


@contextmanager
def paybell_process(*options: str, db: Path | None = None) -> Iterator[Served]:
    """`run.py serve` on a port of its own, and on this database or one of its own."""
    with folder() as path:
        command: list[str | Path] = [
            sys.executable, "run.py", "serve", "--port", "0", "--network", "regtest",
            "--source", "devchain", "--db", db or path / "node.db",
            "--log-level", "error",
            "--anonymous-per-s", "1000000",  # all clients have a few addresses
            *options,
        ]  # fmt: skip
        environ = {"PAYBELL_API_KEY": KEY, "PAYBELL_WEBHOOK_BTC_SECRET": SECRET}
        ready = r"paybell ready on http://127\.0\.0\.1:(\d+)"
        with Process(command, ready=ready, env=environ, cwd=ROOT) as server:
            port = _port(server.match)
            wait_for(lambda: _is_ready(port), "the node to be ready")
            yield Served(port, server.pid)
            server.stop()


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == HTTPStatus.OK
    finally:
        connection.close()


@contextmanager
def express_server() -> Iterator[Served]:
    """Node's, with Express and ws; nothing stored."""
    environ = {"NODE_ENV": "production", "BENCH_SECRET": SECRET, "BENCH_KEY": KEY}
    command = ["node", "bench/peers/node/express_live.js"]
    with Process(command, ready=r"ready on (\d+)", env=environ, cwd=ROOT) as server:
        yield Served(_port(server.match), server.pid)


@contextmanager
def peer_server(name: str) -> Iterator[Served]:
    """A program of bench/peers/."""
    command = [sys.executable, "-m", f"bench.peers.{name}"]
    environ = {"BENCH_KEY": KEY}
    with Process(command, ready=r"ready on (\d+)", env=environ, cwd=ROOT) as server:
        yield Served(_port(server.match), server.pid)


def _port(match: re.Match[str] | None) -> int:
    assert match is not None
    return int(match[1])


def addresses(first: int, count: int) -> list[str]:
    return [terms(first + number, 0).address for number in range(count)]


def create(port: int, wanted: Sequence[str]) -> None:
    """A payment at each address, through the API, a thousand at a time."""
    caller = Caller(port, 1)
    for first in range(0, len(wanted), BATCH):
        payments = [
            {"method": "onchain", "address": address, "amount_sat": 1_000}
            for address in wanted[first : first + BATCH]
        ]
        answer = caller.post(
            "/v1/payments/batch",
            json.dumps({"payments": payments}).encode(),
            f"Authorization: Bearer {KEY}",
        )
        if b'"address_taken"' in answer or b'"detail"' in answer:
            raise RuntimeError(f"a payment was not created: {answer[:500]!r}")
