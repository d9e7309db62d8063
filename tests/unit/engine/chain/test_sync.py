"""Rounds of `sync` against a scripted feed: reorgs, lag, races, errors, bounds."""

import pytest
from msgspec.structs import replace

from engine.chain.feed import Block, SourceStatus, Tip
from engine.chain.script_index import LOOKBACK, ScriptIndex
from engine.chain.sync import RoundLimits, sync
from engine.chain.witness import Best, Yardstick
from engine.errors import SourceGarbage, SourceUnavailable
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.engine.chain.sync_steps import (
    ALICE,
    BOB,
    at_call,
    fail,
    found,
    settle,
    settle_from,
    synced,
)


def test_the_first_round_reads_the_last_blocks_and_the_mempool() -> None:
    feed = FakeFeed(30)
    feed.mine([make_tx("old", [(ALICE, 1)])])
    feed.add(make_tx("new", [(ALICE, 2)]))
    index = ScriptIndex()
    index.watch(ALICE)
    result = sync(feed, index)
    assert (result.blocks, result.more, result.gap) == (LOOKBACK, False, False)
    assert result.tip == result.feed_tip == feed.now
    assert result.touched == {ALICE}
    assert found(index) == [(1, 31), (2, None)]
    assert index.view(ALICE, "s").complete


@pytest.mark.parametrize("watched", [10, 10_000])
def test_requests_do_not_depend_on_how_many_scripts_are_watched(watched: int) -> None:
    feed = FakeFeed(20)
    scripts = [b"\x00\x14" + i.to_bytes(20, "big") for i in range(watched)]
    index = synced(feed, *scripts)
    for i in range(40):
        feed.add(make_tx(f"pay {i}", [(scripts[i % watched], 100 + i)]))
    idle = feed.requests
    assert sync(feed, index).requests == 4  # tip, mempool, transactions, tip
    feed.mine()
    result = sync(feed, index)
    assert result.requests == 5  # tip, block_hash, block, mempool, tip
    assert len(result.touched) == min(watched, 40)
    assert sync(feed, index).requests == 3
    assert feed.requests - idle == 12


def test_a_mined_transaction_is_never_in_neither_mempool_nor_block() -> None:
    """It is mined right between the answers of `tip` and of `mempool`."""
    feed = FakeFeed(3)
    feed.add(make_tx("t", [(ALICE, 5)]))
    index = synced(feed, ALICE)
    at_call(feed, "mempool", feed.mine)
    result = sync(feed, index)
    assert result.more
    assert found(index) == [(5, None)]
    assert settle(feed, index).touched == {ALICE}
    assert found(index) == [(5, 4)]
    assert index.view(ALICE, "s").complete


def test_a_mempool_of_a_longer_chain_is_not_taken_for_the_one_at_our_tip() -> None:
    """We stop at the block below the one that has it; then that one is rolled back."""
    feed = FakeFeed(3)
    tx = feed.add(make_tx("t", [(ALICE, 5)]))
    index = synced(feed, ALICE)
    feed.mine([])
    feed.mine([tx])
    at_call(feed, "status", feed.undo, after=1)
    result = sync(feed, index, limits=RoundLimits(blocks=1))
    assert result.feed_tip == result.tip, "the source is where we are, now"
    assert found(index) == [(5, None)], "it was in the mempool or in a block throughout"
    assert result.more
    assert not index.view(ALICE, "s").complete
    settle(feed, index)
    assert found(index) == [(5, None)]


def test_a_reorg_between_tip_and_mempool_does_not_lose_what_went_back() -> None:
    feed = FakeFeed(3)
    tx = make_tx("t", [(ALICE, 5)])
    feed.mine([tx])
    index = synced(feed, ALICE)
    at_call(feed, "status", lambda: feed.reorg(1, [[], []]), after=1)
    assert sync(feed, index).more
    assert found(index) == [(5, 4)], "as of the chain that was read"
    settle(feed, index)
    assert found(index) == [(5, None)]


