"""The header chain and the script index by themselves; test_sync.py drives them."""

import pytest
from msgspec.structs import replace

from engine.chain.feed import Header, Output, Tip
from engine.chain.header_chain import KEEP_HEADERS, HeaderChain
from engine.chain.script_index import LOOKBACK, ScriptIndex
from engine.errors import SourceUnavailable
from tests.tools.fake_feed import FakeFeed, make_tx

ALICE = b"\x00\x14" + b"a" * 20
BOB = b"\x00\x14" + b"b" * 20


def header(height: int, name: str | None = None, prev: str | None = None) -> Header:
    return Header(
        name or f"h{height}", prev or f"h{height - 1}", height, 1_000 + height, True
    )


def chain_of(*heights: int, keep: int = 100) -> HeaderChain:
    chain = HeaderChain(keep)
    for height in heights:
        chain.extend(header(height))
    return chain


def indexed(feed: FakeFeed, *watched: bytes) -> ScriptIndex:
    """An index that has read all the feed's blocks and its mempool."""
    index = ScriptIndex()
    for script in watched:
        index.watch(script)
    for block_hash in feed.best:
        index.apply_block(feed.blocks[block_hash])
    index.apply_mempool(feed.pool.values(), (), whole=True)
    return index


def outputs(index: ScriptIndex, script: bytes = ALICE) -> list[tuple[int, int | None]]:
    """(satoshi, height) of what the view lists."""
    return [(o.amount_sat, o.block_height) for o in index.view(script, "s").outputs]


def test_a_header_that_does_not_follow_is_refused_and_changes_nothing() -> None:
    chain = chain_of(5, 6)
    for wrong in (header(8), header(7, prev="other"), header(6)):
        with pytest.raises(ValueError, match="does not follow"):
            chain.extend(wrong)
    assert chain.tip == Tip(6, "h6")
    assert chain.lowest == 5


def test_a_rolled_back_block_is_off_chain_and_an_unknown_one_is_not() -> None:
    chain = chain_of(5, 6)
    assert chain.roll_back() == Tip(6, "h6")
    assert chain.is_off_chain("h6")
    assert not chain.is_off_chain("h5")
    assert not chain.is_off_chain("never heard of")
    assert (chain.hash_at(5), chain.hash_at(6)) == ("h5", None)


def test_another_block_at_its_height_proves_a_block_off_chain() -> None:
    chain = chain_of(5, 6)
    assert chain.is_off_chain("x6", 6)
    assert not chain.is_off_chain("h6", 6)
    assert not chain.is_off_chain("x7", 7), "above the tip nothing is known"
    assert not chain.is_off_chain("x4", 4), "below the window nothing is known"


def test_a_block_that_comes_back_is_on_chain_again() -> None:
    chain = chain_of(5, 6)
    chain.roll_back()
    chain.extend(header(6))
    assert not chain.is_off_chain("h6")


def test_the_header_window_is_bounded_and_forgets_the_lowest() -> None:
    chain = chain_of(*range(10), keep=4)
    assert chain.lowest == 6
    assert chain.hash_at(5) is None
    for _ in range(4):
        chain.roll_back()
    assert chain.tip is None
    assert chain.lowest is None
    with pytest.raises(ValueError, match="no block"):
        chain.roll_back()


def test_so_many_headers_and_rolled_back_blocks_are_remembered() -> None:
    assert KEEP_HEADERS == 2_100
    assert LOOKBACK == 12
    chain = chain_of(5)
    for number in range(2 * KEEP_HEADERS + 1):
        chain.mark_off_chain(f"lost {number}")
    assert not chain.is_off_chain("lost 0"), "the oldest is forgotten"
    assert chain.is_off_chain("lost 1")
    chain.mark_off_chain("lost 1")  # heard of again: it is the newest now
    chain.mark_off_chain("another")
    assert chain.is_off_chain("lost 1")
    assert not chain.is_off_chain("lost 2")


def test_an_older_block_that_was_called_lost_is_in_the_chain_after_all() -> None:
    chain = chain_of(5)
    chain.mark_off_chain("h4")
    chain.extend_back(header(4))
    assert not chain.is_off_chain("h4")
    assert chain.hash_at(4) == "h4"


