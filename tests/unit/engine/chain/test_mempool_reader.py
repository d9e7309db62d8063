"""A mempool that is told change by change: compared rarely, and never believed."""

import pytest

from engine.chain.mempool_reader import COMPARE_EVERY_S, DEAF_S, MAX_GAP_S, MAX_LIES
from engine.chain.sync import RoundLimits
from tests.tools.fake_feed import make_tx
from tests.unit.engine.chain.pushing_feed import PushingFeed, Reading

ALICE = b"\x00\x14" + b"a" * 20
BOB = b"\x00\x14" + b"b" * 20
CAROL = b"\x00\x14" + b"c" * 20
COIN = [("cc" * 32, 1)]


@pytest.fixture
def feed() -> PushingFeed:
    feed = PushingFeed(3)
    for number in range(5):
        feed.add(make_tx(f"old {number}", [(CAROL, number + 1)]))
    return feed


@pytest.fixture
def reading(feed: PushingFeed) -> Reading:
    """Level with the feed, Alice and Bob watched."""
    reading = Reading(feed, ALICE, BOB)
    reading.settle()
    assert reading.is_complete(ALICE)
    assert reading.unconfirmed == set(feed.pool)
    feed.asked_names, feed.requests = 0, 0
    feed.asked_for.clear()
    return reading


def test_a_quiet_round_costs_one_request_and_proves_absence(reading: Reading) -> None:
    for _ in range(5):
        assert not reading.round().more
        assert reading.is_complete(ALICE)
    assert reading.feed.requests == 5


def test_what_concerns_nobody_is_not_asked_for(reading: Reading) -> None:
    feed = reading.feed
    feed.add(make_tx("other", [(CAROL, 7)]))
    assert not reading.round().more
    assert feed.requests == 1
    assert reading.unconfirmed == set(feed.pool)
    assert reading.is_complete(ALICE)


def test_what_pays_somebody_is_the_nodes_word(reading: Reading) -> None:
    feed = reading.feed
    tx = feed.add(make_tx("mine", [(ALICE, 7)]))
    result = reading.round()
    assert result.touched == {ALICE}
    assert feed.asked_for == [tx.txid]
    assert feed.asked_names == 0
    assert reading.sums(ALICE) == [(7, None)]
    assert reading.is_complete(ALICE)


def test_what_was_pushed_and_the_node_does_not_know_is_not_shown(
    reading: Reading,
) -> None:
    feed = reading.feed
    forged = make_tx("forged", [(ALICE, 1_000_000)])
    feed._rawtx(forged)
    feed.change(b"A", forged.txid)
    reading.settle()
    assert reading.sums(ALICE) == []
    assert forged.txid not in reading.unconfirmed


def test_who_is_watched_later_is_paid_only_by_what_the_node_knows(
    reading: Reading,
) -> None:
    feed = reading.feed
    gone = feed.add(make_tx("gone", [(CAROL, 77)]))
    there = feed.add(make_tx("there", [(CAROL, 78)]))
    reading.round()
    assert feed.asked_for == []
    del feed.pool[gone.txid]  # and nobody hears of it
    reading.index.watch(CAROL)
    reading.settle()
    assert set(feed.asked_for[:2]) == {gone.txid, there.txid}
    assert (78, None) in reading.sums(CAROL)
    assert (77, None) not in reading.sums(CAROL)


def test_a_replacement_is_seen_at_once_and_is_the_nodes_word(reading: Reading) -> None:
    feed = reading.feed
    feed.add(make_tx("first", [(ALICE, 10)], COIN))
    reading.round()
    second = feed.add(make_tx("second", [(CAROL, 9)], COIN))
    assert reading.round().touched == {ALICE}
    assert reading.sums(ALICE) == []
    assert second.txid in feed.asked_for
    assert reading.is_complete(ALICE)
    assert feed.asked_names == 0


def test_what_left_and_the_node_still_has_stays(reading: Reading) -> None:
    feed = reading.feed
    tx = feed.add(make_tx("mine", [(ALICE, 10)]))
    reading.round()
    feed.change(b"R", tx.txid)  # a lie
    reading.settle()
    assert reading.sums(ALICE) == [(10, None)]
    assert feed.asked_names == 1, "after a lie it is compared"


