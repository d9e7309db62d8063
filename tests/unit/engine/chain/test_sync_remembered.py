"""What of a mempool that was not compared is known to be there now, and what is not."""

import pytest

from engine.chain.sync import sync
from engine.errors import SourceUnavailable
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.engine.chain.sync_steps import (
    ALICE,
    BOB,
    at_call,
    fail,
    found,
    settle,
    synced,
)


def test_what_a_round_neither_read_nor_compared_is_only_remembered() -> None:
    """It was double-spent since, by what is in a block that came meanwhile."""
    feed = FakeFeed(3)
    gone = feed.add(make_tx("gone", [(ALICE, 5)], [("cc" * 32, 0)]))
    index = synced(feed, ALICE)
    assert index.view(ALICE, "s").remembered == frozenset()
    other = make_tx("other", [(BOB, 5)], [("cc" * 32, 0)])
    new = feed.add(make_tx("new", [(ALICE, 7)]))
    feed.evict(gone.txid)
    at_call(feed, "mempool", lambda: feed.mine([other]))
    assert sync(feed, index).more
    assert sorted(found(index)) == [(5, None), (7, None)]
    assert index.view(ALICE, "s").remembered == {gone.txid}, "the new one was read now"
    at_call(feed, "mempool", fail)
    with pytest.raises(SourceUnavailable):
        sync(feed, index)
    assert index.view(ALICE, "s").remembered == {new.txid}, "that was a round before"
    settle(feed, index)
    assert found(index) == [(7, None)]
    assert index.view(ALICE, "s").remembered == frozenset()


def test_what_is_given_once_more_in_a_round_is_there_now() -> None:
    feed = FakeFeed(3)
    tx = feed.add(make_tx("t", [(ALICE, 5)]))
    index = synced(feed, ALICE)
    index.begin_round()
    assert index.view(ALICE, "s").remembered == {tx.txid}
    index.apply_mempool([tx], ())
    assert not index.view(ALICE, "s").complete
    assert index.view(ALICE, "s").remembered == frozenset()
    index.begin_round()
    assert index.view(ALICE, "s").remembered == {tx.txid}
