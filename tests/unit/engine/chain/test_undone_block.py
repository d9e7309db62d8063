"""A whole block is undone in short steps, and who looks meanwhile misses nothing."""

from itertools import pairwise

from engine.chain.placed_block import CHUNK
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import sync
from tests.tools.fake_feed import FakeFeed, make_tx

TXS = 4 * CHUNK
SCRIPTS = [b"\x00\x14" + number.to_bytes(20, "big") for number in range(TXS)]
TURNS_OF_A_BLOCK = TXS // CHUNK


def paying_all(feed: FakeFeed) -> ScriptIndex:
    """The tip's block pays each of the scripts, which are all watched, once."""
    index = ScriptIndex()
    for script in SCRIPTS:
        index.watch(script)
    feed.mine([make_tx(f"tx {n}", [(script, 1)]) for n, script in enumerate(SCRIPTS)])
    sync(feed, index)
    return index


def test_undoing_a_full_block_gives_others_their_turn_every_so_many_items() -> None:
    feed = FakeFeed()
    index = paying_all(feed)
    given_back = [0]

    def pause() -> None:
        given_back.append(len(index.pool))

    assert index.undo_block(feed.now.hash, pause) == set(SCRIPTS)
    assert len(index.pool) == TXS, "all but the coinbase"
    assert max(after - before for before, after in pairwise(given_back)) <= CHUNK
    # The transactions are gone through twice, and then the scripts that they pay; the
    # coinbase begins another turn, and there is none before the first item.
    assert len(given_back) - 1 == TURNS_OF_A_BLOCK * 2 + TURNS_OF_A_BLOCK - 1


def test_undoing_a_block_older_than_the_window_goes_through_all_scripts_in_turns() -> (
    None
):
    feed = FakeFeed()
    index = ScriptIndex(lookback=1)
    for script in SCRIPTS:
        index.watch(script)
    old = feed.mine([make_tx("old", [(SCRIPTS[7], 1)])])
    feed.mine([])
    for block_hash in feed.best:
        index.apply_block(feed.blocks[block_hash])
    index.undo_block(feed.now.hash)
    turns: list[None] = []
    assert index.undo_block(old.header.hash, lambda: turns.append(None)) == {SCRIPTS[7]}
    assert len(turns) == TURNS_OF_A_BLOCK - 1


def test_who_looks_while_a_block_is_undone_finds_its_money_in_the_block() -> None:
    feed = FakeFeed()
    index = paying_all(feed)
    tip = feed.now
    seen = []

    def look() -> None:
        for script in (SCRIPTS[0], SCRIPTS[-1]):
            view = index.view(script, "s", ask_off_chain=[tip.hash])
            shown = [(o.amount_sat, o.block_hash) for o in view.outputs]
            seen.append((shown, view.tip, view.off_chain, view.complete))

    index.undo_block(tip.hash, look)
    assert len(seen) > TURNS_OF_A_BLOCK
    assert all(each == ([(1, tip.hash)], tip, (), False) for each in seen)
    view = index.view(SCRIPTS[0], "s", ask_off_chain=[tip.hash])
    assert [(o.amount_sat, o.block_hash) for o in view.outputs] == [(1, None)]
    assert view.off_chain == (tip.hash,)


def test_the_names_of_a_full_block_are_noted_and_forgotten_in_turns() -> None:
    feed = FakeFeed()
    index = ScriptIndex(lookback=1)
    txs = [make_tx(f"tx {number}", [(b"x", 1)]) for number in range(TXS)]
    noted = [0]

    def pause() -> None:
        noted.append(sum(map(len, index._mined._buckets)))

    for block in (feed.mine(txs), feed.mine([])):
        index.apply_block(feed.blocks[block.header.hash], pause)
    pause()
    entry = 12
    assert max(noted) >= TXS * entry
    assert noted[-1] == entry, "the last block's coinbase"
    steps = [abs(after - before) for before, after in pairwise(noted)]
    assert max(steps) <= CHUNK * entry


def test_a_round_over_a_reorg_lets_others_run_while_it_undoes_the_block() -> None:
    feed = FakeFeed()
    index = paying_all(feed)
    lost = feed.now
    feed.reorg(1, [[]])
    tips: list[object] = []
    result = sync(feed, index, lambda tip, _target: tips.append(tip))
    assert (result.undone, result.blocks) == (1, 1)
    while_undone = tips.count(lost)
    assert while_undone >= 3 * TURNS_OF_A_BLOCK - 1