def test_a_block_of_the_chain_cannot_be_marked_off_chain() -> None:
    with pytest.raises(ValueError, match="roll it back"):
        chain_of(5).mark_off_chain("h5")


def test_the_chain_grows_downwards_by_the_block_that_its_lowest_names() -> None:
    chain = chain_of(5, 6)
    assert chain.before == Tip(4, "h4")
    for wrong in (header(3), header(4, name="other")):
        with pytest.raises(ValueError, match="is not"):
            chain.extend_back(wrong)
    chain.extend_back(header(4))
    assert chain.lowest == 4
    assert chain.is_off_chain("x4", 4)
    assert chain.before == Tip(3, "h3")


def test_the_chain_grows_downwards_as_far_as_there_is_room() -> None:
    assert HeaderChain().before is None, "nothing was read"
    assert chain_of(0, 1).before is None, "there is none below the first"
    chain = chain_of(*range(10), keep=4)
    assert chain.before is None, "the window is full"
    chain.roll_back()
    assert chain.before == Tip(5, "h5"), "which was forgotten when it was full"


def test_an_older_block_that_does_not_fit_changes_nothing() -> None:
    feed = FakeFeed(30)
    index = ScriptIndex()
    for block_hash in feed.best[20:]:
        index.apply_block(feed.blocks[block_hash])
    with pytest.raises(ValueError, match="is not"):
        index.apply_older_block(feed.blocks[feed.best[18]])
    assert index.chain.lowest == 20


def test_an_older_block_shows_what_it_pays_and_takes_it_from_the_pool() -> None:
    feed = FakeFeed(5)
    old = feed.mine([make_tx("old", [(ALICE, 1), (BOB, 2)])])
    for _ in range(3):
        feed.mine([])
    index = ScriptIndex()
    index.watch(ALICE)
    for block_hash in feed.best[7:]:
        index.apply_block(feed.blocks[block_hash])
    index.apply_mempool(old.txs[1:], (), whole=True)
    assert outputs(index) == [(1, None)]
    assert index.take_touched() == {ALICE}
    assert index.apply_older_block(old) == {ALICE}
    assert outputs(index) == [(1, 6)]
    assert index.take_touched() == {ALICE}
    assert outputs(index, BOB) == [], "only for scripts that are watched"


def test_a_script_watched_late_still_finds_its_payment_in_the_last_blocks() -> None:
    feed = FakeFeed()
    feed.mine([make_tx("old", [(ALICE, 1)])])
    for _ in range(LOOKBACK - 1):
        feed.mine([])
    feed.add(make_tx("new", [(BOB, 5), (ALICE, 2), (ALICE, 3)]))
    index = indexed(feed)
    index.watch(ALICE)
    assert outputs(index) == [(1, 1), (2, None), (3, None)]
    index.apply_block(feed.mine([]))
    assert outputs(index) == [(1, 1), (2, None), (3, None)], "kept beyond the window"
    assert outputs(index, BOB) == [(5, None)], "unwatched: from window and mempool"


def test_each_step_tells_which_watched_scripts_it_touched() -> None:
    feed = FakeFeed()
    index = indexed(feed, ALICE)
    tx = make_tx("t", [(ALICE, 1), (BOB, 2)])
    assert index.apply_mempool([tx], ()) == {ALICE}
    assert index.apply_mempool([tx], ()) == set(), "known already"
    assert index.apply_block(feed.mine([])) == set()
    block = feed.mine([tx])
    assert index.apply_block(block) == {ALICE}
    assert index.undo_block(block.header.hash) == {ALICE}
    assert index.apply_mempool((), [tx.txid]) == {ALICE}
    assert index.take_touched() == {ALICE}
    assert index.take_touched() == frozenset()


def test_an_undone_blocks_transactions_are_unconfirmed_except_the_coinbase() -> None:
    feed = FakeFeed()
    miner = b"\x51miner"
    index = indexed(feed, ALICE, miner)
    block = feed.mine([make_tx("t", [(ALICE, 7)])])
    index.apply_block(block)
    before = len(outputs(index, miner))
    index.undo_block(block.header.hash)
    view = index.view(ALICE, "s", ask_off_chain=[block.header.hash, feed.best[0], "?"])
    assert [(o.amount_sat, o.block_hash) for o in view.outputs] == [(7, None)]
    assert view.off_chain == (block.header.hash,)
    assert not view.complete
    assert len(outputs(index, miner)) == before - 1


