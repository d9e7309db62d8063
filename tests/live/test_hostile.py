"""A node under attack from all sides stays small, and serves whoever behaves.

`run.py serve` as a process, the attackers (hostile.py) as another; this one is the
healthy clients. PAYBELL_HOSTILE_S sets for how long (8 s).
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest

from tests.tools.paybell import Paybell, serving
from tests.tools.wait import Process, wait_until
from tests.tools.wsclient import WsClient, connect

ATTACK_S = float(os.environ.get("PAYBELL_HOSTILE_S", "8"))
QUIET_S = 2.0
MORE_MB = 64  # than before the attack, at most
LOG_BYTES = 65_536  # in all, at most
EVENT_S = 30.0  # a deadline of the wait for an event, on a busy machine too
EVENTS = 1_500  # of the story that deaf clients ask for: more than a queue holds


class Healthy:
    """A browser that waits for its payment, and an operator that uses the API."""

    def __init__(self, node: Paybell) -> None:
        self.node = node
        self.event_s: list[float] = []
        self.asked_s: list[float] = []
        self.payment = node.create(amount_sat=1_000_000, confirmations=1)
        self.client = self._watch()
        self._seq = 1

    def _watch(self) -> WsClient:
        path = f"/ws/balance/{self.payment['address']}?since=1"
        client = connect("127.0.0.1", self.node.port, path, timeout_s=EVENT_S)
        assert client.recv_json()["type"] == "state"
        return client

    def once(self) -> None:
        """A payment arrives and is told; the API knows it."""
        began = time.perf_counter()
        self.node.post("/dev/pay", address=self.payment["address"], amount_sat=600)
        event = self._next_detected()
        self.event_s.append(time.perf_counter() - began)
        assert event["seq"] > self._seq
        self._seq = event["seq"]
        began = time.perf_counter()
        assert self.node.payment(self.payment["id"])["seq"] >= self._seq
        self.asked_s.append(time.perf_counter() - began)

    def _next_detected(self) -> dict[str, Any]:
        try:
            while (event := self.client.recv_json())["type"] != "payment.detected":
                pass
        except TimeoutError:
            known = self.node.payment(self.payment["id"])["seq"]
            fate = f"told up to {self._seq}, the API knows {known}"
            raise AssertionError(f"no event in {EVENT_S:g} s: {fate}") from None
        found: dict[str, Any] = event
        return found

    def figures(self) -> str:
        return f"event {_figures(self.event_s)}, API {_figures(self.asked_s)}"

    def forget(self) -> None:
        self.event_s.clear()
        self.asked_s.clear()


def _figures(waits_s: list[float]) -> str:
    waits = sorted(waits_s)
    at = [waits[int(len(waits) * share)] * 1_000 for share in (0.5, 0.99)]
    return (
        f"n={len(waits)} p50 {at[0]:.1f} p99 {at[1]:.1f} max {waits[-1] * 1000:.1f} ms"
    )


class Memory:
    """The most that a process had resident, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.most_kb = 0
        self._looking = gevent.spawn(self._look)

    def _look(self) -> None:
        while True:
            self.most_kb = max(self.most_kb, self.now_kb())
            gevent.sleep(0.1)

    def now_kb(self) -> int:
        for line in self._status.read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("the process has ended")

    def stop(self) -> None:
        self._looking.kill()


@contextmanager
def watched(pid: int) -> Iterator[Memory]:
    memory = Memory(pid)
    try:
        yield memory
    finally:
        memory.stop()


def long_story(node: Paybell) -> dict[str, Any]:
    """A payment with many events."""
    payment = node.create(amount_sat=2_000, confirmations=1)
    for _ in range(100):
        node.post("/dev/pay", address=payment["address"], amount_sat=600)
    wait_until(lambda: _seq(node, payment["id"]) > 100, 10, "it to be seen")
    node.post("/dev/mine", blocks=1)
    node.wait_for_status(payment["id"], "confirmed")
    while (before := _seq(node, payment["id"])) < EVENTS:
        node.post("/dev/reorg", depth=1, remine=False)
        wait_until(lambda: _seq(node, payment["id"]) >= before + 100, 10, "a reorg")
        node.post("/dev/mine", blocks=1)
        node.wait_for_status(payment["id"], "confirmed")
    return payment


def _seq(node: Paybell, payment_id: str) -> int:
    return int(node.payment(payment_id)["seq"])


def over_in(seconds: float) -> Callable[[], bool]:
    """Whether so much time has passed since now."""
    ends = time.monotonic() + seconds
    return lambda: time.monotonic() >= ends


def busy(healthy: Healthy, long: str, is_over: Callable[[], bool]) -> None:
    """Healthy clients at work, and events for the deaf ones too."""
    while not is_over():
        healthy.once()
        healthy.node.post("/dev/pay", address=long, amount_sat=600)
        gevent.sleep(0.02)


@pytest.mark.timeout_s(60 + 2 * ATTACK_S)
def test_under_attack_a_node_stays_small_and_serves_who_behaves(tmp_path: Path) -> None:
    options = ("--anonymous-per-s", "1000000", "--seed", "salon=default")
    with serving(tmp_path, *options) as node:
        story = long_story(node)
        long = story["address"]
        healthy = Healthy(node)
        with watched(node.pid) as memory:
            busy(healthy, long, over_in(QUIET_S))
            before_kb, before = memory.most_kb, healthy.figures()
            attackers = Process(attack(node.port, story), ready="^hostile$")
            try:
                starting = gevent.spawn(attackers.start)
                busy(healthy, long, starting.ready)  # else its pings are not answered
                starting.get()
                healthy.forget()
                busy(healthy, long, over_in(ATTACK_S))
                most_kb, during = memory.most_kb, healthy.figures()
                attackers.stop()
                did = attackers.output.splitlines()[-1]
            finally:
                attackers.kill()

            def is_alone() -> bool:
                healthy.once()
                return _sessions(node) == 1

            # Nothing of them stays: only the healthy one is a session.
            wait_until(is_alone, 30, "the sessions to end")
            more_mb = (most_kb - before_kb) / 1_024
            say(f"quiet: {before}; RSS {before_kb / 1_024:.0f} MB")
            say(f"{ATTACK_S:g} s under attack: {during}; {more_mb:+.1f} MB at most")
            say(
                f"{did}; log {len(node.err)} bytes; after: {memory.now_kb() // 1024} MB"
            )
        done = json.loads(did.removeprefix("did "))
        assert {"unread polls", "polling sessions", "Socket.IO subscribes"} <= set(done)
        assert more_mb <= MORE_MB
        assert len(node.err) <= LOG_BYTES, node.err[-2_000:]
        assert "Traceback" not in node.err
        assert node.stop() == 0


def attack(port: int, story: dict[str, Any]) -> list[str]:
    module = [sys.executable, "-m", "tests.live.hostile", "--port", str(port)]
    return [*module, "--long", story["address"], "--invoice", story["id"]]


def _sessions(node: Paybell) -> int:
    for line in node.get("/metrics").text.splitlines():
        if line.startswith("paybell_sessions "):
            return int(float(line.split()[1]))
    raise AssertionError("no metric of sessions")


def say(text: str) -> None:
    """For the report of a failure, and for `pytest -s`."""
    sys.stdout.write(text + "\n")
