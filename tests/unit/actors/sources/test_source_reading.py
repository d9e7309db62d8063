"""A source actor that reads blocks: where it begins, and what is written down."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import (
    AllWatched,
    Nudge,
    Seen,
    Tick,
    Watch,
)
from actors.sources.source import SourceActor
from engine.chain.feed import Block, Output
from engine.chain.script_index import LOOKBACK
from engine.errors import SourceUnavailable
from engine.gateway import Reading
from engine.store.writes import SourceTip, Write
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.sources.reader import Reader

ALICE = b"\x00\x14" + b"a" * 20
BOB = b"\x00\x14" + b"b" * 20


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def test_a_first_look_that_failed_is_taken_again(stage: ActorStage) -> None:
    feed = FakeFeed(height=100)
    reader = Reader(stage, feed)
    stage.pass_s(2)

    def fail(_name: str) -> None:
        raise SourceUnavailable("fake: gone")

    feed.on_call = fail
    inbox = Inbox()
    stage.node.source.tell_system(Watch(ALICE, "a", stage.start("w", inbox)))
    stage.pass_s(5)
    assert inbox.got == []
    feed.on_call = lambda _name: None
    reader.stage.pass_s(60)
    (seen,) = inbox.got
    assert isinstance(seen, Seen)
    assert seen.view.outputs == ()


def test_who_was_shown_nothing_is_shown_what_comes_unasked(stage: ActorStage) -> None:
    feed = FakeFeed(height=100)
    Reader(stage, feed)
    alice, bob = Inbox(), Inbox()
    for script, inbox in ((ALICE, alice), (BOB, bob)):
        ref = stage.start(f"watcher of {script!r}", inbox)
        stage.node.source.tell_system(Watch(script, "a", ref))
    stage.pass_s(3)
    (nothing,) = alice.got
    assert isinstance(nothing, Seen)
    assert nothing.view.outputs == ()
    assert bob.got == [nothing]
    complete_as_of = stage.complete_as_of
    assert complete_as_of is not None
    assert complete_as_of >= nothing.asked_at
    feed.add(make_tx("t1", [(ALICE, 7)]))
    stage.pass_s(3)
    (_, paid) = alice.got
    assert isinstance(paid, Seen)
    assert [o.amount_sat for o in paid.view.outputs] == [7]
    assert bob.got == [nothing]
    assert (stage.complete_as_of or 0) > complete_as_of


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


def test_an_old_block_of_the_journal_is_asked_about_once_and_then_verified(
    stage: ActorStage,
) -> None:
    feed = FakeFeed(height=100)
    old = feed.best[50 - feed.first_height]
    reader = Reader(stage, feed)
    inbox = Inbox()
    watcher = stage.start("w", inbox)
    known = (
        Output("aa" * 32, 0, 5, old, 50),
        Output("bb" * 32, 0, 6, "a block not heard of yet", 120),
    )
    reader.stage.node.source.tell_system(Watch(b"script", "a", watcher, known))
    stage.pass_s(3)
    shown = [m.view for m in inbox.got if isinstance(m, Seen)][-1]
    assert [(o.amount_sat, o.verified_by_source) for o in shown.outputs] == [
        (5, True),
        (6, False),
    ]
    calls: list[str] = []
    feed.on_call = calls.append
    feed.mine([])
    stage.pass_s(3)
    shown = [m.view for m in inbox.got if isinstance(m, Seen)][-1]
    assert [(o.amount_sat, o.verified_by_source) for o in shown.outputs] == [
        (5, True),
        (6, False),
    ]
    # One for the block that it does not know; the other's word still holds.
    assert calls.count("header") == 1


def test_a_receipt_whose_old_block_is_not_the_sources_is_looked_for_there(
    stage: ActorStage,
) -> None:
    """It was reorganised below where a start reads again, and the node forgot it."""
    feed = FakeFeed(height=49)
    tx = make_tx("paid", [(b"script", 6)])
    lost = feed.mine([tx]).header.hash
    feed.reorg(1, [[], [tx], *([[]] * 90)])
    feed.forget(lost)
    reader = Reader(stage, feed)
    inbox = Inbox()
    watcher = stage.start("w", inbox)
    known = (Output(tx.txid, 0, 6, lost, 50),)
    reader.stage.node.source.tell_system(Watch(b"script", "a", watcher, known))
    stage.pass_s(10)
    shown = [m.view for m in inbox.got if isinstance(m, Seen)]
    assert [(o.block_height, o.verified_by_source) for o in shown[0].outputs] == [
        (50, False)
    ]
    assert [(o.block_height, o.verified_by_source) for o in shown[-1].outputs] == [
        (51, True)
    ]


def test_a_lagging_source_is_not_asked_round_after_round_for_old_blocks(
    stage: ActorStage,
) -> None:
    feed = FakeFeed(height=49)
    tx = make_tx("paid", [(b"script", 6)])
    lost = feed.mine([tx]).header.hash
    feed.reorg(1, [[]] * 90)
    reader = Reader(stage, feed)
    inbox = Inbox()
    watcher = stage.start("w", inbox)
    hidden: list[Block] = []

    def lag_once_it_was_read(call: str) -> None:
        if call == "header" and not hidden:
            hidden.append(feed.blocks.pop(feed.best.pop()))

    feed.on_call = lag_once_it_was_read
    known = (Output(tx.txid, 0, 6, lost, 50),)
    reader.stage.node.source.tell_system(Watch(b"script", "a", watcher, known))
    stage.pass_s(3)
    before = feed.requests
    stage.pass_s(10)
    assert feed.requests - before < 100
    feed.blocks[hidden[0].header.hash] = hidden[0]
    feed.best.append(hidden[0].header.hash)
    stage.pass_s(10)
    shown = [m.view for m in inbox.got if isinstance(m, Seen)][-1]
    assert [o.block_height for o in shown.outputs] == [None], "in the mempool again"
    assert lost in shown.off_chain


def test_the_first_block_is_read_when_all_scripts_are_known(stage: ActorStage) -> None:
    """Else it is read before the script is known that it pays."""
    feed = FakeFeed(height=100)
    reader = Reader(stage, feed)
    reader.booted.publish(False)
    stage.pass_s(30)
    assert feed.requests == 0
    reader.booted.publish(True)
    stage.node.source.tell_system(Tick())
    stage.pass_s(1)
    assert feed.requests == 0, "timers overtake what tells of the scripts"
    stage.node.source.tell(AllWatched(stage.node.supervisor.incarnation))
    stage.pass_s(1)
    assert feed.requests > 0


def test_a_crashed_reader_covers_nobody_until_it_has_read_all_again(
    stage: ActorStage,
) -> None:
    feed = FakeFeed(height=100)
    Reader(stage, feed)
    stage.pass_s(2)
    assert stage.complete_as_of is not None

    def bug(_name: str) -> None:
        feed.on_call = lambda _name: None
        raise KeyError("a bug")

    feed.on_call = bug
    stage.node.source.tell(Nudge())
    stage.pass_s(0.5)
    assert stage.complete_as_of is None
    crashed_at = stage.clock.now()
    stage.pass_s(30)
    assert stage.complete_as_of is not None
    assert stage.complete_as_of >= crashed_at - 500


def test_a_source_that_lags_is_not_live(stage: ActorStage) -> None:
    feed = FakeFeed(height=100)
    Reader(stage, feed)
    stage.pass_s(2)
    assert stage.published.now.freshness.live
    feed.forget(feed.best.pop())
    stage.pass_s(0.5)
    told = stage.complete_as_of
    stage.pass_s(10)
    assert not stage.published.now.freshness.live
    assert stage.published.now.freshness.tip_height == 99
    assert stage.complete_as_of is not None
    assert told is not None
    assert stage.complete_as_of - told <= 1_000


def test_how_far_many_blocks_are_read_is_told_while_they_are(
    stage: ActorStage,
) -> None:
    """Fifty in a round; before, only a log line told."""
    reader = Reader(stage, FakeFeed(20))
    stage.node.source.tell(AllWatched(stage.node.supervisor.incarnation))
    stage.pass_s(2)
    actor = stage.node.source.actor
    assert isinstance(actor, SourceActor)
    (feed,) = actor.planner.feeds
    assert feed.reading is None
    for _ in range(120):
        reader.feed.mine([])
    seen: list[Reading | None] = []

    def note(call: str) -> None:
        if call == "status" and feed.reading not in seen:
            seen.append(feed.reading)

    reader.feed.on_call = note
    stage.pass_s(5)
    counts = [(r.height, r.blocks_read, r.blocks_left) for r in seen if r is not None]
    assert counts == [(70, 50, 70), (120, 100, 20)]
    assert {(r.to_height, r.since) for r in seen if r is not None} == {
        (140, seen[1].since if seen[1] else 0)
    }
    assert feed.reading is None


def test_a_tip_that_was_shown_only_at_the_beginning_of_a_round_is_the_best(
    stage: ActorStage,
) -> None:
    """Found by a simulated world (seed 11940): the node was rolled back meanwhile, and
    was called current as soon as it was above its last word."""
    reader = Reader(stage, FakeFeed(20))
    stage.node.source.tell(AllWatched(stage.node.supervisor.incarnation))
    stage.pass_s(2)
    feed = reader.feed
    for _ in range(3):
        feed.mine([])
    calls: list[str] = []

    def roll_back(call: str) -> None:
        calls.append(call)
        if len(calls) == 2:
            assert calls[0] == "status"
            del feed.best[-2:]

    feed.on_call = roll_back
    stage.pass_s(2)
    best = stage.published.now.best
    assert best is not None
    assert best.tip.height == 23
    assert feed.now.height == 21
