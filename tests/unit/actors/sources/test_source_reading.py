"""A source actor that reads blocks: what its watchers are shown, and when."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import AllWatched, Nudge, RefundsWatched, Seen, SourceTick, Watch
from actors.sources.source import SourceActor
from engine.chain.feed import Block, Output
from engine.errors import SourceUnavailable
from engine.gateway import Reading
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
    stage.node.source.tell_system(SourceTick())
    stage.pass_s(1)
    assert feed.requests == 0, "timers overtake what tells of the scripts"
    stage.node.source.tell(AllWatched(stage.node.supervisor.incarnation))
    stage.pass_s(1)
    assert feed.requests > 0


def test_the_first_block_waits_for_the_addresses_of_refunds(stage: ActorStage) -> None:
    """A simulated world (--refunds, 695) had read it before: what the owner had sent
    back while the node was down was never seen."""
    feed = FakeFeed(height=100)
    stage.node.watches_refunds = True
    stage.node.refunds = stage.start("refunds", Inbox())
    Reader(stage, feed)
    stage.node.source.tell(AllWatched(stage.node.supervisor.incarnation))
    stage.pass_s(30)
    assert feed.requests == 0
    stage.node.source.tell(RefundsWatched(stage.node.refunds.incarnation))
    stage.pass_s(1)
    asked = feed.requests
    assert asked > 0
    stage.node.refunds.kill()
    stage.node.refunds.start()
    stage.pass_s(30)
    assert feed.requests == asked, "another one has told nothing yet"


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
