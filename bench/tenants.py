"""One tenant's worst day: how long another waits, on 2,000,000 events.

A merchant "ann" has nearly all of the database. She makes every call that the API has,
in a process of its own, as fast as she is let; "bob" orders at a steady rate and is
told by webhook. What bob waits is measured before, and meanwhile (`bench/grown.py`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import gevent
import requests

from bench.grown import (
    EVENTS,
    FOR_S,
    KEY,
    PAYMENTS,
    PER_S,
    Figures,
    Remote,
    beside,
    orders,
    serving,
)
from bench.measure import fresh
from bench.report import Row, Section, compare
from tests.tenants.calls import ANN, CALLS, Caller
from tests.tools.many_events import EVENTS_EACH
from tests.tools.receiver import Receiver

__all__ = ["ann_calls", "run"]

METRICS = 21
"""So often the page is asked for: of one call alone a garbage collection is most."""

LESS = PAYMENTS // 20
"""Payments of the smaller database."""

ANNS = 8
"""Calls of ann's that are under way at any time, and as many of the late ones."""

LATE = frozenset({"pollBalance", "pollPayment", "pollOrder", "redeliver_range"})
"""What waits for something to happen, or goes through everything step by step."""

Call = Callable[[Caller], requests.Response]


def run() -> Section:
    with serving("--anonymous-per-s", "100000") as node:
        keys = {name: node.key_of(name) for name in (ANN, "bob", "cy")}
        with Receiver() as shop:
            alone = orders(node, keys["bob"], shop)
            gevent.sleep(1)
            ann = gevent.spawn(
                fresh, "tenants:ann_calls", node.url, keys[ANN], FOR_S + 4, ANNS
            )
            gevent.sleep(2)
            disturbed = orders(node, keys["bob"], shop)
            calls = ann.get(timeout=FOR_S * 10)
        single = _single(node, keys)
        metrics = _metrics(node)
    with serving(payments=LESS) as node:
        metrics_of_less = _metrics(node)
    rows = [
        *beside(alone, disturbed),
        compare(
            f"GET /metrics, {METRICS} times",
            metrics,
            "ms",
            f"on {LESS * EVENTS_EACH:,} events",
            metrics_of_less,
            "20 ms",
        ),
        *_rows_of(single),
    ]
    return Section(
        "tenants",
        "A neighbour's worst day",
        f"A database of {EVENTS:,} events, nearly all of one merchant."
        f" Another orders {PER_S} times a second for {FOR_S:g} s and is told by"
        " webhook: alone, and while the first makes every call of the API in a loop,"
        f" {ANNS} at a time and {ANNS} that wait for something to happen or go through"
        " everything, from a process of its own on the same cores."
        " One run; the peer is the same without the neighbour.",
        rows,
        [
            f"The neighbour made {calls['calls'] / calls['took_s']:,.0f} calls a"
            f" second, of which {calls['refused']:,.0f} in all were refused (429).",
        ],
    )


def _rows_of(single: Figures) -> Iterator[Row]:
    for what, aim in (
        ("GET /v1/events?after=0 of a merchant without events", ""),
        ("GET /v1/events?limit=1000 of the one with nearly all", ""),
        ("GET /v1/payments?status=failed of it: there are none", ""),
        ("POST /v1/redeliver of a merchant without channels", ""),
        ("POST /v1/redeliver of everything, step by step", ""),
    ):
        yield compare(what, [single[what]], "ms", aim=aim)


# -- ann, who does all she can ---------------------------------------------------------


def ann_calls(url: str, key: str, for_s: float, at_a_time: int) -> Figures:
    """In a process of its own: every call, again and again. Those that are answered
    late have loops of their own, or after a few calls nobody would call any more."""
    node: Any = Remote(url)
    ann = Caller(node, key)
    until, statuses = time.perf_counter() + for_s, list[int]()

    def loop(seed: int, calls: list[Call]) -> None:
        random = Random(seed)
        while time.perf_counter() < until:
            random.shuffle(calls)
            for call in calls:
                if time.perf_counter() >= until:
                    break
                statuses.append(_status(call(ann)))

    loops = [
        gevent.spawn(loop, number, [call for name in names for call in CALLS[name]])
        for names in (CALLS.keys() - LATE, LATE)
        for number in range(at_a_time)
    ]
    began = time.perf_counter()
    gevent.joinall(loops, raise_error=True)
    return {
        "calls": len(statuses),
        "took_s": time.perf_counter() - began,
        "refused": statuses.count(429),
    }


def _status(answer: requests.Response) -> int:
    return int(answer.status_code)


# -- single calls ----------------------------------------------------------------------


def _metrics(node: Remote) -> list[float]:
    """What each call took, in ms."""
    head = {"Authorization": f"Bearer {KEY}"}
    found = []
    for _ in range(METRICS):
        began = time.perf_counter()
        answer = node.call("GET", "/metrics", headers=head)
        found.append((time.perf_counter() - began) * 1000)
        if not answer.ok:
            raise RuntimeError(f"/metrics: {answer.text}")
    return found


def _single(node: Remote, keys: dict[str, str]) -> Figures:
    early = json.dumps({"since": "2020-01-01T00:00:00Z"})
    asked = {
        "GET /v1/events?after=0 of a merchant without events": (
            "GET", "/v1/events?after=0", keys["cy"], ""),
        "GET /v1/events?limit=1000 of the one with nearly all": (
            "GET", "/v1/events?limit=1000", keys[ANN], ""),
        "GET /v1/payments?status=failed of it: there are none": (
            "GET", "/v1/payments?status=failed", keys[ANN], ""),
        "POST /v1/redeliver of a merchant without channels": (
            "POST", "/v1/redeliver", keys["cy"], early),
        "POST /v1/redeliver of everything, step by step": (
            "POST", "/v1/redeliver", keys[ANN], early),
    }  # fmt: skip
    found = {}
    for name, (method, path, key, body) in asked.items():
        head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        began = time.perf_counter()
        answer = node.call(method, path, data=body or None, headers=head)
        found[name] = (time.perf_counter() - began) * 1000
        if not answer.ok:
            raise RuntimeError(f"{name}: {answer.text}")
    return found
