"""Blocks below the window that only our journal speaks of: what a source says of them.

A process was away; the chain left the one that its journal knows, further down than it
reads again. Whatever the source still knows of that, the receipts follow its chain.
"""

import pytest

from engine.chain.feed import ChainView, Output
from engine.chain.old_blocks import MAX_BACKFILL, OldBlocks
from engine.chain.script_index import LOOKBACK, ScriptIndex
from engine.chain.sync import sync
from engine.errors import SourceUnavailable
from tests.tools.fake_feed import FakeFeed, make_tx

ALICE = b"\x00\x14" + b"a" * 20
BOB = b"\x00\x14" + b"b" * 20
TX = make_tx("paid", [(ALICE, 7)])


class Watcher:
    """An index that starts where the journal's mark is, and its rounds."""

    def __init__(self, feed: FakeFeed, *known: Output, script: bytes = ALICE) -> None:
        self.feed = feed
        self.script = script
        self.index = ScriptIndex()
        self.index.watch(script, known)
        self.old_blocks = OldBlocks()
        self.asked = [o.block_hash or "" for o in known]
        self.rounds = 0
        self.news: list[frozenset[bytes]] = []  # what reading downwards gave, by round

    def round(self) -> ChainView:
        """What one round shows of the script."""
        self.rounds += 1
        before = self.index.tip
        self.old_blocks.begin_round()
        sync(self.feed, self.index, start_from=self.feed.now)
        if self.index.tip != before:
            self.old_blocks.tip_moved(deep=False)
        self.news.append(self.old_blocks.backfill(self.feed, self.index))
        view = self.index.view(self.script, "s", self.asked)
        return self.old_blocks.verify(self.feed, self.index, self.script, view)

    def settled(self) -> ChainView:
        view = self.round()
        while self.old_blocks.has_more:
            assert self.rounds < 100
            view = self.round()
        return view


def known(block: str, height: int) -> Output:
    return Output(TX.txid, 0, 7, block, height, verified_by_source=False)


def moved(height: int = 50, on_top: int = 30) -> tuple[FakeFeed, str, str]:
    """(feed, the block that lost the payment, the one that has it now).

    Both are at a height, or the second one a block above, far below the window.
    """
    feed = FakeFeed(height - 1)
    lost = feed.mine([TX]).header.hash
    feed.undo()
    feed.mine([])
    found = feed.mine([TX]).header.hash
    for _ in range(on_top):
        feed.mine([])
    return feed, lost, found


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_payment_that_moved_below_the_window_is_found_where_it_is(
    forgotten: bool,
) -> None:
    feed, lost, found = moved()
    if forgotten:
        feed.forget(lost)
    view = Watcher(feed, known(lost, 50)).settled()
    assert [
        (o.block_hash, o.block_height, o.verified_by_source) for o in view.outputs
    ] == [(found, 51, True)]


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_payment_that_is_gone_below_the_window_is_off_chain(forgotten: bool) -> None:
    feed, lost, _ = moved()
    if forgotten:
        feed.forget(lost)
    receipt = Output("ee" * 32, 1, 5, lost, 50, verified_by_source=False)
    watcher = Watcher(feed, receipt, script=BOB)
    view = watcher.settled()
    assert view.outputs == ()
    assert view.off_chain == (lost,)
    assert view.complete


def test_nothing_is_lost_before_it_is_settled() -> None:
    feed, lost, _ = moved()
    watcher = Watcher(feed, known(lost, 50))
    first = watcher.round()
    assert first.outputs == (known(lost, 50),)
    assert lost not in first.off_chain
    assert watcher.old_blocks.has_more


def test_what_is_below_is_read_in_steps_and_no_further_than_needed() -> None:
    feed, lost, found = moved(on_top=200)
    watcher = Watcher(feed, known(lost, 50))
    read: list[int] = []
    feed.on_call = lambda call: read.append(watcher.rounds) if call == "block" else None
    assert watcher.settled().outputs[0].block_hash == found
    below = [number for number in read if number > 1]
    assert len(below) == 200 + 2 - LOOKBACK
    assert max(below.count(number) for number in set(below)) == 50
    assert watcher.index.chain.lowest == 50


