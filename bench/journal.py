"""Durable commits: events with their projection and outbox, alone and in company.

What is told to the journal actor is what a watcher tells it. The peer is the least that
SQLite can be asked for: one row, one transaction, one table.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import gevent.event
import msgspec

from bench.measure import folder, fresh, medians
from bench.node import BenchNode, bench_node, terms
from bench.report import Row, Section, number, ratio
from engine.channels import Channel, channel_row
from engine.events import opening
from engine.model import Terms
from engine.store.writes import Committed, Entry, Outcome, Write

__all__ = ["run", "write_of"]

ROUNDS = 3
FOR_S = 1.0
WAITING = (1, 32, 512)
MOST = 30_000  # more than a second's writes, made beforehand


def run() -> Section:
    peer = medians([fresh("journal:plain_sqlite", "FULL") for _ in range(ROUNDS)])
    lazy = medians([fresh("journal:plain_sqlite", "NORMAL") for _ in range(ROUNDS)])
    rows = []
    for waiting in WAITING:
        ours = medians([fresh("journal:commits", waiting) for _ in range(ROUNDS)])
        what = "one at a time" if waiting == 1 else f"{waiting} at a time"
        rows.append(
            Row(
                f"events made durable, {what} waiting",
                f"{number(ours['rate'])}/s",
                f"one insert per transaction, FULL: {number(peer['rate'])}/s",
                ratio(ours["rate"], peer["rate"]),
            )
        )
        rows.append(
            Row(
                f"from telling the journal to its answer, p50, {what}",
                f"{number(ours['p50_ms'])} ms",
                f"one insert, FULL: {number(peer['p50_ms'])} ms",
                ratio(ours["p50_ms"], peer["p50_ms"]),
            )
        )
    rows.append(
        Row(
            "not durable: the last of these may be lost with the power",
            "never used",
            f"one insert per transaction, NORMAL: {number(lazy['rate'])}/s",
        )
    )
    return Section(
        "journal",
        "Durable commits",
        f"For {FOR_S:g} s so many greenlets each write a payment's first event, with"
        " the projection and the outbox row of one webhook channel, through the journal"
        " actor, and wait for its answer before the next (WAL, synchronous=FULL, one"
        " fsync per batch); the peer inserts one small row per transaction with plain"
        f" sqlite3. Median of {ROUNDS} rounds.",
        rows,
    )


def commits(waiting: int) -> dict[str, float]:
    with folder() as path, bench_node(path) as bench:
        bench.gateway.write((channel_row(_channel(bench)),))
        waits: list[float] = []
        now = bench.clock.now()
        writes = iter([write_of(terms(number, now)) for number in range(MOST)])
        began = time.perf_counter()
        writers = [
            gevent.spawn(_write_on, bench, writes, began + FOR_S, waits)
            for _ in range(waiting)
        ]
        gevent.joinall(writers, raise_error=True)
        took_s = time.perf_counter() - began
        waits.sort()
        return {
            "rate": len(waits) / took_s,
            "p50_ms": waits[len(waits) // 2] * 1000,
        }


def _channel(bench: BenchNode) -> Channel:
    """One that wants everything. The notifiers are not told of it: only its outbox
    is filled, so that no delivery is measured here."""
    return Channel(
        id="chn_bench",
        url="http://127.0.0.1:9/",
        secret=bench.vault.seal(b"s" * 32, "chn_bench"),
        created_at=bench.clock.now(),
    )


def write_of(wanted: Terms) -> Write:
    """What the creation of a payment writes."""
    event, payment = opening(wanted)
    return Write((Entry(payment, (event,)),))


def _write_on(
    bench: BenchNode, writes: Iterator[Write], until: float, waits: list[float]
) -> None:
    while (began := time.perf_counter()) < until:
        answer: gevent.event.AsyncResult[Outcome] = gevent.event.AsyncResult()
        bench.node.append(next(writes), answer.set)
        assert isinstance(answer.get(timeout=10), Committed)
        waits.append(time.perf_counter() - began)


def plain_sqlite(synchronous: str) -> dict[str, float]:
    with folder() as path:
        database = _plain(path / "plain.db", synchronous)
        body = msgspec.json.encode({"type": "payment.created", "address": "b" * 42})
        waits: list[float] = []
        began = time.perf_counter()
        while (before := time.perf_counter()) < began + FOR_S:
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT INTO events (body) VALUES (?)", (body,))
            database.execute("COMMIT")
            waits.append(time.perf_counter() - before)
        took_s = time.perf_counter() - began
        waits.sort()
        database.close()
        return {
            "rate": len(waits) / took_s,
            "p50_ms": waits[len(waits) // 2] * 1000,
        }


def _plain(path: Path, synchronous: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute(f"PRAGMA synchronous={synchronous}")
    database.execute('CREATE TABLE events ("offset" INTEGER PRIMARY KEY, body BLOB)')
    return database
