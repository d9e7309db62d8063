"""Rounds of `sync` against a scripted feed: reorgs, lag, races, errors, bounds."""

import contextlib
import random
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.chain.feed import Block, ChainTx, Output, Tip
from engine.chain.script_index import LOOKBACK, ScriptIndex
from engine.chain.sync import MAX_CATCH_UP, Limits, SyncResult, sync
from engine.errors import SourceGarbage, SourceUnavailable
from tests.tools.fake_feed import FakeFeed, make_tx

ALICE = b"\x00\x14" + b"a" * 20
BOB = b"\x00\x14" + b"b" * 20


def synced(feed: FakeFeed, *watched: bytes) -> ScriptIndex:
    index = ScriptIndex()
    for script in watched:
        index.watch(script)
    settle(feed, index)
    return index


def settle(feed: FakeFeed, index: ScriptIndex) -> SyncResult:
    for _ in range(200):
        result = sync(feed, index)
        if not result.more:
            return result
    raise AssertionError("never came to an end")


def found(index: ScriptIndex, script: bytes = ALICE) -> list[tuple[int, int | None]]:
    return [(o.amount_sat, o.block_height) for o in index.view(script, "s").outputs]


def at_call(
    feed: FakeFeed, name: str, act: Callable[[], object], after: int = 0
) -> None:
    """Act once, before the call of this name that follows `after` such calls."""
    left = [after]

    def hook(call: str) -> None:
        if call != name:
            return
        left[0] -= 1
        if left[0] == -1:
            act()

    feed.on_call = hook


def fail() -> None:
    raise SourceUnavailable("fake: injected")


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
    at_call(feed, "tip", feed.undo, after=1)
    result = sync(feed, index, limits=Limits(blocks=1))
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
    at_call(feed, "tip", lambda: feed.reorg(1, [[], []]), after=1)
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


def test_a_lower_tip_is_a_rollback_only_on_the_sources_positive_word() -> None:
    feed = FakeFeed(20)
    feed.mine([make_tx("t", [(ALICE, 5)])])
    index = synced(feed, ALICE)
    (block,) = feed.undo()
    result = sync(feed, index)
    assert (result.undone, result.tip, result.lagging) == (1, feed.now, False)
    assert found(index) == [(5, None)]
    assert index.view(ALICE, "s", [block.header.hash]).off_chain == (block.header.hash,)


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


def test_a_lower_tip_of_a_node_that_still_has_our_block_is_no_rollback() -> None:
    """Its two answers are of two moments, or of two nodes."""
    feed = FakeFeed(20)
    block = feed.mine([make_tx("t", [(ALICE, 5)])])
    index = synced(feed, ALICE)
    below = Tip(20, block.header.prev_hash)
    feed.tip = lambda: below  # type: ignore[method-assign]
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


@pytest.mark.parametrize("depth", [1, 2, 3, 7, 13, 40, 99])
def test_the_fork_is_found_at_any_depth_in_few_requests(depth: int) -> None:
    feed = FakeFeed(120)
    index = ScriptIndex()
    settle_from(feed, index, Tip(20, feed.best[20]))
    feed.reorg(depth, [[] for _ in range(depth + 1)])
    result = sync(feed, index, limits=Limits(blocks=200))
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


def settle_from(feed: FakeFeed, index: ScriptIndex, start_from: Tip) -> int:
    blocks = 0
    for _ in range(200):
        result = sync(feed, index, start_from=start_from)
        blocks += result.blocks
        if not result.more:
            return blocks
    raise AssertionError("never came to an end")


def test_a_chain_that_shares_nothing_with_ours_is_read_anew() -> None:
    feed = FakeFeed(20)
    feed.mine([make_tx("t", [(ALICE, 5)])])
    index = synced(feed, ALICE)
    feed.reorg(20, [[] for _ in range(22)])
    assert settle(feed, index).lagging is False
    assert index.tip == feed.now
    assert found(index) == [(5, None)]


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


def test_after_too_long_an_absence_there_is_a_gap_and_nothing_is_complete() -> None:
    feed = FakeFeed(MAX_CATCH_UP + 30)
    index = ScriptIndex()
    index.watch(ALICE)
    result = sync(feed, index, start_from=Tip(20, feed.best[20]))
    assert (result.gap, result.blocks) == (True, LOOKBACK)
    assert not index.view(ALICE, "s").complete


def test_two_weeks_of_absence_are_read_and_no_block_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MAX_CATCH_UP == 2_016
    monkeypatch.setattr("engine.chain.sync.MAX_CATCH_UP", 20)
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
    sync(feed, index, start_from=seen, limits=Limits(blocks=200))
    assert index.chain.lowest == 57 - LOOKBACK + 1
    assert index.chain.is_off_chain(seen.hash)


def test_a_mark_above_the_tip_on_a_branch_that_is_known_is_no_lag() -> None:
    """The node says of each of its blocks that it was rolled back."""
    feed = FakeFeed(60)
    seen = feed.now
    feed.reorg(5, [[], []])
    index = ScriptIndex()
    result = sync(feed, index, start_from=seen, limits=Limits(blocks=200))
    assert index.chain.lowest == 55 - LOOKBACK + 1
    assert result.tip == feed.now


