"""A mempool that is lost is not money that was taken back."""

import pytest

from engine.chain.disappearance import MAX_UNLISTED_MS
from engine.chain.feed import ChainTx
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import SyncResult, sync
from engine.chain.witness import Yardstick
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.engine.chain.sync_steps import ALICE, BOB, found, settle, synced

NOW = 1_800_000_000_000


def pool_of(feed: FakeFeed, count: int) -> list[ChainTx]:
    """So many that pay nobody in particular."""
    return [feed.add(make_tx(f"other {n}", [(b"\x51other", 1)])) for n in range(count)]


def lose(feed: FakeFeed, *txs: ChainTx) -> None:
    """They are merely not listed any more, without a word why."""
    for tx in txs:
        feed.pool.pop(tx.txid)


def look(feed: FakeFeed, index: ScriptIndex, at: int = NOW) -> SyncResult:
    return sync(feed, index, yardstick=Yardstick(now_ms=at))


@pytest.mark.parametrize("others", [0, 1, 9, 99])
def test_a_mempool_that_is_empty_at_once_takes_nothing_away(others: int) -> None:
    feed = FakeFeed(20)
    pool_of(feed, others)
    feed.add(make_tx("t", [(ALICE, 5)]))
    index = synced(feed, ALICE)
    feed.pool.clear()
    result = look(feed, index)
    assert result.disappeared == others + 1
    assert found(index) == [(5, None)]
    assert not index.view(ALICE, "s").complete, "nor does it prove that none came"
    assert look(feed, index).disappeared == 0
    assert found(index) == [(5, None)]
    assert index.view(ALICE, "s").complete, "what comes from now on is seen"
    (kept,) = index.view(ALICE, "s").outputs
    assert not kept.verified_by_source, "nobody is to confirm anything by it"
    assert len(index.pool) == 1, "what pays nobody is let go"


@pytest.mark.parametrize(
    ("lost", "total", "stays"),
    [(1, 2, False), (1, 50, False), (2, 8, False), (3, 8, True), (2, 3, True)],
)
def test_a_few_that_are_dropped_are_gone_and_a_mass_is_not(
    lost: int, total: int, stays: bool
) -> None:
    feed = FakeFeed(20)
    paid = feed.add(make_tx("t", [(ALICE, 5)]))
    others = pool_of(feed, total - 1)
    index = synced(feed, ALICE)
    lose(feed, paid, *others[: lost - 1])
    look(feed, index)
    assert found(index) == ([(5, None)] if stays else [])


def test_what_is_not_listed_any_more_is_mined_like_any_other() -> None:
    feed = FakeFeed(20)
    paid = feed.add(make_tx("t", [(ALICE, 5)]))
    index = synced(feed, ALICE)
    feed.pool.clear()
    look(feed, index)
    feed.mine([paid])
    settle(feed, index)
    assert found(index) == [(5, 21)]
    assert index.unlisted == {}


@pytest.mark.parametrize("how", ["mempool", "block"])
@pytest.mark.parametrize("of", ["itself", "its parent"])
def test_what_is_not_listed_any_more_goes_when_it_is_double_spent(
    how: str, of: str
) -> None:
    feed = FakeFeed(20)
    parent = feed.add(make_tx("parent", [(b"\x51other", 1)]))
    paid = feed.add(make_tx("t", [(ALICE, 5)], [(parent.txid, 0)]))
    index = synced(feed, ALICE)
    feed.pool.clear()
    look(feed, index)
    look(feed, index)
    coin = paid.spends[0] if of == "itself" else parent.spends[0]
    double = make_tx("double", [(BOB, 5)], [coin])
    if how == "mempool":
        feed.add(double)
    else:
        feed.mine([double])
    settle(feed, index)
    assert found(index) == []


def test_one_that_is_listed_again_can_be_dropped_again() -> None:
    feed = FakeFeed(20)
    paid = feed.add(make_tx("t", [(ALICE, 5)]))
    index = synced(feed, ALICE)
    feed.pool.clear()
    look(feed, index)
    feed.add(paid)
    others = pool_of(feed, 9)
    look(feed, index)
    assert index.unlisted == {}
    assert all(o.verified_by_source for o in index.view(ALICE, "s").outputs)
    lose(feed, paid)
    look(feed, index)
    assert found(index) == []
    assert others[0].txid in feed.pool


def test_a_mempool_that_comes_back_slowly_takes_nothing_away() -> None:
    feed = FakeFeed(20)
    txs = [feed.add(make_tx(f"t{n}", [(ALICE, n + 1)])) for n in range(8)]
    index = synced(feed, ALICE)
    feed.pool.clear()
    look(feed, index)
    for tx in txs:
        feed.add(tx)
        look(feed, index)
        assert len(found(index)) == 8
    assert index.unlisted == {}


