"""A script that an index is told of when it has read blocks without it.

So it is in a round aside: who reads all the time cannot read one address, or a second
word is wanted, and the source that is asked has never heard of that script.
"""

import pytest

from engine.chain.feed import ChainView, Output
from engine.chain.old_blocks import MAX_BACKFILL, OldBlocks
from engine.chain.script_index import LOOKBACK, ScriptIndex
from engine.chain.shown import SKIPPED
from engine.chain.sync import sync
from engine.errors import SourceUnavailable
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.engine.chain.sync_steps import ALICE, BOB

TX = make_tx("paid", [(ALICE, 7), (BOB, 3)])


class Aside:
    """An index that has read a chain for others, and its rounds from then on."""

    def __init__(self, feed: FakeFeed, read_from: int) -> None:
        self.feed = feed
        self.index = ScriptIndex()
        self.old_blocks = OldBlocks()
        self.rounds = 0
        now_s = feed.blocks[feed.best[-1]].header.time_s + 9_000
        sync(feed, self.index, since_s=now_s, since_height=read_from)
        while sync(feed, self.index).more:
            pass

    def watch(self, script: bytes, *known: Output, born: int | None = None) -> None:
        self.index.watch(script, known, late=True)
        if born is not None:
            self.old_blocks.look_back(self.feed, self.index, script, born)

    def round(self, script: bytes = ALICE) -> ChainView:
        self.rounds += 1
        before = self.index.tip
        self.old_blocks.begin_round()
        sync(self.feed, self.index)
        if self.index.tip != before:
            self.old_blocks.tip_moved(deep=False)
        self.old_blocks.backfill(self.feed, self.index)
        return self.index.view(script, "s")

    def settled(self, script: bytes = ALICE) -> ChainView:
        view = self.round(script)
        while self.old_blocks.has_more:
            assert self.rounds < 100
            view = self.round(script)
        return view


def paid_at(height: int, on_top: int) -> FakeFeed:
    feed = FakeFeed(height - 1)
    feed.mine([TX])
    for _ in range(on_top):
        feed.mine([])
    return feed


def listed(view: ChainView) -> list[tuple[int, int | None, bool]]:
    return [(o.amount_sat, o.block_height, o.verified_by_source) for o in view.outputs]


def test_what_was_paid_below_the_window_is_found_and_then_its_view_is_complete() -> (
    None
):
    aside = Aside(paid_at(50, on_top=40), read_from=0)
    aside.watch(ALICE, born=45)
    view = aside.round()
    assert listed(view) == [(7, 50, True)]
    assert view.complete
    assert not aside.index.late


def test_until_somebody_says_how_old_it_is_its_absence_proves_nothing() -> None:
    aside = Aside(paid_at(50, on_top=40), read_from=0)
    aside.watch(ALICE)
    view = aside.round()
    assert (listed(view), view.complete, view.gap) == ([], False, None)
    assert not aside.index.is_bare(ALICE), "it is not shown the view of all others"
    aside.watch(ALICE, born=45)
    assert (listed(aside.settled()), aside.index.view(ALICE, "s").complete) == (
        [(7, 50, True)],
        True,
    )


def test_who_was_made_within_the_window_is_complete_and_nothing_is_read() -> None:
    feed = paid_at(50, on_top=3)
    aside = Aside(feed, read_from=0)
    asked: list[str] = []
    feed.on_call = asked.append
    aside.watch(ALICE, born=53)
    assert (listed(aside.round()), aside.index.late) == ([(7, 50, True)], {})
    assert aside.index.view(ALICE, "s").complete
    assert "block" not in asked


def test_blocks_are_read_once_for_all_that_want_them_fifty_in_a_round() -> None:
    feed = paid_at(50, on_top=200)
    aside = Aside(feed, read_from=0)
    aside.watch(ALICE, born=60)
    aside.watch(BOB, born=90)
    read: list[int] = []
    feed.on_call = lambda call: read.append(aside.rounds) if call == "block" else None
    shown = [aside.round()]
    assert aside.index.late.keys() == {ALICE, BOB}
    shown += [aside.round() for _ in range(3)]
    assert [view.complete for view in shown] == [False, False, False, True]
    assert listed(shown[-1]) == [(7, 50, True)]
    assert listed(aside.index.view(BOB, "s")) == [], "older than its payment"
    assert aside.index.view(BOB, "s").complete
    assert len(read) == 250 - LOOKBACK - (60 - LOOKBACK)
    assert max(read.count(number) for number in set(read)) == 50
    assert not aside.old_blocks.has_more


