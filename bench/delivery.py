"""Outbound webhooks: from the commit to the shop, and past endpoints that are dead."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import gevent
import msgspec

from bench.clients import at_rate
from bench.journal import write_of
from bench.measure import RUNS, folder, fresh, percentile, wait_for
from bench.node import BenchNode, bench_node, terms
from bench.report import Row, Section, compare
from engine.delivery.attempt import AttemptOutcome
from engine.delivery.channel import Channel
from engine.delivery.endpoint import Endpoint
from engine.store.writes import Committed
from engine.store.writes import Outcome as WriteOutcome
from tests.tools.receiver import Answer, Received, Receiver, hang, reply
from transport.outbound.webhook import WebhookSender

__all__ = ["run"]

PER_S = 100.0
EVENTS = 150
STUCK = 1_000
SLOW_S = 3.0

DEAD = {
    "refuses": "refuses connections",
    "hangs": "takes connections and never answers",
    "fails": f"answers 500 after {SLOW_S:.0f} s",
}


def run() -> Section:
    direct: list[list[float]] = []
    alone: list[list[float]] = []
    beside: dict[str, list[list[float]]] = {kind: [] for kind in DEAD}
    for _ in range(RUNS):  # in turn, so that all meet the same machine
        direct.append(fresh("delivery:direct"))
        alone.append(fresh("delivery:committed", ""))
        for kind, found in beside.items():
            found.append(fresh("delivery:committed", kind))

    def row(what: str, ours: list[list[float]], share: float, peer: str,
            theirs: list[list[float]], aim: str = "") -> Row:  # fmt: skip
        mine, others = (
            [percentile(one, share) for one in rounds] for rounds in (ours, theirs)
        )
        return compare(what, mine, "ms", peer, others, aim)

    rows = [
        row(f"event committed → webhook received, {label}", alone, share,
            "the same sender called directly", direct)
        for label, share in (("p50", 0.5), ("p99", 0.99))
    ]  # fmt: skip
    rows += [
        row(f"beside {STUCK:,} payments whose endpoint {DEAD[kind]}, {label}",
            found, share, "without them", alone, aim)
        for kind, found in beside.items()
        for label, share, aim in (
            ("p50", 0.5, ""), ("the longest", 1.0, "at most 100 ms more"),
        )
    ]  # fmt: skip
    return Section(
        "delivery",
        "Delivery of webhooks",
        f"{PER_S:g} events per second, each of a payment of its own, from the moment"
        " the journal says that it is committed until the shop's endpoint has the whole"
        " signed POST; a new connection each, receiver and node in one process. Of the"
        f" dead endpoint's channel {STUCK:,} payments wait already, and with each event"
        f" of the living one comes one more. {EVENTS} events, {RUNS} runs of each, in"
        " turn.",
        rows,
    )


def committed(kind: str) -> list[float]:
    """Milliseconds for each event of the live channel, beside a dead one of a kind."""
    with (
        Receiver() as shop,
        folder() as path,
        bench_node(path) as bench,
        _dead(kind) as (dead, taken),
    ):
        _add_channel(bench, "live", shop.url("/hook"))
        done: dict[str, float] = {}
        if dead:
            _add_channel(bench, "dead", dead)
            for at in range(STUCK):
                _write(bench, "dead", EVENTS + at, done)
            wait_for(lambda: len(done) == STUCK, "the stuck payments")
            wait_for(lambda: _is_tried(bench, taken), "the dead endpoint to be tried")

        def event(at: int) -> None:
            if dead:
                _write(bench, "dead", EVENTS + STUCK + at, done)
            _write(bench, "live", at, done)

        at_rate(PER_S, [partial(event, at) for at in range(EVENTS)])
        received = shop.wait_for(EVENTS, timeout_s=30)
        return [(one.at_s - done[_payment_of(one.body)]) * 1000 for one in received]


@contextmanager
def _dead(kind: str) -> Iterator[tuple[str, Receiver | None]]:
    """The URL of an endpoint of that kind, "" for none, and who takes connections."""
    if not kind:
        yield "", None
    elif kind == "refuses":
        with socket.socket() as bound:  # and nobody listens there
            bound.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{bound.getsockname()[1]}/hook", None
    else:
        answer = hang() if kind == "hangs" else _slowly(reply(500))
        with Receiver(default=answer) as receiver:
            yield receiver.url("/hook"), receiver


def _is_tried(bench: BenchNode, taken: Receiver | None) -> bool:
    if taken is not None:
        return taken.connections > 0
    return bool(bench.gateway.attempts("chn_dead", None, 1))


def _slowly(answer: Answer) -> Answer:
    def slow(sock: socket.socket, received: Received, receiver: Receiver) -> None:
        gevent.sleep(SLOW_S)
        answer(sock, received, receiver)

    return slow


def direct() -> list[float]:
    """The sender without actors, journal and outbox: as soon as there is news."""
    sender = WebhookSender("bench", allow_private=True)
    began: dict[str, float] = {}
    with Receiver() as shop:

        def send(at: int) -> None:
            body = msgspec.json.encode({"type": "x", "data": {"payment_id": str(at)}})
            began[str(at)] = time.time()
            endpoint = Endpoint(url=shop.url("/hook"), secrets=(b"s" * 32,))
            result = sender.send(endpoint, f"evt_{at}", body, time.time())
            assert result.outcome is AttemptOutcome.DELIVERED

        at_rate(PER_S, [partial(send, at) for at in range(EVENTS)])
        received = shop.wait_for(EVENTS, timeout_s=30)
        return [(one.at_s - began[_payment_of(one.body)]) * 1000 for one in received]


def _write(bench: BenchNode, merchant: str, at: int, done: dict[str, float]) -> None:
    """Commit the first event of a payment; notes when the journal said so."""
    wanted = msgspec.structs.replace(terms(at, bench.clock.now()), merchant=merchant)

    def reply(outcome: WriteOutcome) -> None:
        assert isinstance(outcome, Committed)
        done[wanted.id] = time.time()

    bench.node.append(write_of(wanted), reply)


def _add_channel(bench: BenchNode, name: str, url: str) -> None:
    channel_id = f"chn_{name}"
    bench.gateway.save_channel(
        Channel(
            id=channel_id,
            merchant=name,
            url=url,
            secret=bench.vault.seal(b"s" * 32, channel_id),
            created_at=bench.clock.now(),
        )
    )
    gevent.sleep(0.05)  # the notifiers read it


def _payment_of(body: bytes) -> str:
    payment: str = msgspec.json.decode(body)["data"]["payment_id"]
    return payment
