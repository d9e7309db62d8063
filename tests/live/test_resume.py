"""Clients cut off at any byte come back with the last seq they know and miss nothing.

Real sockets, a real node, eight writers at once. A seed says what is done; the timing
of the machine is not in it.

    PAYBELL_RECONNECTS    how often clients come back in all (1,500; `make soak` 20,000)
    PAYBELL_LIVE_SEED     what is done when
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import gevent
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine.payment.model import Terms
from tests.live.followers import KINDS, Follower, chain_of, journal_of, read_to_the_end
from tests.live.shop import Shop
from tests.tools.livenode import LiveNode, live_node
from tests.tools.proxy import Proxy, Toxic

RECONNECTS = int(os.environ.get("PAYBELL_RECONNECTS", "1500"))
BY_RULES = RECONNECTS // 10  # of them, by the state machine
FOLLOWERS_PER_KIND = 8
LONGEST_VISIT = 20_000  # bytes


def say(text: str) -> None:
    """For the report of a failure, and for `pytest -s`."""
    sys.stdout.write(text + "\n")


def any_toxic(random: Random) -> Toxic:
    """Cut somewhere: often early, seldom late, as likely in one byte as in another."""
    limit = int(LONGEST_VISIT ** random.random())
    slicer = random.choice((0, 0, 0, 7, 500)) if limit < 3_000 else 0
    return Toxic(limit, reset=random.random() < 0.5, slicer=slicer)


@pytest.mark.timeout_s(120 + RECONNECTS / 10)
def test_clients_cut_off_at_any_byte_are_all_told_the_same_whole_story(
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("PAYBELL_LIVE_SEED") or Random().randrange(2**32))
    say(f"PAYBELL_LIVE_SEED={seed} PAYBELL_RECONNECTS={RECONNECTS}")
    random = Random(seed)
    began = time.monotonic()
    with live_node(tmp_path) as node, Proxy(node.server.port, _cut(random)) as proxy:
        shop = Shop(node, random, pace=min(1.0, 1_000 / RECONNECTS))
        followers = [
            kind(node, random) for kind in KINDS for _ in range(FOLLOWERS_PER_KIND)
        ]
        shop.start()
        come_back_again_and_again(followers, shop, proxy, RECONNECTS - BY_RULES)
        shop.stop()
        took_s = time.monotonic() - began
        expect_the_same_story(followers, node, shop.payments)
        report(followers, shop, proxy, took_s)


def _cut(random: Random) -> Callable[[], Toxic]:
    return lambda: any_toxic(random)


def come_back_again_and_again(
    followers: list[Follower], shop: Shop, proxy: Proxy, reconnects: int
) -> None:
    wanted = reconnects + len(followers)  # the first time is not coming back

    def keep_coming(follower: Follower) -> None:
        while proxy.connections < wanted:
            follower.visit(proxy.port, shop.payments)

    coming = [gevent.spawn(keep_coming, follower) for follower in followers]
    for greenlet in coming:
        greenlet.get()


def expect_the_same_story(
    followers: list[Follower], node: LiveNode, payments: list[Terms]
) -> None:
    """What is missing in the end is read without trouble; then nobody lacks a word."""
    journal = read_to_the_end(followers, node, node.server.port, payments)
    for follower in followers:
        received = {payment_id: follower.received[payment_id] for payment_id in journal}
        assert received == journal
        assert chain_of(received) == chain_of(journal)


def report(followers: list[Follower], shop: Shop, proxy: Proxy, took_s: float) -> None:
    journal = journal_of(shop.node, shop.payments)
    codes = sorted({code for follower in followers for code in follower.codes})
    say(
        f"{proxy.connections - len(followers):,} reconnects of {len(followers)} clients"
        f" in {took_s:.1f} s, {proxy.cuts:,} cut by the proxy,"
        f" {sum(follower.torn for follower in followers):,} inside a frame or event;"
        f" {len(journal)} payments, {sum(map(len, journal.values())):,} events,"
        f" {shop.blocks} blocks, {shop.reorgs} reorgs;"
        f" told {sum(len(r) for f in followers for r in f.received.values()):,};"
        f" close codes {codes}; chain {chain_of(journal)[:16]}"
    )


class Resume(RuleBasedStateMachine):
    """A follower of each kind, one node for all examples; each has its own payments."""

    def __init__(self, node: LiveNode) -> None:
        super().__init__()
        self.node = node
        self.toxic = Toxic()
        self.proxy = Proxy(node.server.port, lambda: self.toxic)
        self.proxy.__enter__()
        self.payments: list[Terms] = []
        self.followers = [kind(node, Random(0), 0.02) for kind in KINDS]

    @rule(depth=st.integers(1, 3))
    def create(self, depth: int) -> None:
        self.payments.append(
            self.node.create(amount_sat=2_000, confirmations_required=depth)
        )

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), receipts=st.integers(1, 5))
    def pay(self, data: st.DataObject, receipts: int) -> None:
        payment = data.draw(st.sampled_from(self.payments))
        self.node.chain.pay_many([(payment.address, 700)] * receipts)

    @rule(blocks=st.integers(1, 3))
    def mine(self, blocks: int) -> None:
        self.node.chain.mine(blocks)

    @rule(remine=st.booleans())
    def reorg(self, remine: bool) -> None:
        self.node.chain.mine(1)
        self.node.chain.reorg(1, remine=remine)

    @precondition(lambda self: self.payments)
    @rule(
        data=st.data(),
        kind=st.integers(0, len(KINDS) - 1),
        limit=st.integers(1, 4_000),
        reset=st.booleans(),
        slicer=st.sampled_from((0, 3, 100)),
    )
    def come_and_be_cut_off(
        self, data: st.DataObject, kind: int, limit: int, reset: bool, slicer: int
    ) -> None:
        payment = data.draw(st.sampled_from(self.payments))
        self.toxic = Toxic(limit, reset=reset, slicer=slicer)
        self.followers[kind].visit(self.proxy.port, [payment])

    @invariant()
    def nothing_is_told_that_is_not_committed(self) -> None:
        journal = journal_of(self.node, self.payments)
        for follower in self.followers:
            for payment_id, record in follower.received.items():
                assert record == journal[payment_id][: len(record)]

    def teardown(self) -> None:
        try:
            port = self.node.server.port
            journal = read_to_the_end(self.followers, self.node, port, self.payments)
            for follower in self.followers:
                assert chain_of(follower.received) == chain_of(journal)
        finally:
            self.proxy.__exit__(None, None, None)


@pytest.mark.timeout_s(120 + BY_RULES / 5)
def test_whatever_is_done_in_whatever_order_every_client_has_the_whole_story(
    tmp_path: Path,
) -> None:
    visits = 0
    with live_node(tmp_path) as node:

        class Counted(Resume):
            def __init__(self) -> None:
                super().__init__(node)

            def teardown(self) -> None:
                super().teardown()
                nonlocal visits
                visits += sum(follower.visits for follower in self.followers)

        steps = 30
        run_state_machine_as_test(
            Counted,
            settings=settings(
                # About a fifth of the steps are visits, and some end each example.
                max_examples=max(10, BY_RULES // 7),
                stateful_step_count=steps,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    say(f"{visits:,} visits in the state machine")
