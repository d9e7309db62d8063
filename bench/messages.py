"""How many messages actors take in, and how long an answer is waited for."""

from __future__ import annotations

import time

import gevent

from bench.measure import RUNS, median, percentile, repeated, wait_for
from bench.peers.actors import PykkaActor, bare
from bench.report import Section, compare
from engine.runtime.ask import ask
from engine.runtime.dispatcher import GeventDispatcher

__all__ = ["run"]

ACTORS = 100_000
PEER_ACTORS = 2_000
TO_ONE = 100_000
ASKS = 5_000


def run() -> Section:
    ours = repeated("messages:ours", ACTORS)
    peer = repeated("messages:pykkas", PEER_ACTORS)
    name = "pykka `ThreadingActor`, gevent"
    what = {
        "each": ("one to each", "/s"),
        "one": ("all to one", "/s"),
        "ask_p50_us": ("a question and its answer, p50", "µs"),
        "ask_p99_us": ("a question and its answer, p99", "µs"),
    }
    return Section(
        "messages",
        "Messages between actors",
        f"One message to each of {ACTORS:,} actors of our runtime ({PEER_ACTORS:,}"
        f" pykka actors), {TO_ONE:,} to a single one, and {ASKS:,} questions asked one"
        f" after another, from the first to the last handled; {RUNS} runs in fresh"
        " processes.",
        [
            compare(text, ours[key], unit, name, peer[key])
            for key, (text, unit) in what.items()
        ],
    )


def ours(count: int) -> dict[str, float]:
    dispatcher = GeventDispatcher()
    dispatcher.start()
    refs = bare(count, dispatcher)
    wait_for(lambda: dispatcher.turns >= count, "the actors")
    before = dispatcher.turns
    began = time.perf_counter()
    for ref in refs:
        ref.tell("count")
    while dispatcher.turns - before < count:
        gevent.sleep(0)
    each_s = time.perf_counter() - began
    first = refs[0]
    began = time.perf_counter()
    for _ in range(TO_ONE):
        first.tell("count")
    while first.backlog:
        gevent.sleep(0)
    one_s = time.perf_counter() - began
    waits = []
    for _ in range(ASKS):
        began = time.perf_counter()
        ask(first, lambda reply: reply, 5)
        waits.append(time.perf_counter() - began)
    return _result(count / each_s, TO_ONE / one_s, waits)


def pykkas(count: int) -> dict[str, float]:
    refs = [PykkaActor.start() for _ in range(count)]
    gevent.sleep(0)
    began = time.perf_counter()
    for ref in refs:
        ref.tell("count")
    for ref in refs:
        while not ref.actor_inbox.empty():
            gevent.sleep(0)
    each_s = time.perf_counter() - began
    first = refs[0]
    began = time.perf_counter()
    for _ in range(TO_ONE):
        first.tell("count")
    first.ask("count", timeout=60)
    one_s = time.perf_counter() - began
    waits = []
    for _ in range(ASKS):
        began = time.perf_counter()
        first.ask("count", timeout=5)
        waits.append(time.perf_counter() - began)
    return _result(count / each_s, TO_ONE / one_s, waits)


def _result(each: float, one: float, waits: list[float]) -> dict[str, float]:
    return {
        "each": each,
        "one": one,
        "ask_p50_us": median(waits) * 1e6,
        "ask_p99_us": percentile(waits, 0.99) * 1e6,
    }