def test_it_is_looked_for_below_the_lowest_block_that_was_read_too() -> None:
    aside = Aside(paid_at(50, on_top=40), read_from=75)
    assert aside.index.chain.lowest == 75 - LOOKBACK + 1
    aside.watch(ALICE, born=45)
    assert listed(aside.settled()) == [(7, 50, True)]
    assert aside.index.view(ALICE, "s").complete
    assert aside.index.chain.lowest == 45 - LOOKBACK + 1


@pytest.mark.parametrize(("more", "whole"), [(0, True), (1, False)])
def test_a_week_of_blocks_is_read_and_beyond_that_the_view_says_what_it_lacks(
    more: int, whole: bool
) -> None:
    feed = paid_at(50, on_top=MAX_BACKFILL + more)
    aside = Aside(feed, read_from=0)
    aside.watch(ALICE, born=feed.now.height - MAX_BACKFILL - more)
    view = aside.settled()
    assert (view.complete, view.gap) == (whole, None if whole else SKIPPED)
    assert listed(view) == ([(7, 50, True)] if whole else [])


def test_a_node_that_has_pruned_them_says_so() -> None:
    feed = paid_at(50, on_top=40)
    aside = Aside(feed, read_from=0)
    feed.lowest = 60
    aside.watch(ALICE, born=45)
    view = aside.settled()
    assert (view.complete, view.gap) == (False, SKIPPED)
    assert aside.rounds == 1


def test_a_source_that_fails_is_asked_again_when_its_tip_moves() -> None:
    feed = paid_at(50, on_top=40)
    aside = Aside(feed, read_from=0)

    def fail(call: str) -> None:
        if call == "block":
            raise SourceUnavailable("fake: connection refused")

    feed.on_call = fail
    aside.watch(ALICE, born=45)
    view = aside.settled()
    assert (listed(view), view.complete, view.gap) == ([], False, None)
    assert aside.rounds == 1, "it does not ask in every round"
    feed.on_call = lambda _call: None
    feed.mine([])
    assert listed(aside.settled()) == [(7, 50, True)]
    assert aside.index.view(ALICE, "s").complete


def test_blocks_of_a_reorg_are_read_for_it_and_no_more_than_they() -> None:
    """The window is gone with the branch that left, and a part of what is below."""
    feed = paid_at(50, on_top=40)
    aside = Aside(feed, read_from=0)
    aside.watch(ALICE)
    feed.reorg(30, [[] for _ in range(31)])
    view = aside.round()
    assert (listed(view), view.complete) == ([], False)
    assert aside.index.late == {ALICE: 61}
    aside.watch(ALICE, born=45)
    assert listed(aside.settled()) == [(7, 50, True)]
    assert aside.index.view(ALICE, "s").complete


def test_who_is_told_of_while_the_window_is_undone_is_late_all_the_same() -> None:
    """A reorg deeper than the window, and the source failed before the new branch."""
    feed = paid_at(50, on_top=40)
    aside = Aside(feed, read_from=0)
    feed.reorg(30, [[] for _ in range(31)])

    def fail(call: str) -> None:
        if call == "block":
            raise SourceUnavailable("fake: connection refused")

    feed.on_call = fail
    with pytest.raises(SourceUnavailable):
        sync(feed, aside.index)
    feed.on_call = lambda _call: None
    aside.watch(ALICE, born=45)
    assert aside.index.late == {ALICE: 61}
    assert listed(aside.settled()) == [(7, 50, True)]
    assert aside.index.view(ALICE, "s").complete


def test_one_that_is_watched_no_more_is_not_looked_for() -> None:
    feed = paid_at(50, on_top=40)
    aside = Aside(feed, read_from=0)
    aside.watch(ALICE, born=45)
    aside.index.unwatch(ALICE)
    assert not aside.index.late
    asked: list[str] = []
    feed.on_call = asked.append
    aside.settled(BOB)
    assert "block" not in asked


def test_an_index_that_begins_anew_looks_for_nobody() -> None:
    aside = Aside(paid_at(50, on_top=40), read_from=0)
    aside.watch(ALICE, born=45)
    aside.old_blocks.clear()
    assert not aside.old_blocks.has_more


def test_an_index_that_has_read_nothing_is_late_for_nobody() -> None:
    index = ScriptIndex()
    index.watch(ALICE, late=True)
    assert not index.late
