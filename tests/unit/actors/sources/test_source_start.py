"""A source actor that reads blocks: where it begins, and what is written down."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import (
    Seen,
    Watch,
)
from engine.chain.script_index import LOOKBACK
from engine.errors import SourceUnavailable
from engine.store.writes import SourceTip, Write
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.sources.reader import Reader

ALICE = b"\x00\x14" + b"a" * 20


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def test_the_first_blocks_that_were_read_are_written_down_at_once(
    stage: ActorStage,
) -> None:
    reader = Reader(stage, FakeFeed(height=100))
    stage.pass_s(2)
    tip = reader.feed.now
    assert reader.saved() == (tip.height, tip.hash)


def test_a_first_round_that_failed_half_way_is_written_down_when_it_succeeds(
    stage: ActorStage,
) -> None:
    feed = FakeFeed(height=100)
    calls: list[str] = []

    def fail_once_at_the_mempool(name: str) -> None:
        calls.append(name)
        if name == "mempool" and calls.count("mempool") == 1:
            raise SourceUnavailable("fake: gone for a moment")

    feed.on_call = fail_once_at_the_mempool
    reader = Reader(stage, feed)
    stage.pass_s(10)
    assert reader.saved() == (feed.now.height, feed.now.hash)


def test_what_is_written_down_was_read_and_not_only_announced(
    stage: ActorStage,
) -> None:
    """A crash in a long catching-up must not leave out the blocks in between."""
    feed = FakeFeed(height=100)
    reader = Reader(stage, feed)
    stage.pass_s(2)
    for _ in range(400):
        feed.mine([])
    blocks: list[str] = []

    def be_slow_and_then_down(name: str) -> None:
        if name == "block":
            blocks.append(name)
            stage.clock.advance(300)
        if len(blocks) > 230:
            raise SourceUnavailable("fake: gone")

    feed.on_call = be_slow_and_then_down
    stage.pass_s(60)
    saved = reader.saved()
    assert saved is not None
    assert 100 < saved[0] <= 100 + len(blocks)


def test_a_source_goes_on_where_another_had_come_to(stage: ActorStage) -> None:
    feed = FakeFeed(height=100)
    row = SourceTip("other", feed.now.height, feed.now.hash)
    stage.append(Write(rows=(row, SourceTip("probe", 0, "1"))))
    stage.append(Write(rows=(SourceTip("devchain", 5_000, "00"),)))
    stage.run()
    for _ in range(60):
        feed.mine([])
    read: list[str] = []
    feed.on_call = read.append
    Reader(stage, feed)
    stage.pass_s(3)
    assert read.count("block") == 60 + LOOKBACK


def test_a_source_without_a_place_of_its_own_begins_before_the_oldest_payment(
    stage: ActorStage,
) -> None:
    """Until now they were asked for address by address, somewhere else."""
    stage.create("p")
    made_s = stage.payment("p").terms.created_at // 1000
    feed = FakeFeed(height=300, time_s=made_s - 7_200 - 200)
    paid = feed.mine([make_tx("paid", [(ALICE, 7)])])
    for _ in range(99):
        feed.mine([])
    inbox = Inbox()
    Reader(stage, feed)
    stage.node.source.tell_system(Watch(ALICE, "a", stage.start("w", inbox)))
    stage.pass_s(30)
    shown = [m.view for m in inbox.got if isinstance(m, Seen)][-1]
    assert [o.block_hash for o in shown.outputs] == [paid.header.hash]
    assert shown.complete


def test_what_a_first_start_has_read_is_read_again_by_the_next(
    stage: ActorStage,
) -> None:
    """Its watchers may not have committed what they were shown when the process dies:
    that is of all the fifty blocks of its first round, not of the last twelve."""
    stage.create("p")
    made_s = stage.payment("p").terms.created_at // 1000
    feed = FakeFeed(height=300, time_s=made_s - 7_200 - 200)
    reader = Reader(stage, feed)
    saved: list[tuple[int, str] | None] = []
    feed.on_call = lambda _name: saved.append(reader.saved())
    stage.pass_s(2)
    first = next(mark for mark in saved if mark is not None)
    assert first == (200 + LOOKBACK - 1, feed.best[200 + LOOKBACK - 1])


def test_a_source_is_not_said_to_have_read_what_another_did(stage: ActorStage) -> None:
    """It may be on another branch, whose blocks nobody has looked into yet."""
    first, second = FakeFeed(height=300), FakeFeed(height=100)
    first.name, second.name = "first", "second"
    tip = second.now
    stage.append(Write(rows=(SourceTip("second", tip.height, tip.hash),)))
    Reader(stage, first, second)
    stage.pass_s(30)

    def refuse(_name: str) -> None:
        raise SourceUnavailable("first: gone")

    first.on_call = refuse
    for _ in range(10):
        second.mine([])
        stage.pass_s(10)
    saved = stage.store.source_tip("second")
    assert saved is not None
    assert saved.hash in second.best
    assert tip.height < saved.height <= second.now.height


def test_where_reading_starts_again_is_not_kept_for_a_chain_that_ends_with_us(
    stage: ActorStage,
) -> None:
    reader = Reader(stage, FakeFeed(height=100), kind="devchain")
    stage.pass_s(2)
    assert reader.saved() is None
