"""What pays a script as a view shows it: in its order, and not without end."""

import random

from msgspec.structs import replace

from engine.bitcoin.transaction import COINBASE_TXID
from engine.chain.feed import ChainTx, TxOut
from engine.chain.script_index import ScriptIndex
from engine.chain.shown import MOST_SHOWN, SKIPPED, as_shown
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.payment_cases import mempool, mined

ALICE = b"\x00\x14" + b"a" * 20


def test_confirmed_come_before_unconfirmed_and_then_by_block_and_outpoint() -> None:
    in_order = [
        mined("b", 7),
        mined("a", 9),
        mined("c", 9),
        mined("c", 9, vout=1),
        mempool("a"),
        mempool("b"),
    ]
    mixed = random.Random(1).sample(in_order, len(in_order))
    assert as_shown(mixed, None) == (tuple(in_order), None)
    assert as_shown(mixed, SKIPPED) == (tuple(in_order), SKIPPED)


def test_of_too_many_the_largest_are_shown_and_it_is_said() -> None:
    dust = [mempool(f"d{n:05}", 294) for n in range(MOST_SHOWN)]
    assert as_shown(dust, None)[1] is None
    shown, gap = as_shown([*dust, mempool("money", 50_000)], None)
    assert len(shown) == MOST_SHOWN
    assert "money" in {output.txid for output in shown}
    assert gap == f"{MOST_SHOWN + 1} outputs pay it; only the 5000 largest are shown"


def test_a_view_of_a_crowd_and_one_after_a_gap_are_not_complete_and_say_why() -> None:
    feed, index = FakeFeed(2), ScriptIndex()
    index.watch(ALICE)
    for block_hash in feed.best:
        index.apply_block(feed.blocks[block_hash])
    index.apply_mempool((), (), whole=True)
    view = index.view(ALICE, "s")
    assert (view.complete, view.gap) == (True, None)
    crowd = make_tx("crowd", [(ALICE, 300)] * (MOST_SHOWN + 1))
    index.apply_mempool((crowd,), ())
    view = index.view(ALICE, "s")
    assert not view.complete
    assert view.gap is not None
    assert "outputs pay it" in view.gap
    index.apply_mempool((), (crowd.txid,))
    index.note_gap()
    view = index.view(ALICE, "s")
    assert (view.complete, view.gap) == (False, SKIPPED)


def test_a_miners_reward_is_shown_as_such() -> None:
    feed = FakeFeed(2)
    reward = ChainTx("cb" * 32, (TxOut(ALICE, 7),), ((COINBASE_TXID, 0xFFFFFFFF),))
    paid = make_tx("t1", [(ALICE, 5)])
    block = feed.blocks[feed.best[-1]]
    index = ScriptIndex()
    index.watch(ALICE)
    index.apply_block(replace(block, txs=(reward, paid)))
    shown = {o.amount_sat: o.is_coinbase for o in index.view(ALICE, "s").outputs}
    assert shown == {7: True, 5: False}