def test_what_left_is_gone_and_nothing_is_compared(reading: Reading) -> None:
    feed = reading.feed
    mine = feed.add(make_tx("mine", [(ALICE, 10)]))
    reading.round()
    feed.evict(mine.txid)
    feed.evict(make_tx("old 0", [(CAROL, 1)]).txid)
    result = reading.round()
    assert result.touched == {ALICE}
    assert reading.sums(ALICE) == []
    assert reading.unconfirmed == set(feed.pool)
    assert feed.asked_names == 0


def test_a_block_takes_its_own_and_nothing_is_compared(reading: Reading) -> None:
    feed = reading.feed
    feed.add(make_tx("mine", [(ALICE, 10)]))
    reading.round()
    block = feed.mine()
    result = reading.round()
    assert result.touched == {ALICE}
    assert reading.sums(ALICE) == [(10, block.header.height)]
    assert reading.is_complete(ALICE)
    assert feed.asked_names == 0


def test_a_block_that_is_undone_leads_to_a_comparison(reading: Reading) -> None:
    feed = reading.feed
    feed.add(make_tx("mine", [(ALICE, 10)]))
    feed.mine()
    reading.round()
    feed.reorg(1, [[], []])
    reading.settle()
    assert reading.sums(ALICE) == [(10, None)]
    assert reading.is_complete(ALICE)
    assert feed.asked_names == 1


def test_a_gap_leads_to_one_comparison(reading: Reading) -> None:
    feed = reading.feed
    feed.loses = lambda topic: True
    feed.add(make_tx("lost", [(ALICE, 10)]))
    feed.loses = lambda topic: False
    feed.add(make_tx("next", [(CAROL, 1)]))
    reading.settle()
    assert reading.sums(ALICE) == [(10, None)]
    reading.settle()
    assert feed.asked_names == 1


def test_what_is_lost_without_a_trace_is_missed_by_the_number(
    reading: Reading,
) -> None:
    """A publisher at its mark drops the newest, and says nothing after it."""
    feed = reading.feed
    feed.loses = lambda topic: True
    feed.add(make_tx("lost", [(ALICE, 10)]))
    result = reading.round()
    assert result.more
    assert not reading.is_complete(ALICE), "its absence was not proved meanwhile"
    for _ in range(5):
        reading.round()
    assert reading.sums(ALICE) == [(10, None)]
    assert reading.is_complete(ALICE)
    assert feed.asked_names == 1


def test_a_lost_block_is_read_all_the_same(reading: Reading) -> None:
    feed = reading.feed
    feed.add(make_tx("mine", [(ALICE, 10)]))
    reading.round()
    feed.loses = lambda topic: True
    block = feed.mine()
    reading.round()
    assert reading.sums(ALICE) == [(10, block.header.height)]
    assert feed.asked_names == 0


def test_another_connection_leads_to_a_comparison(reading: Reading) -> None:
    feed = reading.feed
    feed.log.disconnected(b"sequence", 1)
    feed.loses = lambda topic: True
    feed.add(make_tx("lost", [(ALICE, 10)]))
    reading.settle()
    assert reading.sums(ALICE) == [(10, None)], (
        "without it, it is as if it did not push"
    )
    reading.settle()
    assert feed.asked_names == 2
    feed.loses = lambda topic: False
    feed.reconnect()
    reading.settle()
    reading.settle()
    assert feed.asked_names == 3
    assert reading.is_complete(ALICE)


def test_it_is_compared_now_and_then_all_the_same(reading: Reading) -> None:
    reading.now += COMPARE_EVERY_S
    reading.settle()
    reading.settle()
    assert reading.feed.asked_names == 1


def test_numbers_that_never_agree_are_not_compared_for_ever(reading: Reading) -> None:
    """As of a node that counts otherwise, or a publisher that is another node's."""
    feed = reading.feed
    feed.says_size, feed.says = False, {"mempool_size": 1_000_000}
    began = reading.now
    while reading.now < began + 600:
        reading.round()
    assert feed.asked_names <= 600 / MAX_GAP_S + 8


def test_what_was_in_the_comparison_is_not_done_again(feed: PushingFeed) -> None:
    """What is pushed may be behind the names that were asked for."""
    reading = Reading(feed, ALICE)
    late: list[bytes] = []
    feed.loses = lambda topic: True
    tx = feed.add(make_tx("left", [(ALICE, 3)]))
    left = bytes.fromhex(tx.txid) + b"R" + feed.number.to_bytes(8, "little")
    late.append(left)
    feed.number += 2  # it left, and came again, before the names were asked for
    feed.loses = lambda topic: False
    reading.settle()
    assert reading.sums(ALICE) == [(3, None)]
    feed.reconnect()
    feed.log.take()
    for body in late:
        feed.publish(b"sequence", body)
    feed.asked_for.clear()
    reading.round()
    assert feed.asked_for == [], "it is not news"
    assert reading.sums(ALICE) == [(3, None)]