def test_what_is_in_a_block_of_the_window_is_not_unknown_to_who_has_no_such_block() -> (
    None
):
    """A node's mempool may be older than the block that we have read."""
    index = ScriptIndex(lookback=2)
    feed = FakeFeed(0)
    txs = [make_tx(f"tx {number}", [(ALICE, number)]) for number in range(4)]
    names = frozenset(tx.txid for tx in txs)
    for tx in txs[:3]:
        feed.mine([tx])
        index.apply_block(feed.block(feed.now.hash))
    old, *mined, other = (tx.txid for tx in txs)
    assert set(index.unknown_of(names)) == {old, other}
    assert [index.knows(name) for name in (old, *mined, other)] == [
        *(False, True, True, False)
    ]
    index.undo_block(feed.now.hash)
    assert index.knows(mined[1]), "it is in the pool again"
    index.apply_mempool((), [mined[1]])
    assert set(index.unknown_of(names)) == {old, mined[1], other}


def test_only_the_tip_can_be_undone() -> None:
    feed = FakeFeed(3)
    index = indexed(feed, ALICE)
    with pytest.raises(ValueError, match="not the tip"):
        index.undo_block(feed.best[1])
    assert index.tip == feed.now


def test_a_replacement_takes_the_place_of_the_replaced_and_its_descendants() -> None:
    coin = [("cc" * 32, 1)]
    index = indexed(FakeFeed(), ALICE, BOB)
    first = make_tx("first", [(ALICE, 10)], coin)
    child = make_tx("child", [(BOB, 9)], [(first.txid, 0)])
    index.apply_mempool([first, child], ())
    second = make_tx("second", [(ALICE, 8)], coin)
    assert index.apply_mempool([second], ()) == {ALICE, BOB}
    assert outputs(index) == [(8, None)]
    assert outputs(index, BOB) == []


def test_a_double_spend_in_a_block_never_stands_beside_the_unconfirmed_one() -> None:
    coin = [("cc" * 32, 1)]
    feed = FakeFeed()
    index = indexed(feed, ALICE)
    mempool = make_tx("mempool", [(ALICE, 10)], coin)
    index.apply_mempool([mempool], ())
    mined = make_tx("mined", [(ALICE, 11)], coin)
    index.apply_block(feed.mine([mined]))
    assert outputs(index) == [(11, 1)]


def test_known_receipts_in_old_blocks_stay_until_their_block_is_off_chain() -> None:
    feed = FakeFeed(2, first_height=100)
    old = Output("aa" * 32, 0, 5, "b50", 50, 1)
    wrong = Output("bb" * 32, 0, 6, "not the block at 101", 101, 1)
    unconfirmed = Output("cc" * 32, 0, 7)
    above = Output("dd" * 32, 0, 8, "b200", 200, 1)
    index = ScriptIndex()
    index.watch(ALICE, known=(old, wrong, unconfirmed, above))
    for block_hash in feed.best:
        index.apply_block(feed.blocks[block_hash])
    asked = ["b50", "not the block at 101", "b200"]
    view = index.view(ALICE, "s", ask_off_chain=asked)
    repeated = tuple(
        replace(output, verified_by_source=False) for output in (old, above)
    )
    assert view.outputs == repeated, "ours, and not verified by the source"
    assert view.off_chain == ("not the block at 101",)


def test_what_was_read_here_outweighs_what_the_journal_knows_unless_it_is_lost() -> (
    None
):
    feed = FakeFeed()
    tx = make_tx("t", [(ALICE, 7)])
    block = feed.mine([tx]).header
    for _ in range(LOOKBACK + 1):
        feed.mine([])
    index = indexed(feed, ALICE)
    elsewhere = Output(tx.txid, 0, 7, "b200", 200, 1)
    index.watch(ALICE, known=[elsewhere])
    (read,) = index.view(ALICE, "s").outputs
    assert (read.block_hash, read.verified_by_source) == (block.hash, True)
    lost = Output("bb" * 32, 0, 6, "not the block at 1", 1, 1)
    moved = Output("bb" * 32, 0, 6, "b201", 201, 1)
    index.watch(ALICE, known=[lost])
    assert index.view(ALICE, "s").outputs == (read,)
    index.watch(ALICE, known=[moved])
    assert index.view(ALICE, "s").outputs == (
        read,
        replace(moved, verified_by_source=False),
    )


