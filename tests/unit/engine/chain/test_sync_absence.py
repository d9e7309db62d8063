"""`sync` at a first start and after an absence: where it begins, which gap is known."""

import pytest

from engine.chain.feed import Output, Tip
from engine.chain.script_index import LOOKBACK, ScriptIndex
from engine.chain.sync import MAX_ABSENCE, MAX_CATCH_UP, RoundLimits, sync
from engine.errors import SourceBehind, SourceUnavailable
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.engine.chain.sync_steps import ALICE, BOB, found, settle, settle_from


@pytest.mark.parametrize("depth", [1, 2, 3, 7, 13, 40, 99])
def test_the_fork_is_found_at_any_depth_in_few_requests(depth: int) -> None:
    feed = FakeFeed(120)
    index = ScriptIndex()
    settle_from(feed, index, Tip(20, feed.best[20]))
    feed.reorg(depth, [[] for _ in range(depth + 1)])
    result = sync(feed, index, limits=RoundLimits(blocks=200))
    assert (result.undone, result.blocks) == (depth, depth + 1)
    searching = result.requests - 2 * result.blocks - 2
    assert searching <= 2 * depth.bit_length() + 3
    assert index.tip == feed.now


def test_a_first_start_reads_from_before_the_oldest_payment() -> None:
    """Another kind of source may have watched it; this one has no place of its own."""
    feed = FakeFeed(height=500)
    index = ScriptIndex()
    since_s = feed.blocks[feed.best[100]].header.time_s + 7_200
    result = sync(feed, index, since_s=since_s)
    assert index.chain.lowest == 100
    assert not result.gap
    assert feed.requests < 50 * 2 + 30, "found by halves"


def test_a_first_start_with_an_old_payment_reads_two_weeks_and_admits_the_gap() -> None:
    feed = FakeFeed(height=3_000)
    index = ScriptIndex()
    index.watch(ALICE)
    result = sync(feed, index, since_s=0)
    assert index.chain.lowest == 3_000 - LOOKBACK + 1 - MAX_CATCH_UP
    assert result.gap
    index.watch(BOB)
    while sync(feed, index).more:
        pass
    assert not index.view(ALICE, "s").complete
    assert index.view(BOB, "s").complete, "it was watched after that"


def test_a_pruned_node_is_read_from_where_it_has_blocks_and_the_gap_is_known() -> None:
    feed = FakeFeed(height=500)
    feed.lowest = 300
    index = ScriptIndex()
    index.watch(ALICE)
    result = sync(feed, index, start_from=Tip(100, feed.best[100]))
    assert index.chain.lowest == 300
    assert result.gap
    while sync(feed, index).more:
        pass
    assert not index.view(ALICE, "s").complete


def test_a_pruned_node_that_has_all_that_is_wanted_leaves_no_gap() -> None:
    feed = FakeFeed(height=500)
    feed.lowest = 300
    index = ScriptIndex()
    assert not sync(feed, index, start_from=Tip(480, feed.best[480])).gap


def test_a_first_start_with_new_payments_reads_the_last_blocks() -> None:
    feed = FakeFeed(height=500)
    index = ScriptIndex()
    sync(feed, index, since_s=feed.blocks[feed.best[-1]].header.time_s + 9_000)
    assert index.chain.lowest == 500 - LOOKBACK + 1


def test_catching_up_after_an_absence_reads_every_block_in_bounded_rounds() -> None:
    feed = FakeFeed(20)
    seen = feed.now
    paid = feed.mine([make_tx("t", [(ALICE, 5)])])
    for _ in range(150):
        feed.mine([])
    index = ScriptIndex()
    index.watch(ALICE)
    first = sync(feed, index, start_from=seen)
    assert (first.blocks, first.more) == (50, True)
    assert not index.view(ALICE, "s").complete
    assert settle_from(feed, index, seen) == 151 + LOOKBACK - 50
    assert found(index) == [(5, paid.header.height)]
    assert index.view(ALICE, "s").complete


def test_a_reorg_of_our_absence_is_told_by_walking_the_old_branch_back() -> None:
    feed = FakeFeed(60)
    tx = make_tx("t", [(ALICE, 5)])
    block = feed.mine([tx])
    for _ in range(LOOKBACK + 5):
        feed.mine([])
    seen = feed.now
    feed.reorg(LOOKBACK + 6, [[] for _ in range(LOOKBACK + 8)])
    index = ScriptIndex()
    index.watch(
        ALICE, [Output(tx.txid, 0, 5, block.header.hash, block.header.height, 1)]
    )
    settle_from(feed, index, seen)
    view = index.view(ALICE, "s", [block.header.hash])
    assert view.off_chain == (block.header.hash,)
    assert found(index) == [(5, None)]