def test_what_comes_while_the_mempool_is_read_is_seen_at_once() -> None:
    feed = PushingFeed()
    for number in range(1_000):
        feed.pool[make_tx(f"{number}", []).txid] = make_tx(f"{number}", [(CAROL, 1)])
    reading = Reading(feed, ALICE)
    limits = RoundLimits(txs=100)
    assert reading.round(limits).more
    feed.add(make_tx("meanwhile", [(ALICE, 10)]))
    assert reading.round(limits).touched == {ALICE}
    assert not reading.is_complete(ALICE)
    assert feed.asked_names == 1, "its names are not asked for in each round"
    for _ in range(20):
        reading.round(limits)
    assert reading.unconfirmed == set(feed.pool)
    assert reading.is_complete(ALICE)


def test_without_pushes_what_comes_while_it_is_read_is_read_first() -> None:
    feed = PushingFeed()
    for number in range(1_000):
        feed.pool[make_tx(f"{number}", []).txid] = make_tx(f"{number}", [(CAROL, 1)])
    feed.log.disconnected(b"sequence", 1)
    reading = Reading(feed, ALICE)
    limits = RoundLimits(txs=100)
    assert reading.round(limits).more
    feed.add(make_tx("meanwhile", [(ALICE, 10)]))
    assert reading.round(limits).touched == {ALICE}


def test_a_source_that_is_behind_takes_nothing_away(reading: Reading) -> None:
    feed = reading.feed
    mine = feed.add(make_tx("mine", [(ALICE, 10)]))
    reading.round()
    feed.says = {"mempool_loaded": False}
    feed.evict(mine.txid)
    reading.settle()
    assert reading.sums(ALICE) == [(10, None)]
    assert not reading.is_complete(ALICE)
    feed.says = {}
    reading.settle()
    assert reading.sums(ALICE) == []


def test_a_publisher_of_what_the_node_does_not_know_is_not_listened_to(
    reading: Reading,
) -> None:
    """Another node's, or nobody's: it must not make us ask for ever."""
    feed = reading.feed

    def lie() -> None:
        for number in range(MAX_LIES + 1):
            feed.change(b"A", f"{number:064x}")
        feed.number -= MAX_LIES + 1

    lie()
    reading.settle()
    asked = len(feed.asked_for)
    for _ in range(5):
        lie()
        reading.settle()
    assert len(feed.asked_for) == asked
    feed.loses = lambda topic: True
    feed.add(make_tx("mine", [(ALICE, 10)]))
    reading.settle()
    assert reading.sums(ALICE) == [(10, None)], "it is compared as without pushes"
    feed.loses = lambda topic: False
    reading.now += DEAF_S
    feed.reconnect()
    reading.settle()
    feed.asked_names = 0
    feed.add(make_tx("heard again", [(ALICE, 11)]))
    reading.settle()
    assert (11, None) in reading.sums(ALICE)
    assert feed.asked_names == 0


def test_who_waits_for_a_proof_has_it_in_the_round_that_he_asked_for(
    feed: PushingFeed,
) -> None:
    """Of a source that pushes a part, which is compared at a poll's pace otherwise."""
    reading = Reading(feed, ALICE)
    feed.log.has_sequence = False
    reading.settle()
    assert reading.is_complete(ALICE)
    before = feed.asked_names
    reading.round(after_s=0.1)
    assert feed.asked_names == before
    assert not reading.is_complete(ALICE), "it was not looked"
    reading.round(after_s=0.1, must_prove=True)
    assert feed.asked_names == before + 1
    assert reading.is_complete(ALICE)


def test_a_node_that_may_push_and_does_not_is_compared_in_each_round() -> None:
    """Most have no ZMQ: each round proves what is not there, however soon it comes."""
    feed = PushingFeed(3)
    feed.log.has_sequence = False
    feed.log.heard = 0
    reading = Reading(feed, ALICE)
    for _ in range(5):
        reading.round(after_s=0.05)
        assert reading.is_complete(ALICE)
