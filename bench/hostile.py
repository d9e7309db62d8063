"""Healthy clients while others hold, refuse to read and flood: what they notice."""

from __future__ import annotations

import json
import sys
import time
from functools import partial

from bench.clients import Caller, Listener, at_rate, claim, connect_all
from bench.fanout import cpu_s, rss_kb
from bench.measure import ROOT, RUNS, fresh, percentile, wait_for
from bench.report import Row, Section, compare
from bench.servers import KEY, addresses, create, paybell_process
from tests.tools.wait import Process

__all__ = ["run"]

BROWSERS = 600
"""Healthy ones, each with a payment of its own."""

PER_S = 50.0
HALF_OPEN, DEAF, FLOODING = 1_000, 100, 12
INVOICE = "invoice-1"
STORY = 1_500
"""Events of the payment that the deaf ask for, and never read."""

WORD = b"payment.detected"
Found = dict[str, float]


def run() -> Section:
    runs: list[Found] = [fresh("hostile:paybell") for _ in range(RUNS)]

    def values(key: str) -> list[float]:
        return [one[key] for one in runs]

    def row(key: str, aim: str = "") -> Row:
        return compare(
            f"webhook to browser, {key}",
            values(f"{key} attacked"),
            "ms",
            "undisturbed",
            values(f"{key} quiet"),
            aim,
        )

    return Section(
        "hostile",
        "Healthy clients under attack",
        f"{BROWSERS // 2} webhooks at {PER_S:g} per second, each for a browser of its"
        " own, undisturbed and then under attack, on one node: "
        f"{HALF_OPEN:,} half-open connections, {DEAF} that ask for a story of"
        f" {STORY:,} events and never read, {DEAF // 2} that poll for it by Socket.IO,"
        f" four times each, and never read, {FLOODING} that flood without end"
        " (one-byte frames, unmasked ones, unfinished ones of 90 MB, endless fragments,"
        " pings, subscribes, also of Socket.IO, its polling sessions, pipelined"
        " requests) and come back as soon as they are closed."
        " The attackers are one process, the healthy clients another; with the node"
        " they share the machine.",
        [
            row("p50"),
            row("p99", "under twice the undisturbed"),
            row("most"),
            compare("memory more than undisturbed", values("more_mb"), "MB", aim="64"),
            compare("CPU of the node under attack", values("cpu"), "% of a core"),
        ],
    )


def paybell() -> Found:
    with paybell_process("--seed", "salon=default") as served:
        *wanted, long = addresses(0, BROWSERS + 1)
        create(served.port, wanted)
        caller = Caller(served.port)
        teller = Caller(served.port, places=4)
        _create_long(caller, long)
        for number in range(STORY):
            teller.claim(claim(long, 1_000_000 + number))
        paths = [f"/ws/balance/{one}" for one in wanted]
        browsers = connect_all(served.port, paths, WORD)
        half = BROWSERS // 2
        quiet = _told(caller, wanted[:half], browsers[:half], 0)
        before_kb = rss_kb(served.pid)
        with Process(_attack(served.port, long), ready="^hostile$", cwd=ROOT):
            began, used_s = time.perf_counter(), cpu_s(served.pid)
            attacked = _told(caller, wanted[half:], browsers[half:], half)
            more_kb = rss_kb(served.pid) - before_kb
            used_s = cpu_s(served.pid) - used_s
            took_s = time.perf_counter() - began
        for browser in browsers:
            browser.close()
    return {
        **_percentiles(quiet, "quiet"),
        **_percentiles(attacked, "attacked"),
        "more_mb": more_kb / 1_024,
        "cpu": 100 * used_s / took_s,
    }


def _attack(port: int, long: str) -> list[str]:
    numbers = {"--half-open": HALF_OPEN, "--deaf": DEAF, "--flooding": FLOODING}
    command = [sys.executable, "-m", "tests.live.hostile", "--port", str(port)]
    for option, number in numbers.items():
        command += [option, str(number)]
    return [*command, "--long", long, "--invoice", INVOICE]


def _create_long(caller: Caller, address: str) -> None:
    payment = {"method": "onchain", "address": address, "amount_sat": 1_000}
    body = json.dumps({**payment, "external_id": INVOICE}).encode()
    answer = caller.post("/v1/payments", body, f"Authorization: Bearer {KEY}")
    if b'"detail"' in answer:
        raise RuntimeError(f"the payment was not created: {answer[:500]!r}")


def _told(
    caller: Caller, wanted: list[str], browsers: list[Listener], first: int
) -> list[float]:
    """Seconds from when each webhook should have been sent to its browser's event."""
    calls = [
        partial(caller.claim, claim(address, first + number))
        for number, address in enumerate(wanted)
    ]
    planned = at_rate(PER_S, calls)
    wait_for(lambda: all(one.heard_at for one in browsers), "the browsers to hear")
    return [
        (one.heard_at or 0.0) - moment
        for one, moment in zip(browsers, planned, strict=True)
    ]


def _percentiles(waits_s: list[float], name: str) -> Found:
    return {
        f"p50 {name}": 1000 * percentile(waits_s, 0.5),
        f"p99 {name}": 1000 * percentile(waits_s, 0.99),
        f"most {name}": 1000 * max(waits_s),
    }