def test_a_reorg_is_followed_to_the_fork_and_told_as_off_chain() -> None:
    feed = FakeFeed(40)
    stays = make_tx("stays", [(ALICE, 1)])
    moves = make_tx("moves", [(ALICE, 2)])
    dies = make_tx("dies", [(ALICE, 3)], [("cc" * 32, 0)])
    old = [feed.mine([stays]), feed.mine([moves]), feed.mine([dies])]
    index = synced(feed, ALICE)
    spend = make_tx("other", [(BOB, 3)], [("cc" * 32, 0)])
    feed.reorg(2, [[spend], [], [moves]])
    result = sync(feed, index)
    assert (result.undone, result.blocks, result.lagging) == (2, 3, False)
    assert found(index) == [(1, 41), (2, 44)]
    hashes = [block.header.hash for block in old]
    assert list(index.view(ALICE, "s", hashes).off_chain) == hashes[1:]


def test_a_view_is_complete_only_by_a_comparison_of_its_own_round() -> None:
    """A payment expired by what an earlier round knew, though it was paid since."""
    feed = FakeFeed(20)
    index = synced(feed, ALICE)
    assert index.view(ALICE, "s").complete
    at_call(feed, "mempool", lambda: feed.mine([make_tx("t", [(ALICE, 5)])]))
    assert sync(feed, index).more
    assert found(index) == [], "it is in a block that this round did not read"
    assert not index.view(ALICE, "s").complete
    settle(feed, index)
    assert found(index) == [(5, 21)]
    assert index.view(ALICE, "s").complete


def test_an_error_in_the_middle_of_a_reorg_keeps_every_transaction() -> None:
    feed = FakeFeed(20)
    tx = make_tx("t", [(ALICE, 5)])
    feed.mine([tx])
    index = synced(feed, ALICE)
    feed.reorg(1, [[], [tx]])
    at_call(feed, "block", fail)
    with pytest.raises(SourceUnavailable, match="injected"):
        sync(feed, index)
    view = index.view(ALICE, "s")
    assert [(o.amount_sat, o.block_hash) for o in view.outputs] == [(5, None)]
    assert not view.complete
    assert sync(feed, index).touched == {ALICE}, "also what the failed round touched"
    assert found(index) == [(5, 22)]


def test_a_lower_tip_undoes_nothing_whatever_is_said_of_the_higher_one() -> None:
    """Core after an unclean stop calls the blocks above its tip off its chain."""
    feed = FakeFeed(20)
    feed.mine([make_tx("t", [(ALICE, 5)])])
    index = synced(feed, ALICE)
    tip = feed.now
    (block,) = feed.undo()
    header = feed.header(block.header.hash)
    assert header is not None
    assert header.in_best_chain is False
    result = sync(feed, index)
    assert (result.undone, result.tip, result.lagging) == (0, tip, True)
    assert result.assessment.reason == "at block 20; block 21 was seen"
    assert not result.is_current
    assert found(index) == [(5, 21)]
    view = index.view(ALICE, "s", [block.header.hash])
    assert (view.off_chain, view.complete) == ((), False)


def test_a_rollback_is_believed_when_the_chain_is_as_high_again() -> None:
    feed = FakeFeed(20)
    feed.mine([make_tx("t", [(ALICE, 5)])])
    index = synced(feed, ALICE)
    (block,) = feed.undo()
    sync(feed, index)
    feed.mine([])
    result = settle(feed, index)
    assert (result.undone, result.lagging, result.is_current) == (1, False, True)
    assert found(index) == [(5, None)]
    assert index.view(ALICE, "s", [block.header.hash]).off_chain == (block.header.hash,)


@pytest.mark.parametrize(("work", "undone"), [(999, 0), (1_001, 2)])
def test_a_lower_tip_undoes_blocks_if_its_chain_has_more_work(
    work: int, undone: int
) -> None:
    feed = FakeFeed(20)
    feed.mine([make_tx("t", [(ALICE, 5)])])
    feed.mine([])
    feed.says = {"chainwork": 1_000}
    index = synced(feed, ALICE)
    yardstick = Yardstick(Best(feed.now, 0, chainwork=1_000))
    feed.reorg(2, [[]])
    feed.says = {"chainwork": work}
    result = sync(feed, index, yardstick=yardstick)
    assert (result.undone, result.lagging) == (undone, not undone)
    assert found(index) == [(5, None if undone else 21)]