def test_after_too_long_an_absence_there_is_a_gap_and_nothing_is_complete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.chain.sync.MAX_ABSENCE", 100)
    feed = FakeFeed(130)
    index = ScriptIndex()
    index.watch(ALICE)
    result = sync(feed, index, start_from=Tip(20, feed.best[20]))
    assert (result.gap, result.blocks) == (True, LOOKBACK)
    assert not index.view(ALICE, "s").complete


def test_a_quarter_of_a_year_of_absence_is_read_and_no_block_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (MAX_ABSENCE, MAX_CATCH_UP) == (13 * 1_008, 2_016)
    monkeypatch.setattr("engine.chain.sync.MAX_ABSENCE", 20)
    for away, gap in ((20, False), (21, True)):
        feed = FakeFeed(60)
        index = ScriptIndex()
        index.watch(ALICE)
        start = 60 - away
        result = sync(feed, index, start_from=Tip(start, feed.best[start]))
        assert result.gap is gap, away
        assert (settle(feed, index).gap, index.tip) == (False, feed.now)
        assert index.view(ALICE, "s").complete is not gap
        lowest = 60 - LOOKBACK + 1 if gap else start - LOOKBACK + 1
        assert index.chain.lowest == lowest


def test_a_chain_that_is_younger_than_two_weeks_has_no_gap() -> None:
    feed = FakeFeed(100)
    result = sync(feed, ScriptIndex(), since_s=0)
    assert not result.gap
    assert result.blocks == 50, "all of them, in steps"


def test_a_branch_that_we_know_of_only_by_its_tip_is_left_at_the_fork() -> None:
    """It was shorter than ours is now, so all that it had is read again."""
    feed = FakeFeed(60)
    seen = feed.now
    feed.reorg(3, [[] for _ in range(5)])
    index = ScriptIndex()
    sync(feed, index, start_from=seen, limits=RoundLimits(blocks=200))
    assert index.chain.lowest == 57 - LOOKBACK + 1
    assert index.chain.is_off_chain(seen.hash)


def test_a_mark_above_the_tip_is_a_lag_even_if_the_node_denies_its_block() -> None:
    """Core says so of every block above its tip, after an unclean stop for one."""
    feed = FakeFeed(60)
    seen = feed.now
    feed.reorg(5, [[], []])
    header = feed.header(seen.hash)
    assert header is not None
    assert header.in_best_chain is False
    index = ScriptIndex()
    with pytest.raises(SourceBehind, match="is at block 57, and 60 was seen"):
        sync(feed, index, start_from=seen)
    assert index.tip is None
    assert not index.chain.is_off_chain(seen.hash)


def test_a_mark_on_a_branch_that_was_left_is_begun_at_the_fork() -> None:
    feed = FakeFeed(60)
    seen = feed.now
    feed.reorg(5, [[] for _ in range(6)])
    index = ScriptIndex()
    result = sync(feed, index, start_from=seen, limits=RoundLimits(blocks=200))
    assert index.chain.lowest == 55 - LOOKBACK + 1
    assert result.tip == feed.now


def test_a_node_behind_the_last_run_is_not_begun_with() -> None:
    feed = FakeFeed(20)
    index = ScriptIndex()
    with pytest.raises(SourceUnavailable, match="is at block 20, and 25 was seen"):
        sync(feed, index, start_from=Tip(25, "ee" * 32))
    assert index.tip is None


@pytest.mark.parametrize("ahead_s", [0, 4 * 3_600])
def test_a_first_start_goes_by_the_height_where_the_clock_was_ahead(
    ahead_s: int,
) -> None:
    """By its time the oldest payment was made after the blocks that paid it."""
    feed = FakeFeed(height=500)
    index = ScriptIndex()
    made_s = feed.blocks[feed.best[450]].header.time_s + ahead_s
    result = sync(feed, index, since_s=made_s + 7_200, since_height=450)
    assert index.chain.lowest == 450 - LOOKBACK + 1
    assert not result.gap


def test_a_first_start_goes_by_the_time_where_that_is_further_down() -> None:
    feed = FakeFeed(height=500)
    index = ScriptIndex()
    made_s = feed.blocks[feed.best[100]].header.time_s
    sync(feed, index, since_s=made_s + 7_200, since_height=450)
    assert index.chain.lowest == 100


def test_a_payment_that_is_made_too_far_down_leaves_a_gap_whatever_its_clock_said() -> (
    None
):
    feed = FakeFeed(height=3_000)
    lowest = 3_000 - LOOKBACK + 1 - MAX_CATCH_UP
    now_s = feed.blocks[feed.best[-1]].header.time_s + 9_000
    for made_at, gap in ((lowest + LOOKBACK - 1, False), (lowest + LOOKBACK - 2, True)):
        index = ScriptIndex()
        index.watch(ALICE)
        result = sync(feed, index, since_s=now_s, since_height=made_at)
        assert (index.chain.lowest, result.gap) == (lowest, gap)
        while sync(feed, index).more:
            pass
        assert index.view(ALICE, "s").complete is not gap
