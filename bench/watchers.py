"""Idle watchers: memory, CPU while nothing happens, how fast they start and come back.

A watcher is what the node has for a payment that waits: the address actor, its
payment, its deadline, its next poll, and its places in the source's and the script
index's tables. Peers: Erlang/OTP with a gen_server each, and pykka as it is.

PAYBELL_BENCH_MANY: how many are many, for a machine where a million take too long.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import gevent

from actors.messages import Created
from bench.creation import create_by_batches, grown, restart
from bench.measure import ROOT, RUNS, folder, fresh, repeated, rss_bytes, wait_for
from bench.node import bench_node, terms
from bench.peers.actors import PykkaActor
from bench.report import Section, compare
from engine.payment.events import opening
from engine.store.writes import Committed
from tests.tools import children

__all__ = ["run"]

COUNT, MANY = 100_000, int(os.environ.get("PAYBELL_BENCH_MANY", "1000000"))
PYKKA = 2_000
IDLE_S = 30
BATCH = 500
CREATED = 20_000
SCRIPT = Path(__file__).parent / "peers" / "watchers.escript"

OTP = "Erlang/OTP, a gen_server each"
SLEEPING = "the same, hibernated"


def run() -> Section:
    ours = repeated("watchers:paybell", COUNT, 0)
    idle = [fresh("watchers:paybell", COUNT, IDLE_S)["idle_cpu"]]
    many = fresh("watchers:paybell", MANY, 0)
    otp = [_otp(COUNT, "plain", IDLE_S if n == 0 else 0) for n in range(RUNS)]
    sleeping = [_otp(COUNT, "hibernate") for _ in range(RUNS)]
    many_otp = _otp(MANY, "hibernate")
    pykka = repeated("watchers:pykka_actors", PYKKA)
    created = [create_by_batches(CREATED) for _ in range(RUNS)]
    with folder() as path:
        few_back = [restart(grown(path, COUNT)) for _ in range(RUNS)]
        many_back = restart(grown(path, MANY))

    def of(rounds: list[dict[str, float]], key: str) -> list[float]:
        return [one[key] for one in rounds]

    what = "memory of an idle watcher with its payment, {:,}"
    rows = [
        compare(what.format(COUNT), ours["bytes"], "B", OTP, of(otp, "bytes"),
                "under 1.5 KB"),
        compare(what.format(COUNT), ours["bytes"], "B", SLEEPING, of(sleeping, "bytes"),
                "under 1.5 KB"),
        compare(what.format(COUNT), ours["bytes"], "B",
                f"pykka `ThreadingActor`, {PYKKA:,}", pykka["bytes"], "under 1.5 KB"),
        compare(what.format(MANY), [many["bytes"]], "B", SLEEPING,
                [many_otp["bytes"]], "under 1.5 KB"),
        compare("started without the journal, and shown the chain", ours["rate"], "/s",
                f"{OTP}, only started", of(otp, "rate")),
        compare("started without the journal, and shown the chain", ours["rate"], "/s",
                f"pykka `ThreadingActor`, {PYKKA:,}, only started", pykka["rate"]),
        compare("created durably through POST /v1/payments/batch", of(created, "rate"),
                "/s", aim="5,000/s"),
        compare("the server's CPU for each of them", of(created, "cpu_us"), "µs"),
        compare(f"restart to ready, {COUNT:,} open payments", of(few_back, "ready_s"),
                "s"),
        compare(f"restart to ready, {MANY:,} open payments", [many_back["ready_s"]],
                "s", aim="under 90 s"),
        compare(f"longest wait for an answer meanwhile, {MANY:,}",
                [many_back["stall_ms"]], "ms", aim="under 100 ms"),
        compare(f"CPU while {COUNT:,} wait, polling every 60 s",
                [100 * share for share in idle], "% of a core",
                f"{OTP}, which only set their timers again",
                [100 * otp[0]["idle_cpu"]], "under 5 %"),
    ]  # fmt: skip
    return Section(
        "watchers",
        f"{COUNT:,} and {MANY:,} idle watchers",
        f"Payments at so many addresses are handed to the supervisor of a whole node on"
        " the dev chain until each watcher runs and was shown the chain; memory is the"
        " growth of the process (VmRSS) in a fresh process. Batches of 1,000 are sent"
        f" by two clients to `run.py serve`, {CREATED:,} payments in all. A restart is"
        " from the start of the process to /ready on a database of so many payments;"
        " meanwhile its /health is asked every 5 ms. CPU is measured over"
        f" {IDLE_S} s. {RUNS} runs, but one of {MANY:,} and of the CPU.",
        rows,
        (
            f"Of the watcher's memory the payment itself, which the peers' actors have"
            f" as fields, is {ours['payment_bytes'][0]:.0f} B.",
            f"The longest time that nothing else could run while {COUNT:,} were started"
            f" without the journal: {max(ours['stall_ms']):.0f} ms.",
        ),
    )


def _otp(count: int, mode: str, idle_s: int = 0) -> dict[str, float]:
    """The Erlang program's figures; it is its own fresh process."""
    if shutil.which("escript") is None:
        raise RuntimeError("the peer is Erlang/OTP: apt-get install erlang-base")
    done = children.run(
        ["escript", str(SCRIPT), str(count), mode, str(idle_s)],
        cwd=ROOT, stdout=subprocess.PIPE, timeout=300, check=True,
    )  # fmt: skip
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


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
        wait_for(lambda: len(bench.node.watchers) == count, "the watchers", 200)
        wait_for(lambda: bench.answered, "the first looks", 200)
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