def test_after_two_weeks_every_node_would_have_dropped_it() -> None:
    feed = FakeFeed(20)
    feed.add(make_tx("t", [(ALICE, 5)]))
    index = synced(feed, ALICE)
    feed.pool.clear()
    look(feed, index)
    look(feed, index, NOW + MAX_UNLISTED_MS - 1)
    assert found(index) == [(5, None)]
    result = look(feed, index, NOW + MAX_UNLISTED_MS)
    assert found(index) == []
    assert result.touched == {ALICE}
    assert index.unlisted == {}


def test_nobody_waits_for_what_is_watched_no_more() -> None:
    feed = FakeFeed(20)
    feed.add(make_tx("t", [(ALICE, 5)]))
    index = synced(feed, ALICE)
    feed.pool.clear()
    look(feed, index)
    index.unwatch(ALICE)
    look(feed, index)
    assert len(index.pool) == 0
    assert index.unlisted == {}


@pytest.mark.parametrize(
    "says", [{"mempool_loaded": False}, {"headers": 40}, {"doubt": "its index is old"}]
)
def test_the_mempool_of_a_source_that_is_behind_is_only_added_to(
    says: dict[str, object],
) -> None:
    feed = FakeFeed(20)
    paid = feed.add(make_tx("t", [(ALICE, 5)]))
    pool_of(feed, 30)
    index = synced(feed, ALICE)
    lose(feed, paid)
    feed.add(make_tx("new", [(ALICE, 6)]))
    feed.says = says
    result = look(feed, index)
    assert not result.is_current
    assert found(index) == [(5, None), (6, None)] or found(index) == [
        (6, None),
        (5, None),
    ]
    assert not index.view(ALICE, "s").complete
    feed.says = {}
    assert look(feed, index).is_current
    assert found(index) == [(6, None)], "now it counts that it is not listed"


def test_a_source_that_is_behind_replaces_nothing() -> None:
    """It may be reading back an old mempool, with what was replaced since."""
    feed = FakeFeed(20)
    paid = feed.add(make_tx("t", [(ALICE, 5)]))
    index = synced(feed, ALICE)
    feed.says = {"mempool_loaded": False}
    feed.pool.clear()
    feed.add(make_tx("older", [(BOB, 5)], paid.spends))
    look(feed, index)
    assert found(index) == [(5, None)]
    feed.says = {}
    look(feed, index)
    assert found(index) == [], "now it is its word"


def test_what_is_new_in_the_mempool_of_a_source_that_lags_is_shown() -> None:
    feed = FakeFeed(20)
    feed.mine([make_tx("t", [(ALICE, 5)])])
    index = synced(feed, ALICE)
    feed.undo(1)
    feed.add(make_tx("new", [(ALICE, 6)]))
    result = look(feed, index)
    assert (result.lagging, result.more) == (True, False)
    assert found(index) == [(5, 21), (6, None)]
    assert not index.view(ALICE, "s").complete


def test_a_source_that_falls_behind_in_the_middle_of_a_round_takes_nothing_away() -> (
    None
):
    feed = FakeFeed(20)
    paid = feed.add(make_tx("t", [(ALICE, 5)]))
    pool_of(feed, 30)
    index = synced(feed, ALICE)
    lose(feed, paid)

    def restart(call: str) -> None:
        if call == "mempool":
            feed.says = {"mempool_loaded": False}

    feed.on_call = restart
    assert not look(feed, index).is_current
    assert found(index) == [(5, None)]


def test_what_an_undone_block_gave_back_and_is_not_listed_is_gone() -> None:
    """A node drops what has no place in its new chain: no mempool was lost."""
    feed = FakeFeed(20)
    paid = make_tx("t", [(ALICE, 5)])
    feed.mine([paid])
    index = synced(feed, ALICE)
    feed.reorg(1, [[], []])
    lose(feed, paid)
    result = settle(feed, index)
    assert (result.disappeared, found(index)) == (0, [])


def test_what_was_given_back_is_lost_with_a_mempool_that_is_lost() -> None:
    feed = FakeFeed(20)
    paid = make_tx("t", [(ALICE, 5)])
    feed.mine([paid])
    pool_of(feed, 3)
    index = synced(feed, ALICE)
    feed.reorg(1, [[], []])
    feed.pool.clear()
    assert settle(feed, index).disappeared == 4
    assert found(index) == [(5, None)]


def test_what_was_given_back_and_listed_again_is_like_any_other() -> None:
    feed = FakeFeed(20)
    paid = make_tx("t", [(ALICE, 5)])
    feed.mine([paid])
    index = synced(feed, ALICE)
    feed.reorg(1, [[], []])
    settle(feed, index)
    assert paid.txid in feed.pool
    feed.pool.clear()
    assert settle(feed, index).disappeared == 1
    assert found(index) == [(5, None)]