def test_a_longer_chain_of_less_work_undoes_nothing() -> None:
    feed = FakeFeed(20)
    feed.mine([make_tx("t", [(ALICE, 5)])])
    index = synced(feed, ALICE)
    yardstick = Yardstick(Best(feed.now, 0, chainwork=1_000))
    feed.reorg(1, [[], [], []])
    feed.says = {"chainwork": 900}
    result = sync(feed, index, yardstick=yardstick)
    assert (result.lagging, result.undone) == (True, 0)
    assert "less work" in (result.assessment.reason or "")


@pytest.mark.parametrize("middle", [1, 2, 3])
def test_a_chain_that_falls_back_while_the_fork_is_looked_for_undoes_nothing(
    middle: int,
) -> None:
    """That no block stands at a height is not that another one does."""
    feed = FakeFeed(40)
    index = ScriptIndex()
    settle_from(feed, index, Tip(10, feed.best[10]))
    tip = feed.now
    feed.reorg(9, [[] for _ in range(10)])
    at_call(feed, "block_hash", lambda: feed.undo(25), after=middle)
    result = sync(feed, index)
    assert (result.lagging, result.undone, index.tip) == (True, 0, tip)


def test_a_node_that_lags_behind_a_load_balancer_is_not_a_reorg() -> None:
    feed = FakeFeed(20)
    block = feed.mine([make_tx("t", [(ALICE, 5)])])
    feed.add(make_tx("u", [(ALICE, 6)]))
    index = synced(feed, ALICE)
    behind = FakeFeed(20)  # the same blocks, without the last
    assert behind.now == Tip(20, block.header.prev_hash)
    result = sync(behind, index)
    assert result.lagging
    assert not result.more
    assert (result.tip, result.feed_tip) == (feed.now, behind.now)
    assert (result.undone, result.touched) == (0, frozenset())
    assert found(index) == [(5, 21), (6, None)], "nor is its mempool believed"


def test_what_a_lagging_node_shows_at_its_round_s_end_is_its_last_word() -> None:
    """It had caught up meanwhile, and more (world 83268): who falls back to our tip
    after that is behind what was shown."""
    feed = FakeFeed(20)
    index = synced(feed, ALICE)
    tip = feed.now
    feed.undo()
    at_call(feed, "mempool", lambda: feed.reorg(0, [[], [], []]))
    result = sync(feed, index, yardstick=Yardstick(Best(tip, 0)))
    assert (result.lagging, result.undone, result.tip) == (True, 0, tip)
    assert result.status.tip == result.feed_tip == feed.now
    assert feed.now.height == 22
    assert result.assessment.reason == "at block 19; block 20 was seen"
    assert not result.is_current


def test_a_lower_tip_of_a_node_that_still_has_our_block_is_no_rollback() -> None:
    """Its two answers are of two moments, or of two nodes."""
    feed = FakeFeed(20)
    block = feed.mine([make_tx("t", [(ALICE, 5)])])
    index = synced(feed, ALICE)
    below = Tip(20, block.header.prev_hash)
    feed.status = lambda: SourceStatus(below)  # type: ignore[method-assign]
    result = sync(feed, index)
    assert (result.lagging, result.undone) == (True, 0)
    assert found(index) == [(5, 21)]


@pytest.mark.parametrize("wrong", ["hash", "height"])
def test_a_block_must_be_the_one_asked_for_in_hash_and_height(wrong: str) -> None:
    feed = FakeFeed(20)
    index = synced(feed, ALICE)
    block = feed.mine([make_tx("t", [(ALICE, 5)])])
    header = block.header
    if wrong == "hash":
        header = replace(header, hash="ff" * 32)
    else:
        header = replace(header, height=22)
    feed.blocks[block.header.hash] = Block(header, block.txs)
    with pytest.raises(SourceGarbage, match="sent another block"):
        sync(feed, index)
    assert index.tip == Tip(20, feed.best[20])
    assert found(index) == []


