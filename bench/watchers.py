"""Idle watchers: memory, how fast they start, and what they cost while nothing happens.

A watcher is what the node has for a payment that waits: the address actor, its
payment, its deadline, its next poll, and its places in the source's and the script
index's tables. Peers: pykka as it is, a greenlet per actor, our runtime alone.
"""

from __future__ import annotations

import gc
import time

import gevent

from actors.messages import Created
from bench.measure import folder, fresh, medians, rss_bytes, wait_for
from bench.node import BenchNode, bench_node, terms
from bench.peers.actors import GreenletActor, PykkaActor, bare
from bench.report import Row, Section, number, ratio
from engine.events import opening
from engine.runtime.dispatcher import GeventDispatcher
from engine.store.writes import Committed

__all__ = ["run"]

COUNT = 100_000
ROUNDS = 3
IDLE_S = 10.0
BATCH = 500


def run() -> Section:
    rounds = [fresh("watchers:paybell", COUNT) for _ in range(ROUNDS - 1)]
    last = fresh("watchers:paybell", COUNT, IDLE_S)
    idle_cpu = last.pop("idle_cpu")
    ours = medians([*rounds, last])
    boot = fresh("watchers:boot", COUNT)
    bare_ = medians([fresh("watchers:bare_actors", COUNT) for _ in range(ROUNDS)])
    green = medians([fresh("watchers:greenlets", 20_000) for _ in range(ROUNDS)])
    few = medians([fresh("watchers:pykka_actors", 2_000) for _ in range(ROUNDS)])
    many = medians([fresh("watchers:pykka_actors", 5_000) for _ in range(ROUNDS)])
    rows = []
    for name, peer in (
        ("pykka `ThreadingActor`, 2,000", few),
        ("pykka `ThreadingActor`, 5,000", many),
        ("a greenlet and a queue each, 20,000", green),
        ("our runtime, an empty actor, 100,000", bare_),
    ):
        rows.append(
            Row(
                "memory of an idle watcher with its payment",
                f"{number(ours['bytes'])} B",
                f"{name}: {number(peer['bytes'])} B",
                ratio(ours["bytes"], peer["bytes"]),
            )
        )
        rows.append(
            Row(
                "started, and the first poll answered",
                f"{number(ours['rate'])}/s",
                f"{name}, only started: {number(peer['rate'])}/s",
                ratio(ours["rate"], peer["rate"]),
            )
        )
    rows.append(
        Row(
            f"brought back from the journal, {COUNT:,}",
            f"{boot['boot_s']:.1f} s",
            f"created, with their commits: {boot['create_s']:.1f} s",
            ratio(boot["boot_s"], boot["create_s"]),
        )
    )
    rows.append(
        Row(
            f"CPU while {COUNT:,} wait, polling every 60 s",
            f"{idle_cpu * 100:.1f} % of one core",
            "",
        )
    )
    return Section(
        "watchers",
        f"{COUNT:,} idle watchers",
        f"Payments at {COUNT:,} addresses are handed to the supervisor of a whole node"
        " on the dev chain until each watcher runs and has had its first poll answered;"
        " memory is the growth of the process (VmRSS) in a fresh process per subject,"
        f" median of {ROUNDS} rounds.",
        rows,
        (
            f"Of the watcher's memory the payment itself, which the empty actors do not"
            f" have, is {number(ours['payment_bytes'])} B.",
            f"The longest time that nothing else could run while they started was"
            f" {ours['stall_ms']:.0f} ms.",
        ),
    )


def paybell(count: int, idle_s: float = 0.0) -> dict[str, float]:
    with folder() as path, bench_node(path) as bench:
        now = bench.clock.now()
        wait_for(lambda: bench.gateway.freshness().live, "the chain")
        gc.collect()
        base = rss_bytes()
        payments = [opening(terms(number, now))[1] for number in range(count)]
        gc.collect()
        with_payments = rss_bytes()
        pauses = _Pauses()
        began = time.perf_counter()
        for first in range(0, count, BATCH):
            batch = payments[first : first + BATCH]
            bench.node.supervisor.tell_system(
                Created([*batch], Committed(), lambda _answer: None)
            )
            gevent.sleep(0)
        wait_for(lambda: len(bench.node.watchers) == count, "the watchers")
        wait_for(lambda: bench.answered, "the first polls", 90)
        took_s = time.perf_counter() - began
        stall_ms = pauses.stop() * 1000
        payments.clear()
        gc.collect()
        after = rss_bytes()
        idle: dict[str, float] = {}
        if idle_s:
            cpu = time.process_time()
            gevent.sleep(idle_s)
            idle["idle_cpu"] = (time.process_time() - cpu) / idle_s
        return {
            "bytes": (after - base) / count,
            "payment_bytes": (with_payments - base) / count,
            "rate": count / took_s,
            "stall_ms": stall_ms,
            **idle,
        }


def boot(count: int) -> dict[str, float]:
    """Created through the gateway, then brought back by another node."""
    with folder() as path:
        with bench_node(path) as bench:
            now = bench.clock.now()
            wanted = [terms(number, now) for number in range(count)]
            began = time.perf_counter()
            bench.create(wanted)
            create_s = time.perf_counter() - began
        began = time.perf_counter()
        with bench_node(path) as bench:
            _all_watched(bench, count)
            return {"create_s": create_s, "boot_s": time.perf_counter() - began}


def _all_watched(bench: BenchNode, count: int) -> None:
    wait_for(lambda: len(bench.node.watchers) == count, "the watchers")
    wait_for(lambda: bench.answered, "the first polls", 90)


class _Pauses:
    """The longest time in which the hub served nobody, seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        last = time.perf_counter()
        while True:
            gevent.sleep(0.001)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now

    def stop(self) -> float:
        self._greenlet.kill()
        return self.longest


def bare_actors(count: int) -> dict[str, float]:
    dispatcher = GeventDispatcher()
    dispatcher.start()
    gc.collect()
    base = rss_bytes()
    began = time.perf_counter()
    refs = bare(count, dispatcher)
    gevent.sleep(0)
    wait_for(lambda: dispatcher.turns >= count, "the actors")
    took_s = time.perf_counter() - began
    assert all(ref.is_alive for ref in refs)
    gc.collect()
    return {"bytes": (rss_bytes() - base) / count, "rate": count / took_s}


def greenlets(count: int) -> dict[str, float]:
    gc.collect()
    base = rss_bytes()
    began = time.perf_counter()
    actors = [GreenletActor() for _ in range(count)]
    gevent.sleep(0)
    took_s = time.perf_counter() - began
    gc.collect()
    assert len(actors) == count
    return {"bytes": (rss_bytes() - base) / count, "rate": count / took_s}


def pykka_actors(count: int) -> dict[str, float]:
    gc.collect()
    base = rss_bytes()
    began = time.perf_counter()
    refs = [PykkaActor.start() for _ in range(count)]
    gevent.sleep(0)
    took_s = time.perf_counter() - began
    gc.collect()
    assert len(refs) == count
    return {"bytes": (rss_bytes() - base) / count, "rate": count / took_s}
