"""Durable commits: events with their projection and outbox, alone and in company.

What is told to the journal actor is what watchers tell it. The peers are in
`bench/floor.py`: what SQLite does when it is asked for less, and Redis.
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import gevent.event

from bench.floor import has_redis
from bench.measure import folder, fresh, percentile
from bench.node import BenchNode, bench_node
from bench.report import Row, Section, compare
from engine.chain.feed import ChainView, Output, Tip
from engine.delivery.channel import Channel, channel_row
from engine.payment.events import opening
from engine.payment.model import Payment, Terms
from engine.payment.rules import decide, evolve
from engine.store.sqlite.journal import Journal
from engine.store.writes import Committed, Entry, Outcome, Release, Write

__all__ = ["creations", "grown", "probe", "run", "stories", "write_of"]

ROUNDS = 5
FOR_S = 1.0
WAITING = (1, 32, 512, 2_048)
FULL = 512
"""So many wait while a single commit is timed: the journal's batches are full."""

PREPARED = 50_000  # more than a second's writes, made beforehand
BEFORE = 100_000  # payments that are there already
PROBE_EVERY_S = 0.010
NOW = 1_760_000_000_000

Figures = dict[str, float]


SUBJECTS: dict[str, tuple[str, object]] = {
    **{f"creations {waiting}": ("journal:creations", waiting) for waiting in WAITING},
    "grown": ("journal:grown", FULL),
    "stories": ("journal:stories", FULL),
    "alone": ("journal:probe", 0),
    "among": ("journal:probe", FULL),
    "one row": ("floor:one_row", "FULL"),
    "batches": ("floor:batches", FULL),
    "redis": ("floor:redis", FULL),
}


def run() -> Section:
    subjects = {k: v for k, v in SUBJECTS.items() if k != "redis" or has_redis()}
    runs: dict[str, list[Figures]] = {name: [] for name in subjects}
    for _ in range(ROUNDS):  # one after the other, so that a busy minute hits all
        for name, (subject, argument) in subjects.items():
            runs[name].append(fresh(subject, argument))
    return Section(
        "journal",
        "Durable commits",
        f"For {FOR_S:g} s so many greenlets each tell the journal actor one write, wait"
        " for its answer (on disk: WAL, synchronous=FULL, one fsync per batch), and"
        " tell the next. A creation is one event with the payment's row and the outbox"
        " row of one webhook channel; a story is what a watcher writes of a payment"
        " that is created, seen in the mempool and confirmed: four events in three"
        f" writes. Each figure is of {ROUNDS} runs in fresh processes. The batched peer"
        " is SQLite with the journal's own tables and rows, encoded beforehand,"
        f" {FULL} payments in each transaction, in a process that does nothing else.",
        list(_rows(runs)),
    )


def _rows(runs: dict[str, list[Figures]]) -> Iterator[Row]:
    def of(name: str, figure: str) -> list[float]:
        return [run[figure] for run in runs.get(name, ())]

    single = "SQLite, one insert a transaction"
    for waiting in WAITING:
        ours = f"creations {waiting}"
        what = f"creations, {_many(waiting)} waiting"
        full = waiting >= FULL
        peer, least = ("SQLite, batched", "batches") if full else (single, "one row")
        aim = "20,000/s" if full else ""
        rates = of(ours, "rate")
        yield compare(f"{what}: events", rates, "/s", peer, of(least, "rate"), aim)
        if waiting == FULL and "redis" in runs:
            peer = "Redis, appendfsync always, SET of 1,000 bytes"
            yield compare(f"{what}: events", rates, "/s", peer, of("redis", "rate"))
        if waiting == FULL:
            bare = of("batches", "cpu_us")
            yield compare(
                f"{what}: processor time of an event",
                of(ours, "cpu_us"),
                "µs",
                "SQLite, batched",
                bare,
            )
        yield compare(f"{what}: p50", of(ours, "p50_ms"), "ms")
        yield compare(f"{what}: p99", of(ours, "p99_ms"), "ms")
    yield compare(
        f"creations, {FULL} waiting, after {BEFORE:,} payments that are over: events",
        of("grown", "rate"),
        "/s",
        aim="20,000/s",
    )
    told = f"stories, {FULL} waiting"
    yield compare(f"{told}: events", of("stories", "rate"), "/s", aim="20,000/s")
    yield compare(f"{told}: writes", of("stories", "writes"), "/s")
    for name, what in (
        ("alone", "one commit now and then, nothing else"),
        ("among", f"one commit now and then, {FULL} others always waiting"),
    ):
        for figure, title in (("p50_ms", "p50"), ("p99_ms", "p99")):
            theirs = of("one row", figure)
            yield compare(f"{what}: {title}", of(name, figure), "ms", single, theirs)


def _many(waiting: int) -> str:
    return "one" if waiting == 1 else f"{waiting:,}"


# -- subjects --------------------------------------------------------------------------


def creations(waiting: int) -> Figures:
    most = PREPARED if waiting > 32 else PREPARED // 3
    return _measured(waiting, [deque([write_of(payment(n))]) for n in range(most)])


