"""A name of the mempool for which no transaction was given: who knows whom it pays."""

from collections.abc import Sequence

from engine.chain.feed import ChainTx
from engine.chain.mempool_reader import COMPARE_EVERY_S, MempoolReader
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import RoundLimits, sync
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.engine.chain.pushing_feed import PushingFeed, Reading
from tests.unit.engine.chain.sync_steps import ALICE, BOB, found

PHANTOM = "ab" * 32


class Named(FakeFeed):
    """It names more than it has."""

    def __init__(self, *phantoms: str) -> None:
        self.phantoms = set(phantoms)
        self.asked_for: list[str] = []
        super().__init__(3)

    def mempool(self) -> frozenset[str]:
        return super().mempool() | self.phantoms

    def transactions(self, txids: Sequence[str]) -> dict[str, ChainTx]:
        self.asked_for += txids
        return super().transactions(txids)


def _index() -> ScriptIndex:
    index = ScriptIndex()
    index.watch(ALICE)
    return index


def _comes_and_goes(feed: FakeFeed) -> None:
    """The node goes to another branch when the transactions are asked for, which has
    them in a block, and is back before it is asked for its tip again."""
    best, pool = list(feed.best), dict(feed.pool)

    def hook(call: str) -> None:
        if call == "transactions":
            feed.reorg(1, [feed.pool.values()])
        elif call == "status" and feed.best != best:
            feed.best[:], feed.pool = best, pool
            feed.on_call = lambda _call: None

    feed.on_call = hook


def test_what_is_named_and_was_not_given_proves_no_absence() -> None:
    """World 77914: a payment expired, and its money was on the list."""
    feed, index, reader = FakeFeed(3), _index(), MempoolReader()
    feed.add(make_tx("t", [(ALICE, 5)]))
    _comes_and_goes(feed)
    result = sync(feed, index, reader=reader)
    assert result.is_current
    assert (found(index), index.view(ALICE, "s").complete) == ([], False)
    assert result.more
    result = sync(feed, index, reader=reader)
    assert found(index) == [(5, None)]
    assert result.touched == {ALICE}
    assert index.view(ALICE, "s").complete


def test_nothing_is_gone_while_a_name_may_be_what_took_its_place() -> None:
    feed, index, reader = FakeFeed(3), _index(), MempoolReader()
    for number in range(9):  # of others: one that is not named is no lost mempool
        feed.add(make_tx(f"other {number}", [(BOB, 1)]))
    feed.add(make_tx("first", [(ALICE, 5)], [("cc" * 32, 0)]))
    sync(feed, index, reader=reader)
    feed.add(make_tx("second", [(ALICE, 7)], [("cc" * 32, 0)]))
    _comes_and_goes(feed)
    sync(feed, index, reader=reader)
    view = index.view(ALICE, "s")
    assert (found(index), view.complete, view.left) == ([(5, None)], False, frozenset())
    sync(feed, index, reader=reader)
    assert found(index) == [(7, None)]


def test_what_left_before_it_was_asked_for_is_no_riddle_once_it_is_not_named() -> None:
    feed, index, reader = FakeFeed(3), _index(), MempoolReader()
    tx = feed.add(make_tx("t", [(BOB, 5)]))
    feed.on_call = lambda call: feed.evict(tx.txid) if call == "transactions" else None
    assert sync(feed, index, reader=reader).more
    assert not index.view(ALICE, "s").complete
    assert not sync(feed, index, reader=reader).more
    assert index.view(ALICE, "s").complete


def test_a_node_that_names_what_it_has_not_is_asked_at_its_polls_pace() -> None:
    feed, index, reader = Named(PHANTOM), _index(), MempoolReader()
    rounds = [sync(feed, index, reader=reader).more for _ in range(4)]
    assert rounds == [True, False, False, False]
    assert not index.view(ALICE, "s").complete
    feed.phantoms = {"cd" * 32}
    assert not sync(feed, index, reader=reader).more, "nor if it is another each time"
    feed.phantoms = set()
    assert not sync(feed, index, reader=reader).more
    assert index.view(ALICE, "s").complete


def test_what_was_missed_is_asked_for_after_all_the_rest() -> None:
    phantoms = [f"{n:064x}" for n in range(30)]
    feed, index = Named(*phantoms), _index()
    reader, limits = MempoolReader(None, lambda: now), RoundLimits(txs=10)
    for now in range(4):
        sync(feed, index, reader=reader, limits=limits)
        if now == 0:
            for number in range(5):
                feed.add(make_tx(f"new {number}", [(ALICE, number + 1)]))
        if now == 1:
            assert len(found(index)) == 5
    assert set(phantoms) < set(feed.asked_for)


def test_of_one_that_pushes_it_is_the_same_when_it_is_compared() -> None:
    feed = PushingFeed(3)
    reading = Reading(feed, ALICE)
    reading.settle()
    feed.loses = lambda _topic: True
    feed.add(make_tx("t", [(ALICE, 5)]))
    _comes_and_goes(feed)
    assert reading.round(after_s=COMPARE_EVERY_S).more
    assert not reading.is_complete(ALICE)
    assert not reading.round().more
    assert reading.sums(ALICE) == [(5, None)]
    assert reading.is_complete(ALICE)
