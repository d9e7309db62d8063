"""Payments as shops make them, and a node that comes back to many of them.

Both against `run.py serve` in a process of its own, over HTTP.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import ROOT, folder
from bench.node import terms
from engine.payment.events import opening
from engine.store.sqlite.journal import Journal
from engine.store.writes import Entry, Write
from tests.tools import children

__all__ = ["create_by_batches", "grown", "restart"]

KEY = "k" * 40
CLIENTS = 2
BATCH = 1_000
READY_S = 240.0
LOOK_S = 0.005


@contextmanager
def _serving(db: Path) -> Iterator[tuple[int, int]]:
    """(process id, port) of a node on this database that listens."""
    environ = {**os.environ, "PAYBELL_API_KEY": KEY}
    command = [sys.executable, str(ROOT / "run.py"), "serve", "--port", "0"]
    process = children.start(
        [*command, "--db", str(db), "--log-level", "error"],
        stdout=subprocess.PIPE, env=environ, cwd=db.parent, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://[^:]+:(\d+)", line)
        if found is None:
            raise RuntimeError(f"run.py serve said {line!r}")
        yield process.pid, int(found.group(1))
    finally:
        process.terminate()
        process.wait(30)


def create_by_batches(count: int) -> dict[str, float]:
    """Payments per second, answered after their commit, and the server's CPU."""
    bodies = [_body(first) for first in range(0, count, BATCH)]
    with folder() as path, _serving(path / "node.db") as (pid, port):
        _wait_until_ready(port)
        waiting, failed = iter(bodies), list[str]()
        lock = threading.Lock()

        def client() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            while True:
                with lock:
                    body = next(waiting, None)
                if body is None:
                    return
                status, answer = _ask(connection, "/v1/payments/batch", body)
                if status != 200 or b'"problem"' in answer:
                    failed.append(f"{status} {answer[:200]!r}")

        cpu, began = _cpu_s(pid), time.perf_counter()
        threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took_s = time.perf_counter() - began
        if failed:
            raise RuntimeError(failed[0])
        return {
            "rate": count / took_s,
            "cpu_us": (_cpu_s(pid) - cpu) / count * 1e6,
        }


def grown(path: Path, count: int) -> Path:
    """A database with so many open payments, made once; through the journal."""
    db = path / f"{count}.db"
    if db.exists():
        return db
    journal = Journal(db, synchronous="OFF")
    journal.bind_network("regtest")
    now = int(time.time() * 1000)
    for first in range(0, count, BATCH):
        made = [opening(terms(n, now)) for n in range(first, first + BATCH)]
        entries = tuple(Entry(payment, (event,)) for event, payment in made)
        journal.commit([Write(entries=entries)])
    journal.close()
    return db


def restart(db: Path) -> dict[str, float]:
    """From the start of the process to /ready; the longest wait for an answer."""
    began = time.perf_counter()
    with _serving(db) as (_pid, port):
        stall_ms = _wait_until_ready(port)
        return {"ready_s": time.perf_counter() - began, "stall_ms": stall_ms}


def _wait_until_ready(port: int) -> float:
    """The longest that /health took on the way, ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    longest, until = 0.0, time.perf_counter() + READY_S
    while time.perf_counter() < until:
        began = time.perf_counter()
        _ask(connection, "/health")
        longest = max(longest, time.perf_counter() - began)
        if _ask(connection, "/ready")[0] == 200:
            return longest * 1000
        time.sleep(LOOK_S)
    raise RuntimeError(f"not ready within {READY_S:g} s")


def _ask(
    connection: http.client.HTTPConnection, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    head = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection.request("GET" if body is None else "POST", path, body, head)
    answer = connection.getresponse()
    return answer.status, answer.read()


def _body(first: int) -> bytes:
    asked = [
        {
            "address": terms(number, 0).address,
            "amount_sat": 1_000,
            "external_id": f"order-{number}",
        }
        for number in range(first, first + BATCH)
    ]
    return json.dumps({"payments": asked}).encode()


def _cpu_s(pid: int) -> float:
    """CPU that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
