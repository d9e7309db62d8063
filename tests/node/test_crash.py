"""Killed at any moment, under traffic: nothing is lost, doubled or told out of order.

`run.py serve` gets SIGKILL again and again while orders come in, are paid, cancelled
and mined or run out, webhooks go to an endpoint that often fails and browsers follow;
each time it is started again on the same database and port. How it ends is compared
with what really happened on the chain, and with a Paybell beside it that was left
alone.

PAYBELL_CRASH_KILLS sets how many kills (12, in one world; `make soak` has 1,000, and
from 20 on there are two worlds side by side), PAYBELL_CRASH_SEED what is done when; the
timing of the machine is not in the seed.
"""

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from random import Random

import gevent
import pytest
from standardwebhooks.webhooks import Webhook

from tests.node.bcoin import BcoinNode
from tests.node.crash import WANTED, Events, Moody, World, unlike
from tests.node.paybell import Paybell
from tests.node.rawtx import address_for
from tests.node.traffic import Traffic

KILLS = int(os.environ.get("PAYBELL_CRASH_KILLS", "12"))
WORLDS = 1 if KILLS < 20 else 2  # at the same time; each costs a chain and a control


@pytest.mark.timeout_s(200 + 5 * KILLS)
def test_killed_at_random_moments_it_ends_as_it_would_have_without(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    seed = int(os.environ.get("PAYBELL_CRASH_SEED") or Random().randrange(2**32))
    again = f"PAYBELL_CRASH_SEED={seed} PAYBELL_CRASH_KILLS={KILLS}"
    sys.stdout.write(again + "\n")  # for the report of a failure
    hit: Counter[str] = Counter()
    lines: list[str] = []

    def live(number: int) -> None:
        random = Random(f"{seed}/{number}")
        with World(tmp_path / f"world-{number}", random) as world:
            world.kill_again_and_again(KILLS // WORLDS)
            stories = world.settle()
            hit.update(world.phases)
            lines.extend(world.lines(stories))
            expect_the_truth(world, stories)
            expect_webhooks(stories, world.endpoint, Webhook(world.secret))
            expect_followers(world.traffic, stories)
            expect_pages(world.traffic, stories)
            world.paybell.stop()
            assert world.paybell.trouble == []
            world.paybell.replay_check()

    worlds = [gevent.spawn(live, number) for number in range(WORLDS)]
    try:
        gevent.joinall(worlds, raise_error=True)
    finally:
        gevent.killall(worlds)
    record_property("figures", "\n".join([again, *lines]))
    assert hit.keys() >= {"its first start", *WANTED}, "it proves too little"


def expect_the_truth(world: World, stories: dict[str, Events]) -> None:
    """Each order is one payment, each payment what the chain and the control say."""
    payments = {payment["id"]: payment for payment in world.paybell.payments()}
    control = {p["external_id"]: p for p in world.control.payments()}
    orders = world.traffic.orders
    assert sorted(payments) == sorted(order.id for order in orders)
    assert sorted(stories) == sorted(payments)
    for order in orders:
        payment, story = payments[order.id], stories[order.id]
        assert payment["external_id"] == order.number
        assert [event["seq"] for event in story] == list(range(1, len(story) + 1))
        assert payment["seq"] == len(story)
        assert payment["status"] == order.ends, (order, payment)
        assert payment["received_sat"] == order.paid_sat, (order, payment)
        txids = sorted(receipt["txid"] for receipt in payment["receipts"])
        assert txids == sorted(order.txids), (order, payment)
        too_little = bool(order.txids) and not order.is_paid
        assert ("underpaid" in payment["flags"]) is too_little, (order, payment)
        assert ("overpaid" in payment["flags"]) is (order.plan == "too much")
        types = Counter(event["type"] for event in story)
        assert types["payment.created"] == 1
        confirmations = types["payment.reversed"] + order.is_paid
        assert types["payment.confirmed"] == confirmations, story
        if order.is_paid:
            assert payment["confirmed_sat"] == order.paid_sat, (order, payment)
        for end in ("cancelled", "expired"):
            assert types[f"payment.{end}"] == (order.ends == end), story
        assert not (told := unlike(order, payment, control[order.number])), told


def expect_webhooks(
    stories: dict[str, Events], endpoint: Moody, webhook: Webhook
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


def expect_followers(traffic: Traffic, stories: dict[str, Events]) -> None:
    """Each has the whole story, once and in order, however often it was cut off."""
    for payment_id, follower in traffic.followers.items():
        follower.wait_for_seq(len(stories[payment_id]))
        assert follower.events == stories[payment_id]


TOLD = ("confirmed", "expired", "cancelled", "reversed")


def expect_pages(traffic: Traffic, stories: dict[str, Events]) -> None:
    """On Socket.IO: each step on the way and each end, once and in order."""
    assert traffic.pages
    for payment_id, page in traffic.pages.items():
        expected = [
            (event["seq"], event["type"])
            for event in stories[payment_id]
            if event["type"] != "payment.created"
            and (
                event["status"] in ("pending", "confirming")
                or event["type"].removeprefix("payment.") in TOLD
            )
        ]
        page.wait_for_seq(expected[-1][0] if expected else 0)
        assert page.story == expected, (page.story, stories[payment_id])
        paid = [seq for seq, kind in expected if kind == "payment.confirmed"]
        assert page.completed == paid


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