def test_a_receipt_that_is_gone_is_news_once_and_when_all_is_read() -> None:
    feed, lost, _ = moved(on_top=200)
    receipt = Output("ee" * 32, 1, 5, lost, 50, verified_by_source=False)
    watcher = Watcher(feed, receipt, script=BOB)
    watcher.settled()
    *earlier, last = watcher.news
    assert len(earlier) == 1 + 3, "200 blocks below the window, 50 in a round"
    assert not any(earlier)
    assert last == {BOB}
    watcher.round()
    assert not watcher.news[-1]


def test_a_block_at_a_height_that_the_source_has_not_reached_is_left_alone() -> None:
    feed = FakeFeed(100)
    watcher = Watcher(feed, known("lost", 130))
    assert watcher.settled().outputs == (known("lost", 130),)
    assert watcher.rounds == 1


def test_one_that_is_in_the_chain_is_verified_and_nothing_is_read() -> None:
    feed = FakeFeed(49)
    block = feed.mine([TX]).header.hash
    for _ in range(30):
        feed.mine([])
    watcher = Watcher(feed, known(block, 50))
    assert [o.verified_by_source for o in watcher.settled().outputs] == [True]
    assert watcher.index.chain.lowest == 80 - LOOKBACK + 1
    asked: list[str] = []
    feed.on_call = asked.append
    feed.mine([])
    assert [o.verified_by_source for o in watcher.settled().outputs] == [True]
    assert "header" not in asked, "its word holds"


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_pruned_node_is_believed_as_far_as_it_can_speak(forgotten: bool) -> None:
    feed, lost, _ = moved()
    if forgotten:
        feed.forget(lost)
    watcher = Watcher(feed, known(lost, 50))
    pruned = True

    def refuse(call: str) -> None:
        if pruned and call == "block" and watcher.index.tip is not None:
            lowest = watcher.index.chain.lowest or 0
            if watcher.index.tip == feed.now and lowest > 60:
                raise SourceUnavailable("fake: Block not available (pruned data)")

    feed.on_call = refuse
    watcher.settled()
    view = watcher.round()
    assert not watcher.old_blocks.has_more, "it does not ask in every round"
    assert view.outputs == ((known(lost, 50),) if forgotten else ())
    assert (lost in view.off_chain) is not forgotten
    pruned = False
    feed.mine([])
    assert [o.verified_by_source for o in watcher.settled().outputs] == [True]


def test_an_age_ago_is_not_read_again() -> None:
    feed, lost, _ = moved(on_top=MAX_BACKFILL + LOOKBACK + 5)
    feed.forget(lost)
    watcher = Watcher(feed, known(lost, 50))
    assert watcher.settled().outputs == (known(lost, 50),)
    assert watcher.rounds == 1


def test_it_is_read_down_to_a_weeks_blocks_below_the_window() -> None:
    assert MAX_BACKFILL == 1_008
    feed, lost, found = moved(on_top=MAX_BACKFILL + LOOKBACK - 2)
    watcher = Watcher(feed, known(lost, 50))
    assert watcher.settled().outputs[0].block_hash == found


def test_a_round_asks_about_a_bounded_number_of_old_blocks() -> None:
    feed = FakeFeed(100)
    receipts = [
        Output(f"{number:064d}", 0, 5, feed.best[number + 1], number + 1)
        for number in range(25)
    ]
    watcher = Watcher(feed, *receipts)
    asked: list[str] = []
    feed.on_call = lambda call: asked.append(call) if call == "header" else None
    first = watcher.round()
    assert len(asked) <= 20 + 1  # and one where the round looks for its start
    assert sum(o.verified_by_source for o in first.outputs) == 20
    assert all(o.verified_by_source for o in watcher.round().outputs)


def test_after_a_deep_reorg_each_old_block_is_asked_about_again() -> None:
    feed = FakeFeed(100)
    watcher = Watcher(feed, known(feed.best[50], 50))
    assert watcher.settled().outputs[0].verified_by_source
    calls: list[str] = []
    feed.on_call = calls.append
    watcher.old_blocks.tip_moved(deep=True)
    watcher.round()
    assert "header" in calls


def test_a_source_that_fails_while_it_is_asked_is_asked_again() -> None:
    feed = FakeFeed(100)
    watcher = Watcher(feed, known(feed.best[50], 50))
    watcher.round()
    watcher.old_blocks.clear()

    def refuse(call: str) -> None:
        if call == "header":
            raise SourceUnavailable("fake: busy")

    feed.on_call = refuse
    assert watcher.round().outputs == (known(feed.best[50], 50),)
    feed.on_call = lambda _call: None
    assert watcher.round().outputs[0].verified_by_source