def test_a_node_behind_the_last_run_is_not_begun_with() -> None:
    feed = FakeFeed(20)
    index = ScriptIndex()
    with pytest.raises(SourceUnavailable, match="is at block 20, and 25 was seen"):
        sync(feed, index, start_from=Tip(25, "ee" * 32))
    assert index.tip is None


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
    limits = Limits(txs=200)
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


# What a history does to the node, and where it strikes a round of reading.
SCRIPTS = [b"\x00\x14" + bytes([i]) * 20 for i in range(4)]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "pay", "spend", "evict", "mine", "reorg", "shorten"]),
        st.integers(0, 2**32),
    ),
    max_size=5,
)
ROUND = st.tuples(
    STEPS,  # between two rounds
    STEPS,  # in the middle of the round,
    st.integers(0, 12),  # before this call
    st.sampled_from(["ok", "fail"]),
)


def act(feed: FakeFeed, step: tuple[str, int]) -> None:
    kind, seed = step
    rand = random.Random(seed)
    feed.acts += 1
    label = f"{kind} {seed} {feed.acts}"
    pays = [(rand.choice(SCRIPTS), rand.randrange(1, 9)) for _ in range(2)]
    pool = sorted(feed.pool)
    if kind == "pay":
        feed.add(make_tx(label, pays))
    elif kind == "spend" and pool:
        # A double spend or a child of what is in the mempool.
        tx = feed.pool[rand.choice(pool)]
        coin = rand.choice([tx.spends[0], (tx.txid, 0)])
        feed.add(make_tx(label, pays, [coin]))
    elif kind == "evict" and pool:
        feed.evict(rand.choice(pool))
    elif kind == "mine":
        feed.mine(minable(feed, rand))
    elif kind == "reorg":
        depth = rand.randrange(1, min(4, len(feed.best)))
        feed.undo(depth)
        for _ in range(depth + 1):
            feed.mine(minable(feed, rand))
    elif kind == "shorten" and len(feed.best) > 3:
        feed.undo(1)


def minable(feed: FakeFeed, rand: random.Random) -> list[ChainTx]:
    """Some of the mempool, parents before children and never without them."""
    chosen: dict[str, ChainTx] = {}
    for txid, tx in feed.pool.items():
        parents = {parent for parent, _ in tx.spends} & set(feed.pool)
        if parents <= set(chosen) and rand.random() < 0.6:
            chosen[txid] = tx
    return list(chosen.values())


def naive(feed: FakeFeed, script: bytes) -> set[Output]:
    """What a reader of the whole chain and mempool would list."""
    outputs = set()

    def look(tx: ChainTx, block: Block | None) -> None:
        for vout, out in enumerate(tx.outputs):
            if out.script == script:
                h = block.header if block else None
                where = (h.hash, h.height, h.time_s) if h else (None, None, None)
                outputs.add(Output(tx.txid, vout, out.amount_sat, *where))

    for tx in feed.pool.values():
        look(tx, None)
    for block_hash in feed.best:
        for tx in feed.blocks[block_hash].txs:
            look(tx, feed.blocks[block_hash])
    return outputs


@settings(max_examples=150, deadline=None)
@given(st.lists(ROUND, min_size=1, max_size=6), st.integers(1, 3))
@example(
    [
        ([], [("pay", 0), ("pay", 0)], 0, "ok"),
        ([], [], 0, "ok"),
        ([("reorg", 0)], [("shorten", 0), ("shorten", 0)], 11, "ok"),
    ],
    1,
)
def test_after_any_history_the_index_is_what_a_naive_reader_finds(
    rounds: list[tuple[list[tuple[str, int]], list[tuple[str, int]], int, str]],
    txs_per_round: int,
) -> None:
    feed = FakeFeed(4)
    index = ScriptIndex()
    for script in SCRIPTS:
        index.watch(script)
    settle(feed, index)
    ever: set[str] = set(feed.best)
    for between, middle, when, how in rounds:
        seen = {o.txid for s in SCRIPTS for o in index.view(s, "s").outputs}
        feed.vanished &= seen
        for step in between:
            act(feed, step)
            ever |= set(feed.best)

        calls = [0]

        def strike(
            _call: str,
            calls: list[int] = calls,
            when: int = when,
            how: str = how,
            middle: list[tuple[str, int]] = middle,
        ) -> None:
            calls[0] += 1
            if calls[0] == when + 1:
                for step in middle:
                    act(feed, step)
                if how == "fail":
                    fail()

        feed.on_call = strike
        with contextlib.suppress(SourceUnavailable):
            sync(feed, index, limits=Limits(blocks=2, txs=txs_per_round))
        feed.on_call = lambda call: None
        # Whatever happened: what existed all the time was not lost for a moment.
        now = {o.txid for s in SCRIPTS for o in index.view(s, "s").outputs}
        assert seen - feed.vanished <= now
        ever |= set(feed.best)
    settle(feed, index)
    for script in SCRIPTS:
        view = index.view(script, "s", sorted(ever))
        assert set(view.outputs) == naive(feed, script)
        assert view.complete
        assert not set(view.off_chain) & set(feed.best)
    assert index.tip == feed.now
