"""Outbound webhooks: from the commit to the shop, and past an endpoint that is dead."""

from __future__ import annotations

import time
from functools import partial

import gevent
import msgspec

from bench.clients import at_rate
from bench.journal import write_of
from bench.measure import folder, fresh, median, percentile, wait_for
from bench.node import BenchNode, bench_node, terms
from bench.report import Row, Section, number, ratio
from engine.channels import Channel
from engine.retry import Outcome
from engine.store.writes import Committed
from engine.store.writes import Outcome as WriteOutcome
from tests.tools.receiver import Receiver, hang
from transport.outbound.webhook import WebhookSender

__all__ = ["run"]

PER_S = 100.0
EVENTS = 300
ROUNDS = 3
STUCK = 1_000


def run() -> Section:
    ours = [fresh("delivery:committed", 0) for _ in range(ROUNDS)]
    beside = [fresh("delivery:committed", STUCK) for _ in range(ROUNDS)]
    direct = [fresh("delivery:direct") for _ in range(ROUNDS)]
    rows = []
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        mine, peer, held = (
            median([percentile(one, share) for one in rounds])
            for rounds in (ours, direct, beside)
        )
        rows.append(
            Row(
                f"event committed → webhook received, {label}",
                f"{number(mine)} ms",
                f"the same sender called directly: {number(peer)} ms",
                ratio(mine, peer),
            )
        )
        rows.append(
            Row(
                f"the same beside {STUCK:,} payments on a dead endpoint, {label}",
                f"{number(held)} ms",
                f"without them: {number(mine)} ms",
                ratio(held, mine),
            )
        )
    return Section(
        "delivery",
        "Delivery of webhooks",
        f"{PER_S:g} events per second, each of a payment of its own, from the moment"
        " the journal says that it is committed until the shop's endpoint has the whole"
        " signed POST; a new connection each, receiver and node in one process. The"
        f" dead endpoint takes connections and never answers, and {STUCK:,} payments"
        f" wait for it already. Median of {ROUNDS} rounds of {EVENTS}.",
        rows,
    )


def committed(stuck: int) -> list[float]:
    """Milliseconds for each event of the live channel."""
    with (
        Receiver() as shop,
        Receiver(default=hang()) as dead,
        folder() as path,
        bench_node(path) as bench,
    ):
        _add_channel(bench, "live", shop.url("/hook"))
        _add_channel(bench, "dead", dead.url("/hook"))
        done: dict[str, float] = {}
        for at in range(stuck):
            _write(bench, "dead", EVENTS + at, done)
        wait_for(lambda: len(done) == stuck, "the stuck payments")
        if stuck:
            wait_for(lambda: dead.connections > 0, "the dead endpoint")
        done.clear()
        at_rate(
            PER_S, [partial(_write, bench, "live", at, done) for at in range(EVENTS)]
        )
        received = shop.wait_for(EVENTS, timeout_s=30)
        return [(one.at_s - done[_payment_of(one.body)]) * 1000 for one in received]


def direct() -> list[float]:
    """The sender without actors, journal and outbox: as soon as there is news."""
    sender = WebhookSender("bench", allow_private=True)
    began: dict[str, float] = {}
    with Receiver() as shop:

        def send(at: int) -> None:
            body = msgspec.json.encode({"type": "x", "data": {"payment_id": str(at)}})
            began[str(at)] = time.time()
            result = sender.send(
                shop.url("/hook"), [b"s" * 32], f"evt_{at}", body, time.time()
            )
            assert result.outcome is Outcome.DELIVERED

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