def test_a_block_of_a_foreign_chain_is_not_believed() -> None:
    """It has the hash that stands there, and does not follow the block below."""
    feed = FakeFeed(20)
    index = synced(feed, ALICE)
    block = feed.mine([make_tx("t", [(ALICE, 5)])])
    header = replace(block.header, prev_hash="ee" * 32)
    feed.blocks[header.hash] = Block(header, block.txs)
    result = sync(feed, index)
    assert (result.blocks, result.more) == (0, True)
    assert index.tip == Tip(20, feed.best[20])
    assert found(index) == []


def test_a_higher_node_that_falls_back_while_asked_is_not_a_reorg_either() -> None:
    feed = FakeFeed(20)
    index = synced(feed, ALICE)
    feed.mine([])
    behind = FakeFeed(19)
    whole = list(feed.best)

    def fall_back() -> None:
        feed.best[:] = behind.best

    at_call(feed, "block_hash", fall_back)
    result = sync(feed, index)
    assert result.lagging
    assert index.tip == Tip(20, whole[20])


def test_a_node_that_forgets_invalidated_blocks_is_believed_once_it_is_as_high() -> (
    None
):
    feed = FakeFeed(20)
    feed.mine([make_tx("t", [(ALICE, 5)])])
    index = synced(feed, ALICE)
    (block,) = feed.undo()
    feed.forget(block.header.hash)
    assert sync(feed, index).lagging
    assert found(index) == [(5, 21)]
    feed.mine([])
    assert sync(feed, index).undone == 1
    assert found(index) == [(5, None)]


def test_a_chain_that_shares_nothing_with_ours_is_read_anew() -> None:
    feed = FakeFeed(20)
    feed.mine([make_tx("t", [(ALICE, 5)])])
    index = synced(feed, ALICE)
    feed.reorg(20, [[] for _ in range(22)])
    assert settle(feed, index).lagging is False
    assert index.tip == feed.now
    assert found(index) == [(5, None)]


def test_a_full_mempool_is_read_in_bounded_rounds_and_is_incomplete_until_then() -> (
    None
):
    feed = FakeFeed(3)
    index = synced(feed, ALICE)
    gone = feed.add(make_tx("gone", [(ALICE, 9)]))
    settle(feed, index)
    feed.evict(gone.txid)
    for i in range(450):
        feed.add(make_tx(f"t{i}", [(ALICE, 1)]))
    limits = RoundLimits(txs=200)
    counts = []
    for _ in range(3):
        result = sync(feed, index, limits=limits)
        counts.append((len(found(index)), result.more))
    assert counts == [(201, True), (401, True), (450, False)]


def test_a_feed_that_sends_another_block_than_asked_for_is_garbage() -> None:
    feed = FakeFeed(20)
    index = synced(feed, ALICE)
    feed.mine([])
    other = feed.blocks[feed.best[3]]
    feed.blocks[feed.best[-1]] = other
    with pytest.raises(SourceGarbage, match="fake: sent another block"):
        sync(feed, index)
    assert index.tip == Tip(20, feed.best[20])


def test_a_reorg_between_two_blocks_of_a_round_ends_it_and_the_next_follows() -> None:
    feed = FakeFeed(20)
    index = synced(feed, ALICE)
    for _ in range(4):
        feed.mine([])
    at_call(feed, "block_hash", lambda: feed.reorg(3, [[] for _ in range(4)]), after=3)
    result = sync(feed, index)
    assert (result.blocks, result.more) == (2, True)
    assert settle(feed, index).undone == 1
    assert index.tip == feed.now


def test_progress_is_told_while_blocks_and_transactions_are_read() -> None:
    feed = FakeFeed(20)
    for i in range(250):
        feed.add(make_tx(f"t{i}", [(ALICE, 1)]))
    told: list[int | None] = []
    sync(
        feed,
        ScriptIndex(),
        lambda tip, target: told.append(tip.height if tip else None),
    )
    assert told[0] is None
    assert {*range(9, 21)} <= set(told)
    assert told.count(20) >= 4