def test_absence_proves_nothing_before_the_mempool_was_whole() -> None:
    feed = FakeFeed()
    index = ScriptIndex()
    index.watch(ALICE)
    with pytest.raises(SourceUnavailable, match="s: no block has been read yet"):
        index.view(ALICE, "s")
    index.apply_block(feed.blocks[feed.best[0]])
    assert not index.view(ALICE, "s").complete
    index.apply_mempool((), (), whole=True)
    assert index.view(ALICE, "s").complete
    index.apply_block(feed.mine([]))
    assert not index.view(ALICE, "s").complete


def test_a_script_watched_over_a_gap_is_never_complete() -> None:
    index = ScriptIndex()
    index.watch(ALICE)
    index.note_gap()
    index.watch(BOB)
    index.apply_block(FakeFeed().blocks.popitem()[1])
    index.apply_mempool((), (), whole=True)
    assert not index.view(ALICE, "s").complete
    assert index.view(BOB, "s").complete


def test_an_unwatched_script_costs_nothing_more() -> None:
    feed = FakeFeed()
    index = indexed(feed, ALICE)
    index.apply_mempool([make_tx("t", [(ALICE, 1)])], ())
    index.unwatch(ALICE)
    assert ALICE not in index
    assert index.take_touched() == frozenset()


def test_scripts_that_no_address_has_cannot_be_watched_and_are_not_kept() -> None:
    feed = FakeFeed()
    index = indexed(feed)
    index.watch(b"x" * 100)
    for script in (b"", b"\x6a\x04data", b"x" * 101):
        with pytest.raises(ValueError, match="no address"):
            index.watch(script)
    index.apply_mempool([make_tx("t", [(b"\x6a\x04data", 0), (ALICE, 4)])], ())
    (output,) = index.view(ALICE, "s").outputs
    assert output.vout == 1


def test_a_reorg_deeper_than_the_window_takes_confirmed_outputs_away() -> None:
    feed = FakeFeed()
    tx = make_tx("t", [(ALICE, 1)])
    first = feed.mine([tx])
    for _ in range(LOOKBACK + 2):
        feed.mine([])
    index = indexed(feed, ALICE)
    touched = set()
    for block in feed.undo(LOOKBACK + 3):
        touched |= index.undo_block(block.header.hash)
    assert touched == {ALICE}
    view = index.view(ALICE, "s", ask_off_chain=[first.header.hash])
    assert (view.outputs, view.complete) == ((), False)
    assert view.off_chain == (first.header.hash,)


def test_an_undone_transaction_gives_way_to_what_the_mempool_has_in_its_place() -> None:
    coin = [("cc" * 32, 1)]
    feed = FakeFeed()
    index = indexed(feed, ALICE)
    mined = make_tx("mined", [(ALICE, 10)], coin)
    block = feed.mine([mined])
    index.apply_block(block)
    # The node has left the block already, and this is the answer of its mempool.
    index.apply_mempool([make_tx("newer", [(ALICE, 11)], coin)], ())
    index.undo_block(block.header.hash)
    assert outputs(index) == [(11, None)]
    assert not index.knows(mined.txid)
    index.apply_mempool([mined], ())
    assert outputs(index) == [(10, None)], "the node has it again"


def test_who_looks_while_a_block_is_applied_never_finds_its_money_missing() -> None:
    feed = FakeFeed()
    index = indexed(feed, ALICE)
    txs = [make_tx(str(n), [(ALICE, n + 1), (BOB, n + 1)]) for n in range(600)]
    index.apply_mempool(txs, ())
    seen: list[tuple[int, int]] = []

    def look() -> None:
        seen.append((len(outputs(index, ALICE)), len(outputs(index, BOB))))

    index.apply_block(feed.mine(txs), look)
    assert len(seen) > 4
    assert set(seen) == {(600, 600)}
