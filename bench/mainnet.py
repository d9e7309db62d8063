"""A node at mainnet's size: how soon a payment is told, and what it costs to watch.

100,000 transactions are in the mempool, seven come each second, a block has 4,000 of
them in 1.5 MB. Beside the present tree stands the one of BEFORE, measured in the same
run. PAYBELL_BENCH_ONLY=now leaves it out.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random
from typing import Any

import gevent

from bench.clients import connect_all
from bench.load import cpu_s
from bench.mainnet_node import (
    BigNode,
    Paybell,
    Stream,
    big_node,
    older_tree,
    paybell,
    probing,
)
from bench.measure import ROOT, folder, median, wait_for
from bench.node import terms
from bench.report import Row, Section, compare

__all__ = ["run"]

BEFORE = "c35b6ea"
MEMPOOL = 100_000
PER_S = 7.0
WATCHED, MANY = 20_000, 100_000
BROADCASTS = 40
IDLE_S = 60.0
SETTLED_S = 75.0
"""After the last creation, whose polls and comparisons are no idleness."""
PAID, PAID_MANY = 1_000, 10_000
CATCH_UP = 144

Figures = dict[str, list[float]]


def run() -> Section:
    zmq = {} if os.environ.get("PAYBELL_BENCH_ONLY") == "before" else measure(ROOT)
    polls = measure(ROOT, zmq=False)
    before: Figures = {}
    if not os.environ.get("PAYBELL_BENCH_ONLY"):
        with folder() as path, older_tree(BEFORE, path) as tree:
            before = measure(tree, zmq=False)
    return _section(zmq, polls, before)


def _section(zmq: Figures, polls: Figures, before: Figures) -> Section:
    was = f"commit {BEFORE}"

    def row(what: str, key: str, unit: str, aim: str, ours: Figures = zmq) -> Row:
        if key not in ours:
            return Row(what, "–", aim=aim)
        return compare(what, ours[key], unit, was, before.get(key, ()), aim)

    rows = [
        row("broadcast → browser, ZMQ, median", "seen_p50", "ms", "≤ 100 ms"),
        row("broadcast → browser, ZMQ, most", "seen_max", "ms", "≤ 300 ms"),
        row("broadcast → browser, polls, median", "seen_p50", "ms", "≤ 1 s", polls),
        row("broadcast → browser, polls, most", "seen_max", "ms", "", polls),
        row(f"CPU while {WATCHED:,} wait, ZMQ", "idle_cpu", "% of a core", "≤ 2 %"),
        row(f"CPU while {WATCHED:,} wait, polls", "idle_cpu", "% of a core", "", polls),
        row("from the node meanwhile, ZMQ", "idle_mb", "MB/s", "≤ 0.2 MB/s"),
        row("from the node meanwhile, polls", "idle_mb", "MB/s", "", polls),
        row("start until the first payment is seen", "start_s", "s", "≤ 30 s"),
        row("start until the whole mempool is read", "whole_s", "s", ""),
        row("what is broadcast meanwhile is seen after", "early_ms", "ms", "at once"),
        row(f"block pays {PAID:,} of {WATCHED:,}: first told", "paid_first", "s",
            "≤ 0.5 s"),
        row(f"block pays {PAID:,} of {WATCHED:,}: all told", "paid_all", "s", "≤ 1 s"),
        row(f"block pays {PAID_MANY:,} of {MANY:,}: all told", "many_all", "s",
            "≤ 5 s"),
        row("longest wait for an answer, 1,000 paid", "paid_wait", "ms", "≤ 30 ms"),
        row("longest wait for an answer, 10,000 paid", "many_wait", "ms", "≤ 30 ms"),
        row("longest wait for an answer at the start", "start_wait", "ms", "≤ 30 ms"),
        row(f"memory with {WATCHED:,} watched", "memory", "MB", "≤ 200 MB"),
        row(f"the most memory, with {MANY:,} watched", "most_memory", "MB", ""),
        row(f"catch-up of {CATCH_UP} full blocks", "caught_up", "/s", "≥ 5/s"),
        row("longest wait for an answer meanwhile", "catch_up_wait", "ms", "≤ 30 ms"),
    ]  # fmt: skip
    alone = (zmq or polls)["alone"]
    return Section(
        "mainnet",
        "At mainnet's size",
        f"A made-up node of its own process with {MEMPOOL:,} transactions in its"
        f" mempool, {PER_S:g} new ones a second and blocks of 4,000 in 1.5 MB; Paybell"
        f" (`run.py serve`) with {WATCHED:,} payments, then {MANY:,}. A broadcast is"
        " counted from the moment the node has the transaction, a block from when it"
        " has the block, until a WebSocket or the event stream has the event: the"
        f" network's share (below) comes on top. {BROADCASTS} broadcasts, idle for"
        f" {IDLE_S:g} s from {SETTLED_S:g} s after the last creation on, one block"
        " each; the node's answers are counted as bytes."
        f" The peer is Paybell at {was}, which knew no ZMQ.",
        rows,
        (
            f"The node alone answers getblock in {alone[0]:.1f} ms, the mempool's"
            f" names in {alone[1]:.1f} ms and 100 transactions in {alone[2]:.1f} ms.",
        ),
    )


def measure(tree: Path, *, zmq: bool = True) -> Figures:
    """Each figure a list of one, but for the waits of broadcasts."""
    found: Figures = {}
    with folder() as path, big_node(MEMPOOL) as node:
        found["alone"] = _alone(node)
        source = f"bitcoind={node.url}"
        if zmq:
            source += f"?zmq=tcp://127.0.0.1:{node.zmq_port}"
        elif tree == ROOT:
            source += "?zmq=off"
        db = path / "node.db"
        with paybell(tree, db, source) as served:
            served.create(_addresses(0, WATCHED))
            _until_whole(node)
            node.call("bench_flow", PER_S)
            found |= _idle(node, served) | _broadcasts(node, served)
            found |= _paid(node, served, "paid", 5_000, PAID)
            now, _ = served.memory
            found["memory"] = [now / 1e6]
        node.call("bench_flow", 0)
        found |= _start(tree, db, source, node)
        node.call("bench_flow", PER_S)
        with paybell(tree, db, source) as served:
            served.create(_addresses(WATCHED, MANY - WATCHED))
            _until_whole(node)
            found |= _paid(node, served, "many", MANY - PAID_MANY, PAID_MANY, per_tx=10)
        found |= _catch_up(tree, db, source, node)
    return found


def _alone(node: BigNode) -> list[float]:
    """Milliseconds for a block, the mempool's names, and 100 transactions' names."""
    best = node.call("getblockchaininfo")["bestblockhash"]
    took = []
    names: list[str] = node.call("getrawmempool")
    for method, *params in (("getblock", best, 0), ("getrawmempool",)):
        began = time.perf_counter()
        node.call(method, *params)
        took.append((time.perf_counter() - began) * 1000)
    began = time.perf_counter()
    for name in names[:100]:
        node.call("getrawtransaction", name)
    return [*took, (time.perf_counter() - began) * 1000]


def _until_whole(node: BigNode) -> float:
    """Until the whole mempool was read; when the last of it was asked for."""
    ended_at = 0.0

    def settled() -> bool:
        nonlocal ended_at
        gevent.sleep(2.5)
        stats = node.call("bench_stats")
        if stats["calls"].get("getrawtransaction", 0) < 60:
            return ended_at > 0
        ended_at = stats["last_at"]["getrawtransaction"]
        return False

    wait_for(settled, "the whole mempool", 240)
    return ended_at


def _idle(node: BigNode, served: Paybell) -> Figures:
    gevent.sleep(SETTLED_S)
    node.call("bench_stats")
    cpu, began = cpu_s(served.pid), time.perf_counter()
    gevent.sleep(IDLE_S)
    took_s = time.perf_counter() - began
    stats: dict[str, Any] = node.call("bench_stats")
    return {
        "idle_cpu": [100 * (cpu_s(served.pid) - cpu) / took_s],
        "idle_mb": [stats["bytes"] / took_s / 1e6],
    }


def _broadcasts(node: BigNode, served: Paybell) -> Figures:
    rand = Random(7)
    waits = []
    for number in range(1_000, 1_000 + BROADCASTS):
        (address,) = _addresses(number, 1)
        (listener,) = connect_all(
            served.port, [f"/ws/balance/{address}"], b"payment.detected"
        )
        gevent.sleep(0.2 + rand.random())
        there_at = node.call("bench_pay", _scripts(number, 1), 1_000)
        wait_for(lambda one=listener: one.heard_at is not None, "a browser")
        waits.append((listener.heard_at or 0.0) - there_at)
        listener.close()
    found = [wait * 1000 for wait in waits]
    return {"seen_p50": [median(found)], "seen_max": [max(found)]}


def _paid(
    node: BigNode, served: Paybell, name: str, first: int, count: int, per_tx: int = 1
) -> Figures:
    """Payments are seen in the mempool, then a block has them all."""
    after = served.last_offset
    detected = Stream(served, b"payment.detected", after)
    for start in range(first, first + count, 500):
        node.call("bench_pay", _scripts(start, 500), 1_000, per_tx)
        gevent.sleep(0.3)
    detected.wait(count, 120)
    detected.close()
    gevent.sleep(2)
    told = Stream(served, b"payment.confirming", served.last_offset)
    confirmed = Stream(served, b"payment.confirmed", served.last_offset)
    gevent.sleep(0.5)
    with probing(served) as probe:
        there_at = node.call("bench_mine")
        wait_for(
            lambda: len(told.times) + len(confirmed.times) >= count, "the block", 120
        )
        gevent.sleep(0.3)
    times = sorted([*told.times, *confirmed.times])
    told.close()
    confirmed.close()
    return {
        f"{name}_first": [times[0] - there_at],
        f"{name}_all": [times[count - 1] - there_at],
        f"{name}_wait": [probe["longest_ms"]],
    }


def _start(tree: Path, db: Path, source: str, node: BigNode) -> Figures:
    """From the process's start: what was paid before, and what is paid meanwhile."""
    node.call("bench_pay", _scripts(9_000, 1), 1_000)
    node.call("bench_stats")
    with paybell(tree, db, source) as served, probing(served) as probe:
        gevent.sleep(1.0)
        early_at = node.call("bench_pay", _scripts(9_001, 1), 1_000)
        start_s = early_s = 0.0
        while not (early_s and start_s):
            if not start_s and _is_seen(served, 9_000):
                start_s = time.perf_counter() - served.began
            if not early_s and _is_seen(served, 9_001):
                early_s = time.perf_counter() - early_at
            gevent.sleep(0.02)
        whole_s = _until_whole(node) - served.began
    return {
        "start_s": [start_s],
        "early_ms": [early_s * 1000],
        "whole_s": [whole_s],
        "start_wait": [probe["longest_ms"]],
    }


def _is_seen(served: Paybell, number: int) -> bool:
    (address,) = _addresses(number, 1)
    found = served.ask(f"/v1/payments?address={address}")["data"]
    return bool(found) and found[0]["status"] != "pending"


def _catch_up(tree: Path, db: Path, source: str, node: BigNode) -> Figures:
    height = node.call("bench_grow", CATCH_UP)
    node.call("bench_stats")
    with paybell(tree, db, source) as served, probing(served) as probe:
        tips = set()
        while (tip := served.tip) < height:
            tips.add(tip)
            gevent.sleep(0.1)
        stats = node.call("bench_stats")
        took_s = stats["last_at"]["getblock"] - stats["first_at"]["getblock"]
        _, most = served.memory
    return {
        "caught_up": [stats["calls"]["getblock"] / took_s],
        "catch_up_wait": [probe["longest_ms"]],
        "catch_up_tips": [float(len(tips))],
        "most_memory": [most / 1e6],
    }


def _addresses(first: int, count: int) -> list[str]:
    return [terms(first + number, 0).address for number in range(count)]


def _scripts(first: int, count: int) -> list[str]:
    """As hex, of the same numbers."""
    return [f"0014{number:040x}" for number in range(first, first + count)]
