"""`sync` after any history of the node: the index is what a naive reader finds."""

import contextlib
import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.chain.feed import Block, ChainTx, Output
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import RoundLimits, sync
from engine.errors import SourceUnavailable
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.engine.chain.sync_steps import fail, settle

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


def present(feed: FakeFeed) -> list[ChainTx]:
    """All transactions of the best chain and of the mempool."""
    mined = [tx for block in feed.best for tx in feed.blocks[block].txs]
    return [*mined, *feed.pool.values()]


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
    lost: set[str] = set()  # left the mempool or a block at some moment
    made: dict[str, ChainTx] = {}
    for between, middle, when, how in rounds:
        seen = {o.txid for s in SCRIPTS for o in index.view(s, "s").outputs}
        lost |= feed.vanished
        feed.vanished &= seen
        for step in between:
            act(feed, step)
            ever |= set(feed.best)
            made |= {tx.txid: tx for tx in present(feed)}

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
            sync(feed, index, limits=RoundLimits(blocks=2, txs=txs_per_round))
        feed.on_call = lambda call: None
        # Whatever happened: what existed all the time was not lost for a moment.
        now = {o.txid for s in SCRIPTS for o in index.view(s, "s").outputs}
        assert seen - feed.vanished <= now
        ever |= set(feed.best)
        made |= {tx.txid: tx for tx in present(feed)}
    lost |= feed.vanished
    while index.tip is None or feed.now.height <= index.tip.height:
        feed.mine([])  # a chain that is lower than it was is not believed yet
    settle(feed, index)
    settle(feed, index)  # in case all of the mempool was gone at once
    for script in SCRIPTS:
        view = index.view(script, "s", sorted(ever))
        outputs, truth = set(view.outputs), naive(feed, script)
        assert truth <= outputs
        for output in outputs - truth:
            assert output.txid in index.unlisted
            assert output.block_hash is None
        assert view.complete
        assert not set(view.off_chain) & set(feed.best)
    assert index.tip == feed.now
    spent = {coin for tx in present(feed) for coin in tx.spends}
    for txid in index.unlisted:
        assert txid in lost, "it left the mempool, for no reason that could be seen"
        assert not set(made[txid].spends) & spent, "double-spent: it is gone"
