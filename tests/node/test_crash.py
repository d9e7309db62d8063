"""Killed at any moment, under traffic: nothing is lost, doubled or told out of order.

`run.py serve` gets SIGKILL again and again while orders come in, are paid and mined,
webhooks go to an endpoint that often fails and browsers follow; each time it is started
again on the same database and port. What it knows and has told in the end is compared
with what really happened on the chain.

PAYBELL_CRASH_KILLS sets how many kills (10), PAYBELL_CRASH_SEED what is done when; the
timing of the machine is not in the seed.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from gevent.event import Event
from standardwebhooks.webhooks import Webhook

from tests.node.bcoin import BcoinNode
from tests.node.paybell import Paybell
from tests.node.rawtx import address_for
from tests.node.traffic import Order, Traffic
from tests.tools.receiver import Answer, Receiver, hang_up, reply
from tests.tools.wait import wait_until

KILLS = int(os.environ.get("PAYBELL_CRASH_KILLS", "10"))
UP_S = (0.2, 4.0)  # from a start to the kill; a start takes one or two
AIMED = 0.5  # of the kills: just when an order is on its way
FLIGHT_S = 0.015  # about as long as an order takes
SETTLE_S = 60.0
SCHEDULE_S = [0.0] + [0.3] * 19  # attempts of a delivery
FAILING = 0.25  # of the endpoint's answers
MOST_FAILURES = 3  # in a row, so that the breaker does not rest for long

Story = list[dict[str, Any]]


class Moody:
    """A webhook endpoint that often fails, and remembers what it has answered."""

    def __init__(self, random: Random) -> None:
        self.taken: list[bool] = []  # for each request in turn: was it answered 2xx
        self._random = random
        self.receiver = Receiver(answers=self._answers())

    def _answers(self) -> Iterator[Answer]:
        while True:
            may_fail = any(self.taken[-MOST_FAILURES:]) or not self.taken
            fails = may_fail and self._random.random() < FAILING
            self.taken.append(not fails)
            failure = self._random.choice([reply(500), hang_up()])
            yield failure if fails else reply(204)


@pytest.mark.timeout_s(150 + 10 * KILLS)
def test_killed_at_random_moments_it_ends_as_it_would_have_without(
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("PAYBELL_CRASH_SEED") or Random().randrange(2**32))
    say(f"PAYBELL_CRASH_SEED={seed} PAYBELL_CRASH_KILLS={KILLS}")
    random = Random(seed)
    endpoint = Moody(random)
    with BcoinNode() as node, endpoint.receiver as receiver:
        wallet = node.fund(30)
        with Paybell(node.url, tmp_path) as paybell:
            secret = paybell.open_channel(receiver.url(), schedule_s=SCHEDULE_S)
            traffic = Traffic(paybell, node, wallet, random)
            try:
                kill_again_and_again(paybell, traffic, random)
                traffic.end(SETTLE_S)
                journal = settle(paybell, node, traffic, endpoint)
                tell(traffic, journal, endpoint)
                expect_the_truth(paybell, traffic.orders, journal)
                expect_webhooks(journal, endpoint, Webhook(secret))
                expect_followers(traffic, journal)
            finally:
                traffic.close()
            paybell.stop()
            assert paybell.trouble == []
            paybell.replay_check()


def say(text: str) -> None:
    """For the report of a failure, and for `pytest -s`."""
    sys.stdout.write(text + "\n")


def kill_again_and_again(paybell: Paybell, traffic: Traffic, random: Random) -> None:
    """Ends with a Paybell that runs and is ready."""
    for _ in range(KILLS):
        Event().wait(random.uniform(*UP_S))
        if random.random() < AIMED:
            traffic.sending.clear()
            traffic.sending.wait(UP_S[1])
            Event().wait(random.uniform(0, FLIGHT_S))
        traffic.check()
        paybell.kill()
        paybell.launch()
    paybell.wait_until_ready()


def settle(
    paybell: Paybell, node: BcoinNode, traffic: Traffic, endpoint: Moody
) -> dict[str, Story]:
    """Bury what was paid under blocks, and wait until all is told; each story."""
    node.generate(4)
    waiting = {order.id for order in traffic.orders if order.is_paid}
    events: Story = []

    def all_confirmed() -> bool:
        paybell.read_on(events)
        last = {event["payment_id"]: event["status"] for event in events}
        waiting.intersection_update(p for p in waiting if last[p] != "confirmed")
        return not waiting

    wait_until(all_confirmed, SETTLE_S, lambda: f"{waiting} to be confirmed")
    paybell.wait_for_tip(node.tip())
    paybell.read_on(events)
    wanted = {event["id"] for event in events}

    def all_delivered() -> bool:
        requests = endpoint.receiver.requests
        answered = zip(requests, endpoint.taken, strict=True)
        return wanted <= {r.headers["webhook-id"] for r, taken in answered if taken}

    wait_until(all_delivered, SETTLE_S, "every event to be delivered")
    stories: dict[str, Story] = defaultdict(list)
    for event in events:
        stories[event["payment_id"]].append(event)
    return dict(stories)


def tell(traffic: Traffic, stories: dict[str, Story], endpoint: Moody) -> None:
    """What was going on, for whoever wonders whether it was enough."""
    events = sum(len(story) for story in stories.values())
    again = sum(order.sent - 1 for order in traffic.orders)
    clients = traffic.followers.values()
    say(
        f"{len(stories)} payments, {again} orders sent again, {traffic.replayed} of"
        f" them answered as before; {events} events, {len(endpoint.taken)} webhooks"
        f" of which {endpoint.taken.count(False)} failed; {len(clients)} followers,"
        f" {sum(c.connections for c in clients)} connections; {traffic.reorgs} reorgs"
    )


def expect_the_truth(
    paybell: Paybell, orders: list[Order], stories: dict[str, Story]
) -> None:
    """Each order is one payment, and each payment what the chain says it is."""
    payments = {payment["id"]: payment for payment in paybell.payments()}
    assert sorted(payments) == sorted(order.id for order in orders)
    assert sorted(stories) == sorted(payments)
    for order in orders:
        payment, story = payments[order.id], stories[order.id]
        assert payment["external_id"] == order.body["external_id"]
        assert [event["seq"] for event in story] == list(range(1, len(story) + 1))
        assert payment["seq"] == len(story)
        assert payment["received_sat"] == order.paid_sat, (order, payment)
        txids = sorted(receipt["txid"] for receipt in payment["receipts"])
        assert txids == sorted(order.txids), (order, payment)
        types = [event["type"] for event in story]
        assert types.count("payment.created") == 1
        confirmations = types.count("payment.confirmed")
        if order.is_paid:
            assert payment["status"] == "confirmed", (order, payment)
            assert payment["confirmed_sat"] == order.paid_sat, (order, payment)
            assert confirmations == types.count("payment.reversed") + 1, story
        else:
            assert payment["status"] == ("confirming" if order.txids else "pending")
            assert confirmations == 0, story
            assert ("underpaid" in payment["flags"]) is bool(order.txids)


def expect_webhooks(
    stories: dict[str, Story], endpoint: Moody, webhook: Webhook
) -> None:
    """Each event came, in order; what came again was the same to the byte."""
    seen: dict[str, bytes] = {}
    told: dict[str, int] = defaultdict(int)  # payment: seq that came last
    taken: dict[str, int] = defaultdict(int)  # payment: last seq answered 2xx
    for received, was_taken in zip(
        endpoint.receiver.requests, endpoint.taken, strict=True
    ):
        event = webhook.verify(received.body, received.headers)["data"]
        payment_id, seq = event["payment_id"], event["seq"]
        assert event == stories[payment_id][seq - 1]
        assert received.headers["webhook-id"] == event["id"]
        assert seen.setdefault(event["id"], received.body) == received.body
        # An attempt may be repeated; no event comes before the last one was taken.
        is_repeat = seq == told[payment_id]
        is_next = seq == told[payment_id] + 1 == taken[payment_id] + 1
        assert is_repeat or is_next, (seq, told[payment_id], taken[payment_id])
        told[payment_id] = seq
        if was_taken:
            taken[payment_id] = seq
    assert taken == {payment_id: len(story) for payment_id, story in stories.items()}


def expect_followers(traffic: Traffic, stories: dict[str, Story]) -> None:
    """Each has the whole story, once and in order, however often it was cut off."""
    for payment_id, follower in traffic.followers.items():
        follower.wait_for_seq(len(stories[payment_id]))
        assert follower.events == stories[payment_id]


def test_money_that_was_buried_deep_while_it_was_away_is_found(tmp_path: Path) -> None:
    """It had run for a moment only, and no block had come in that time."""
    with BcoinNode() as node:
        wallet = node.fund()
        with Paybell(node.url, tmp_path) as paybell:
            unseen, seen = (
                paybell.create(address=address_for("p2wpkh", 60_000 + i), amount_sat=1)
                for i in range(2)
            )
            wallet.pay(seen["address"], 10_000)
            with paybell.follow_ws(seen) as follower:
                follower.wait_for("detected", "overpaid")
            paybell.kill()
            wallet.pay(unseen["address"], 10_000)
            node.generate(30)
            paybell.start()
            for payment in (seen, unseen):
                with paybell.follow_ws(payment) as follower:
                    follower.wait_for("confirmed")
                    assert "replaced" not in follower.types
