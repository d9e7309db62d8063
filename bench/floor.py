"""What a journal could be measured by: the least that a disk can be asked for.

SQLite with one small row a transaction; SQLite with the journal's own rows, encoded
beforehand, in transactions as large as the journal's; and Redis with an fsync for all
that its clients sent meanwhile (Debian's redis-server, if it is there).
"""

from __future__ import annotations

import csv
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from bench.measure import folder, percentile
from engine.store.sqlite.journal import Journal
from tests.tools import children

__all__ = ["batches", "has_redis", "one_row", "redis"]

FOR_S = 1.0
BODY = 620  # bytes of an event, as the journal has it when a payment is created
STATE = 330
REDIS_SETS = 40_000
PORT = 16_379

Figures = dict[str, float]


def one_row(synchronous: str) -> Figures:
    """One insert of one small row a transaction."""
    with folder() as path, closing(_database(path / "plain.db")) as sql:
        sql.execute(f"PRAGMA synchronous={synchronous}")
        sql.execute('CREATE TABLE events ("offset" INTEGER PRIMARY KEY, body BLOB)')
        body = msgspec.json.encode({"type": "payment.created", "address": "b" * 42})
        waits: list[float] = []
        began = time.perf_counter()
        while (before := time.perf_counter()) < began + FOR_S:
            sql.execute("BEGIN IMMEDIATE")
            sql.execute("INSERT INTO events (body) VALUES (?)", (body,))
            sql.execute("COMMIT")
            waits.append(time.perf_counter() - before)
        return {
            "rate": len(waits) / (time.perf_counter() - began),
            "p50_ms": percentile(waits, 0.5) * 1000,
            "p99_ms": percentile(waits, 0.99) * 1000,
        }


def batches(size: int) -> Figures:
    """The journal's tables and rows, `size` creations in each transaction."""
    with folder() as path:
        Journal(path / "node.db").close()  # its schema
        with closing(_database(path / "node.db")) as sql:
            first, cpu_s, began = 1, time.process_time(), time.perf_counter()
            prepared_s = prepared_cpu_s = 0.0
            while time.perf_counter() - began - prepared_s < FOR_S:
                before, before_cpu = time.perf_counter(), time.process_time()
                rows = _rows(range(first, first + size))
                prepared_s += time.perf_counter() - before
                prepared_cpu_s += time.process_time() - before_cpu
                _insert(sql, rows)
                first += size
            took_s = time.perf_counter() - began - prepared_s
            cpu_s = time.process_time() - cpu_s - prepared_cpu_s
        return {"rate": (first - 1) / took_s, "cpu_us": cpu_s / (first - 1) * 1e6}


def has_redis() -> bool:
    return bool(shutil.which("redis-server") and shutil.which("redis-benchmark"))


def redis(clients: int) -> Figures:
    """SET by Redis's own load generator; every answer is behind an fsync."""
    options = ["--port", str(PORT), "--save", "", "--appendonly", "yes",
               "--appendfsync", "always", "--logfile", "redis.log"]  # fmt: skip
    load = ["-p", str(PORT), "-c", str(clients), "-n", str(REDIS_SETS), "-d", "1000",
            "-r", "1000000", "-t", "set", "--csv"]  # fmt: skip
    with folder() as path:
        server = children.start(["redis-server", *options], cwd=path)
        try:
            _wait_for_port()
            done = children.run(
                ["redis-benchmark", *load],
                stdout=subprocess.PIPE,
                check=True,
                text=True,
                timeout=60,
            )
        finally:
            server.terminate()
            server.wait(10)
    (found,) = csv.DictReader(done.stdout.splitlines())
    return {
        "rate": float(found["rps"]),
        "p50_ms": float(found["p50_latency_ms"]),
        "p99_ms": float(found["p99_latency_ms"]),
    }


def _database(path: Path) -> sqlite3.Connection:
    sql = sqlite3.connect(path, isolation_level=None)
    sql.execute("PRAGMA journal_mode=WAL")
    sql.execute("PRAGMA synchronous=FULL")
    return sql


Rows = Sequence[tuple[object, ...]]


def _rows(numbers: range) -> tuple[Rows, Rows, Rows]:
    events, payments, outbox = [], [], []
    body, state = bytes(BODY), bytes(STATE)
    for n in numbers:
        name = f"pay_{n:022d}"
        # Addresses are in no order: a multiplication that visits every number once.
        address = f"bcrt1q{n * 0x9E3779B97F4A7C15 % (1 << 64):038x}"
        events.append((n, name, 1, "payment.created", 1, "default", body, 1))
        payments.append((n, name, "default", address, f"order-{n}", "pending", 1, 1, 1,
                         state, 1))  # fmt: skip
        outbox.append(("chn_bench", n, name, 1, "pending", 0, 0))
    return events, payments, outbox


_TABLES = (
    'events ("offset", payment_id, seq, type, at, merchant, body, crc)',
    "payments (rank, id, merchant, address, external_id, status, seq, watched,"
    " created_at, state, crc)",
    'outbox (channel_id, "offset", payment_id, seq, state, attempts, next_at)',
)
"""What a creation fills; the other columns have their defaults."""


def _insert(sql: sqlite3.Connection, rows: tuple[Rows, Rows, Rows]) -> None:
    sql.execute("BEGIN IMMEDIATE")
    for table, values in zip(_TABLES, rows, strict=True):
        marks = ", ".join("?" * len(values[0]))
        sql.executemany(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608
    sql.execute("COMMIT")


def _wait_for_port() -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", PORT), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return
