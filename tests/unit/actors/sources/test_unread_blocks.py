"""What a worker's source has not read: remembered, and read by the one that can."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.sources import unread_blocks
from actors.sources.unread_blocks import UnreadBlocks, oldest_tip
from engine.chain.feed import Tip
from engine.chain.script_index import LOOKBACK, ScriptIndex
from engine.chain.sync import RoundLimits, sync
from engine.chain.unread import Unread
from engine.store.sqlite.journal import Journal
from engine.store.writes import UNREAD_AFTER, UNREAD_BELOW, Entry, SourceTip, Write
from tests.tools.direct_store import DirectStore
from tests.tools.fake_feed import FakeFeed
from tests.unit.journal_cases import creation

ALICE = b"\x00\x14" + b"a" * 20
PLACE = 40  # up to here it was read when we went away
LOWEST = 70  # the first block that a pruned node has


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DirectStore]:
    journal = Journal(tmp_path / "node.db", synchronous="OFF")
    yield DirectStore(journal)
    journal.close()


def begun(
    store: DirectStore, feed: FakeFeed, place: Tip | None
) -> tuple[UnreadBlocks, ScriptIndex]:
    """A worker's first round, all of it."""
    unread, index = UnreadBlocks(), ScriptIndex()
    index.watch(ALICE)
    start = unread.start_from(store, feed, feed.status(), place)
    result = sync(feed, index, start_from=start, limits=RoundLimits(blocks=500))
    unread.after_round(index, result, start)
    return unread, index


def written(store: DirectStore, unread: Unread) -> None:
    rows = (
        SourceTip(UNREAD_AFTER, unread.after.height, unread.after.hash),
        SourceTip(UNREAD_BELOW, unread.below.height, unread.below.hash),
    )
    store.journal.commit([Write(rows=rows)])


def pruned() -> FakeFeed:
    feed = FakeFeed(100)
    feed.lowest = LOWEST
    return feed


def test_who_has_missed_nothing_has_nothing_unread(store: DirectStore) -> None:
    feed = FakeFeed(100)
    unread, index = begun(store, feed, Tip(PLACE, feed.best[PLACE]))
    assert unread.now is None
    assert index.unread_below == 0


def test_blocks_that_a_node_has_pruned_are_unread(store: DirectStore) -> None:
    feed = pruned()
    place = Tip(PLACE, feed.best[PLACE])
    unread, index = begun(store, feed, place)
    assert unread.now == Unread(place, Tip(LOWEST, feed.best[LOWEST]))
    assert index.view(ALICE, "s").unread_below == LOWEST
    assert index.empty_view("s").unread_below == LOWEST


def test_they_are_so_at_the_next_start_which_misses_nothing(store: DirectStore) -> None:
    feed = pruned()
    first, _ = begun(store, feed, Tip(PLACE, feed.best[PLACE]))
    assert first.now is not None
    written(store, first.now)
    again, index = begun(store, feed, Tip(95, feed.best[95]))
    assert again.now == first.now
    assert index.unread_below == LOWEST


def test_a_source_that_has_them_begins_with_them_and_ends_it(
    store: DirectStore,
) -> None:
    feed = pruned()
    first, _ = begun(store, feed, Tip(PLACE, feed.best[PLACE]))
    assert first.now is not None
    written(store, first.now)
    feed.lowest = 0  # the same chain, of a node that keeps it
    whole, index = begun(store, feed, Tip(95, feed.best[95]))
    assert index.chain.lowest == PLACE - LOOKBACK + 1
    assert whole.now is None
    assert whole.read == first.now
    assert index.unread_below == 0


@pytest.mark.parametrize(("height", "is_over"), [(LOWEST - 1, False), (LOWEST, True)])
def test_it_is_over_with_the_last_of_them_and_not_before(
    store: DirectStore, height: int, is_over: bool
) -> None:
    feed = FakeFeed(LOWEST)
    after, below = Tip(PLACE, feed.best[PLACE]), Tip(LOWEST, feed.best[LOWEST])
    written(store, Unread(after, below))
    unread, index = UnreadBlocks(), ScriptIndex()
    index.watch(ALICE)
    place = Tip(LOWEST - 5, feed.best[LOWEST - 5])
    start = unread.start_from(store, feed, feed.status(), place)
    if height < LOWEST:
        feed.undo()
    result = sync(feed, index, start_from=start, limits=RoundLimits(blocks=500))
    assert result.tip.height == height
    unread.after_round(index, result, start)
    assert (unread.now is None, unread.read is not None) == (is_over, is_over)
    assert index.unread_below == (0 if is_over else LOWEST)


def test_a_second_absence_is_added_to_the_first(store: DirectStore) -> None:
    feed = pruned()
    first, _ = begun(store, feed, Tip(PLACE, feed.best[PLACE]))
    assert first.now is not None
    written(store, first.now)
    feed.lowest = 98
    second, index = begun(store, feed, Tip(75, feed.best[75]))
    assert second.now is not None
    assert (second.now.after.height, second.now.below.height) == (PLACE, 98)
    assert index.unread_below == 98


def test_where_they_are_written_down_damaged_all_up_to_now_is_unread(
    store: DirectStore,
) -> None:
    feed = FakeFeed(100)
    written(store, Unread(Tip(PLACE, "aa"), Tip(LOWEST, "bb")))
    store.journal.connection.execute(
        "UPDATE source_tips SET height = 1 WHERE source = ?", (UNREAD_BELOW,)
    )
    unread, _ = begun(store, feed, Tip(95, feed.best[95]))
    assert unread.now == Unread(Tip(0, ""), feed.now)


def test_the_oldest_payment_says_how_high_the_chain_was_and_no_clock_does(
    store: DirectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread_blocks, "_PAGE", 2)
    paused: list[None] = []
    assert oldest_tip(store, lambda: paused.append(None)) is None
    for number, height in enumerate((None, -1, None, 42, 43)):
        write = creation(f"p{number}")
        (entry,) = write.entries
        terms = replace(entry.payment.terms, tip_height=height)
        (event,) = entry.events
        told = replace(event, data=replace(event.data, terms=terms))
        payment = replace(entry.payment, terms=terms)
        store.journal.commit([Write((Entry(payment, (told,)),))])
    assert oldest_tip(store, lambda: paused.append(None)) == 42
    assert len(paused) == 1, "between two pages"
