"""Blocks that nobody has read are written down before reading goes on behind them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import AllWatched
from engine.chain.feed import Tip
from engine.chain.unread import Unread
from engine.store.writes import UNREAD_AFTER, UNREAD_BELOW, SourceTip, Write
from tests.tools.fake_feed import FakeFeed
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.sources.reader import Reader

PLACE, LOWEST = 40, 70


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def unread(stage: ActorStage) -> Unread | None:
    found = [stage.store.source_tip(name) for name in (UNREAD_AFTER, UNREAD_BELOW)]
    after, below = [None if t is None else Tip(t.height, t.hash) for t in found]
    return Unread.of(after, below)


def written(stage: ActorStage, *rows: SourceTip) -> None:
    stage.append(Write(rows=rows))
    stage.run()


def test_what_a_pruned_node_has_not_is_written_before_the_place_moves(
    stage: ActorStage,
) -> None:
    feed = FakeFeed(height=100)
    feed.lowest = LOWEST
    written(stage, SourceTip(feed.name, PLACE, feed.best[PLACE]))
    reader = Reader(stage, feed)
    seen: list[tuple[int, bool]] = []

    def noted(_name: str) -> None:
        saved = reader.saved()
        assert saved is not None
        seen.append((saved[0], unread(stage) is not None))

    feed.on_call = noted
    for _ in range(6):
        feed.mine([])
        stage.pass_s(11)
    assert unread(stage) == Unread(
        Tip(PLACE, feed.best[PLACE]), Tip(LOWEST, feed.best[LOWEST])
    )
    assert seen[-1][0] > LOWEST, "the place has moved"
    assert all(is_written for height, is_written in seen if height > PLACE)


def test_it_is_over_when_a_source_that_has_them_has_read_them_and_all_is_committed(
    stage: ActorStage,
) -> None:
    feed = FakeFeed(height=100)
    written(
        stage,
        SourceTip(feed.name, 95, feed.best[95]),
        SourceTip(UNREAD_AFTER, PLACE, feed.best[PLACE]),
        SourceTip(UNREAD_BELOW, LOWEST, feed.best[LOWEST]),
    )
    reader = Reader(stage, feed)
    stage.pass_s(2)
    assert unread(stage) is not None, "the place is not behind them yet"
    for _ in range(4):
        feed.mine([])
        stage.pass_s(11)
    assert unread(stage) is None
    saved = reader.saved()
    assert saved is not None
    assert saved[0] >= LOWEST


def test_a_node_that_has_pruned_what_follows_is_read_from_its_first_block_on(
    stage: ActorStage,
) -> None:
    """Seen: it did not answer for long, and had pruned meanwhile. Each round failed,
    until the next start."""
    feed = FakeFeed(height=100)
    reader = Reader(stage, feed)
    stage.node.source.tell(AllWatched(stage.node.supervisor.incarnation))
    stage.pass_s(2)
    assert stage.published.now.freshness.live
    for _ in range(50):
        feed.mine([])
    feed.lowest = 120
    for _ in range(14):
        stage.pass_s(11)
        feed.mine([])
    stage.pass_s(11)
    assert stage.published.now.freshness.live
    assert stage.published.now.freshness.tip_height == 164
    found = unread(stage)
    assert found is not None
    assert (found.after.height, found.below.height) == (100, 120)
    saved = reader.saved()
    assert saved is not None
    assert saved[0] > 120