def stories(waiting: int) -> Figures:
    return _measured(waiting, [_story(payment(n)) for n in range(PREPARED // 3)])


def probe(waiting: int) -> Figures:
    """Commits of a greenlet that comes now and then, while `waiting` others write."""
    writes = [deque([write_of(payment(n))]) for n in range(PREPARED if waiting else 0)]
    return _measured(waiting, writes, probing=True)


def grown(waiting: int) -> Figures:
    """Creations in a database that has many payments, no longer watched, already."""
    later = range(BEFORE, BEFORE + PREPARED)
    jobs = [deque([write_of(payment(n))]) for n in later]
    return _measured(waiting, jobs, before=BEFORE)


def _fill(path: Path, count: int) -> None:
    journal = Journal(path)
    for first in range(0, count, 2_000):
        wanted = [payment(n) for n in range(first, first + 2_000)]
        journal.commit([write_of(terms) for terms in wanted])
        journal.commit([Write(rows=(Release(terms.id),)) for terms in wanted])
    journal.close()


def _measured(
    waiting: int, jobs: list[deque[Write]], *, probing: bool = False, before: int = 0
) -> Figures:
    with folder() as path, _node(path, before) as bench:
        _add_channel(bench)
        work = iter(jobs)
        gc.freeze()  # what was made beforehand is no part of it
        waits: list[float] = []
        probed: list[float] = []
        cpu_s, began = time.process_time(), time.perf_counter()
        until = began + FOR_S
        writers = [
            gevent.spawn(_write_on, bench, work, until, waits) for _ in range(waiting)
        ]
        if probing:
            probed = _probe(bench, until)
        gevent.joinall(writers, timeout=60, raise_error=True)
        took_s = time.perf_counter() - began
        cpu_s = time.process_time() - cpu_s
        if next(work, None) is None and jobs:
            raise RuntimeError("there was too little to write: raise PREPARED")
        events = bench.node.counters["journal.events"]
        shown = probed if probing else waits
        return {
            "rate": events / took_s,
            "writes": len(waits) / took_s,
            "cpu_us": cpu_s / events * 1e6,
            "p50_ms": percentile(shown, 0.5) * 1000,
            "p99_ms": percentile(shown, 0.99) * 1000,
        }


@contextmanager
def _node(path: Path, before: int) -> Iterator[BenchNode]:
    _fill(path / "node.db", before)
    with bench_node(path) as bench:
        yield bench


def _write_on(
    bench: BenchNode, work: Iterator[deque[Write]], until: float, waits: list[float]
) -> None:
    for job in work:
        for write in job:
            waits.append(_commit(bench, write))
            if time.perf_counter() >= until:
                return


def _probe(bench: BenchNode, until: float) -> list[float]:
    waits: list[float] = []
    while time.perf_counter() < until:
        gevent.sleep(PROBE_EVERY_S)
        waits.append(_commit(bench, write_of(payment(10 * PREPARED + len(waits)))))
    return waits


def _commit(bench: BenchNode, write: Write) -> float:
    began = time.perf_counter()
    answer: gevent.event.AsyncResult[Outcome] = gevent.event.AsyncResult()
    bench.node.append(write, answer.set)
    assert isinstance(answer.get(), Committed)
    return time.perf_counter() - began


def _add_channel(bench: BenchNode) -> None:
    """One that wants everything. It is written past the journal actor, so that the
    notifiers do not hear of it: its outbox is filled, but nothing is delivered."""
    channel = Channel(
        id="chn_bench",
        url="http://127.0.0.1:9/",
        secret=bench.vault.seal(b"s" * 32, "chn_bench"),
        created_at=NOW,
    )
    done: gevent.event.AsyncResult[list[Outcome]] = gevent.event.AsyncResult()
    bench.store.writer.submit([Write(rows=(channel_row(channel),))], done.set)
    outcomes = done.get(timeout=10)
    assert outcomes is not None
    assert isinstance(outcomes[0], Committed)


# -- what is written -------------------------------------------------------------------


def payment(number: int) -> Terms:
    """Ids in the order of time, addresses in none: as they are."""
    return Terms(
        id=f"pay_{number:022d}",
        network="regtest",
        address=f"bcrt1q{hashlib.sha256(str(number).encode()).hexdigest()[:38]}",
        amount_sat=1_000,
        confirmations_required=2,
        created_at=NOW,
        expires_at=NOW + 3_600_000,
        monitor_until=NOW + 90_000_000,
        external_id=f"order-{number}",
    )


def write_of(wanted: Terms) -> Write:
    """What the creation of a payment writes."""
    event, made = opening(wanted)
    return Write((Entry(made, (event,)),))


def _story(wanted: Terms) -> deque[Write]:
    """Created; seen in the mempool; mined, and as deep as is wanted."""
    event, made = opening(wanted)
    writes = deque([Write((Entry(made, (event,)),))])
    txid = hashlib.sha256(wanted.id.encode()).hexdigest()
    height = 101
    block = f"{height:064x}"
    for tip, output in (
        (height - 1, Output(txid, 0, 1_000)),
        (height + 1, Output(txid, 0, 1_000, block, height, NOW // 1000)),
    ):
        view = ChainView("bench", Tip(tip, f"{tip:064x}"), (output,))
        made, write = _step(made, view)
        writes.append(write)
    return writes


def _step(made: Payment, view: ChainView) -> tuple[Payment, Write]:
    events = tuple(decide(made, view, NOW + 1_000))
    for event in events:
        made = evolve(made, event)
    return made, Write((Entry(made, events),))
