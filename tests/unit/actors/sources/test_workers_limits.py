"""What a worker's last word of a round says, field by field, and what it keeps."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import Nudge, Poll, Round, RoundDone
from actors.sources.messages import Probe, Probed, SomeViews
from actors.sources.workers import BlockFeedWorker
from engine.chain.feed import SourceStatus, Tip
from engine.chain.packed_tx import PackedTx
from engine.chain.push import PushLog
from engine.chain.witness import CURRENT, Best, Standing
from engine.errors import InvalidTransaction, SourceUnavailable
from engine.store.writes import SourceTip, Write
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.actor_stage import ActorStage, Inbox

A, B = b"\x00\x14" + b"a" * 20, b"\x00\x14" + b"b" * 20

Ask = Callable[[Round], RoundDone]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def of_blocks(stage: ActorStage, feed: Any, number: int = 2) -> Ask:
    source = Inbox()
    stage.node.source = stage.start("source", source)
    worker = BlockFeedWorker(stage.node, number, feed, stage.store)
    return _asker(stage, source, stage.start("feed", worker, limit=10))


def _asker(stage: ActorStage, source: Inbox, ref: Any) -> Ask:
    def ask(work: Round) -> RoundDone:
        ref.tell(work)
        stage.run()
        done = source.got[-1]
        assert isinstance(done, RoundDone)
        return done

    return ask


def watched(number: int, *scripts: bytes, **more: Any) -> Round:
    return Round(number, watch=(scripts,), reset=True, **more)


def test_the_first_round_says_what_was_read(stage: ActorStage) -> None:
    feed = FakeFeed(20)
    done = of_blocks(stage, feed)(watched(7, A, polls=(Poll(A),)))
    assert (done.feed, done.number, done.asked_at) == (2, 7, stage.clock.now())
    assert (done.tip, done.read, done.height) == (feed.now, feed.now, 20)
    assert (done.error, done.more, done.is_stuck) == (None, False, False)
    assert done.assessment == CURRENT
    assert done.status is not None
    assert done.status.tip == feed.now
    assert done.first is not None
    assert done.anew, "nothing told it where to go on"
    assert done.blocks > 0
    assert done.requests == feed.requests
    assert (done.disappeared, done.unread, done.unread_read) == (0, None, None)
    assert done.look is not None
    assert done.look(A).tip == feed.now
    again = of_blocks(stage, feed)(watched(8, A))
    assert again.views == {}, "nobody asked, and there is nothing to show"


def test_only_a_first_round_is_anew_and_reads_blocks(stage: ActorStage) -> None:
    feed = FakeFeed(20)
    ask = of_blocks(stage, feed)
    assert ask(watched(1, A)).anew
    done = ask(Round(2))
    assert not done.anew
    assert (done.blocks, done.height) == (0, 20)
    feed.mine([])
    done = ask(Round(3))
    assert (done.blocks, done.height, done.anew) == (1, 21, False)


def test_with_a_place_of_its_own_it_goes_on_there(stage: ActorStage) -> None:
    feed = FakeFeed(40)
    stage.append(Write(rows=(SourceTip("fake", 35, feed.best[35]),)))
    stage.run()
    done = of_blocks(stage, feed)(watched(1, A))
    assert not done.anew
    assert done.read == feed.now


def test_a_place_that_cannot_be_read_is_logged_and_begun_anew(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    feed = FakeFeed(40)
    stage.append(Write(rows=(SourceTip("fake", 35, feed.best[35]),)))
    stage.run()
    stage.journal.connection.execute("UPDATE source_tips SET height = 1")
    done = of_blocks(stage, feed)(watched(1, A))
    assert done.anew
    assert "source.place_lost source=fake" in caplog.text


def test_a_round_that_fails_at_once_says_nothing_of_the_chain(
    stage: ActorStage,
) -> None:
    feed = FakeFeed(20)
    ask = of_blocks(stage, feed)

    def refuse(_call: str) -> None:
        raise SourceUnavailable("refused")

    feed.on_call = refuse
    done = ask(watched(1, A, polls=(Poll(A),)))
    assert done.error is not None
    assert (done.tip, done.read, done.height, done.look) == (None, None, None, None)
    assert (done.status, done.first, done.views) == (None, None, {})
    assert not done.is_stuck
    assert done.blocks == 0
    feed.on_call = lambda _call: None
    assert ask(Round(2)).anew, "no round has said so yet"
    feed.on_call = refuse
    failed = ask(Round(3))
    assert failed.tip == feed.now, "as it was read before"
    assert failed.look is not None


def test_a_round_that_fails_half_way_says_its_first_word(stage: ActorStage) -> None:
    feed = FakeFeed(20)

    def refuse(call: str) -> None:
        if call == "mempool":
            raise SourceUnavailable("refused")

    feed.on_call = refuse
    done = of_blocks(stage, feed)(watched(1, A))
    assert done.error is not None
    assert done.status is done.first is not None


def test_it_is_stuck_when_the_next_block_is_pruned(stage: ActorStage) -> None:
    feed = FakeFeed(20)
    ask = of_blocks(stage, feed)
    ask(watched(1, A))
    for _ in range(5):
        feed.mine([])
    feed.lowest = 21
    feed.on_call = _refuse_blocks
    assert not ask(Round(2)).is_stuck, "the very next one is there"
    feed.lowest = 22
    assert ask(Round(3)).is_stuck


def _refuse_blocks(call: str) -> None:
    if call == "block":
        raise SourceUnavailable("pruned")


def test_a_source_behind_shows_money_and_proves_nothing(stage: ActorStage) -> None:
    feed = FakeFeed(20)
    feed.mine([make_tx("pays", [(A, 5)])])
    ask = of_blocks(stage, feed)
    best = Best(Tip(40, "ff" * 32), stage.clock.now())
    done = ask(watched(1, A, polls=(Poll(A), Poll(B)), best=best))
    assert done.assessment.standing is Standing.BEHIND
    view = done.views[A]
    assert (view.is_current, view.complete, view.off_chain) == (False, False, ())
    assert [output.amount_sat for output in view.outputs] == [5]
    assert B not in done.views, "nobody watches it"
    assert done.look is not None
    assert not done.look(A).is_current
    again = ask(Round(2))
    assert again.assessment == CURRENT
    assert again.views[A].is_current, "what it showed while it was behind counts now"
    assert ask(Round(3)).views == {}


def test_what_was_shown_is_shown_again_when_the_tip_moves(stage: ActorStage) -> None:
    feed = FakeFeed(20)
    feed.mine([make_tx("pays", [(A, 5)])])
    ask = of_blocks(stage, feed)
    assert set(ask(watched(1, A, B, show=((A, B),))).views) == {A, B}
    assert ask(Round(2)).views == {}
    feed.mine([])
    done = ask(Round(3))
    assert set(done.views) == {A}
    assert done.views[A].tip.height == 22
    feed.mine([])
    assert ask(Round(4, unwatch=(A,))).views == {}


def test_a_block_that_paid_it_and_is_gone_is_told_of(stage: ActorStage) -> None:
    feed = FakeFeed(20)
    block = feed.mine([make_tx("pays", [(A, 5)])]).header.hash
    ask = of_blocks(stage, feed)
    ask(watched(1, A, polls=(Poll(A),)))
    feed.reorg(1, [[], []])
    done = ask(Round(2))
    assert block in done.views[A].off_chain
    assert ask(Round(3)).views == {}


def test_a_reset_forgets_what_was_shown_and_watched(stage: ActorStage) -> None:
    feed = FakeFeed(20)
    feed.mine([make_tx("pays", [(A, 5)])])
    ask = of_blocks(stage, feed)
    ask(watched(1, A, polls=(Poll(A),)))
    done = ask(watched(2, B, polls=(Poll(A), Poll(B))))
    assert set(done.views) == {B}
    feed.mine([])
    assert ask(Round(3)).views == {}
    assert set(ask(watched(4, A)).views) == {A}, "a reset shows all that is paid"


def test_what_comes_in_the_mempool_is_shown_unasked(stage: ActorStage) -> None:
    feed = FakeFeed(20)
    ask = of_blocks(stage, feed)
    ask(watched(1, A))
    feed.add(make_tx("pays", [(A, 5)]))
    assert set(ask(Round(2)).views) == {A}


def test_many_that_were_paid_by_nobody_are_one_view(stage: ActorStage) -> None:
    feed = FakeFeed(20)
    scripts = [b"\x00\x14" + n.to_bytes(20, "big") for n in range(499)]
    done = of_blocks(stage, feed)(watched(1, *scripts, show=(tuple(scripts),)))
    assert len(done.views) == 499, "each is a step of five hundred"
    assert len({id(view) for view in done.views.values()}) == 1


def test_five_hundred_steps_are_told_ahead_of_the_round(stage: ActorStage) -> None:
    feed, source = FakeFeed(20), Inbox()
    stage.node.source = stage.start("source", source)
    worker = BlockFeedWorker(stage.node, 4, feed, stage.store)
    ref = stage.start("feed", worker, limit=10)
    scripts = [b"\x00\x14" + n.to_bytes(20, "big") for n in range(500)]
    ref.tell(watched(9, *scripts, show=(tuple(scripts),)))
    stage.run()
    ahead, done = source.got
    assert isinstance(ahead, SomeViews)
    assert (ahead.feed, ahead.number, len(ahead.views)) == (4, 9, 500)
    assert ahead.asked_at == stage.clock.now()
    assert ahead.first.tip == feed.now
    assert isinstance(done, RoundDone)
    assert done.views == {}


def test_more_views_wait_until_the_source_actor_has_read(stage: ActorStage) -> None:
    looks: list[int] = []
    stage.node.source = ref = stage.start("source", Inbox())
    stage.run()

    def look() -> None:
        looks.append(ref.backlog)
        if len(looks) == 3:
            ref.run_turn(1)

    stage.node.yield_to_hub = look
    for _ in range(5):
        ref.tell(Nudge.__name__)
    worker = BlockFeedWorker(stage.node, 4, FakeFeed(20), stage.store)
    worker._let_them_read()
    assert looks == [5, 5, 5], "four may wait"
    worker._let_them_read()
    assert looks == [5, 5, 5, 4]


def test_reading_many_blocks_is_logged(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "paybell.source")
    feed = FakeFeed(10)
    ask = of_blocks(stage, feed)
    ask(watched(1, A))
    assert "source.reading" not in caplog.text
    for _ in range(60):
        feed.mine([])
    assert ask(Round(2)).more
    assert "source.reading source=fake block=60 of=70" in caplog.text
    assert not ask(Round(3)).more
    assert caplog.text.count("source.reading") == 1


def test_a_probe_of_a_node_is_one_question_too(stage: ActorStage) -> None:
    feed, source = FakeFeed(20), Inbox()
    stage.node.source = stage.start("source", source)
    ref = stage.start("feed", BlockFeedWorker(stage.node, 5, feed, stage.store))
    ref.tell(Probe())
    stage.run()
    assert source.got == [Probed(5, SourceStatus(feed.now), None, 1, stage.clock.now())]
    assert BlockFeedWorker.blocking


class Pushing(FakeFeed):
    """A node that pushes; whether it is still listened to."""

    def __init__(self) -> None:
        super().__init__(20)
        self.push = Listening()


def _nothing(_raw: bytes) -> PackedTx:
    raise InvalidTransaction("nothing is pushed here")


class Listening:
    def __init__(self) -> None:
        self.log, self.said = PushLog(_nothing), list[str]()

    def open(self, _nudge: Callable[[], None]) -> None:
        self.said.append("open")

    def snapshot(self) -> tuple[frozenset[str], int]:
        return frozenset(), 0

    def close(self) -> None:
        self.said.append("close")


def test_with_its_worker_what_a_node_pushes_is_listened_to_no_more(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    feed = Pushing()
    stage.node.source = stage.start("source", Inbox())
    pushed, asked = (
        stage.start("feed", BlockFeedWorker(stage.node, 0, one, stage.store))
        for one in (feed, FakeFeed(20))
    )
    for ref in (pushed, asked):
        ref.tell(Round(1, reset=True))
    stage.run()
    assert feed.push.said == ["open"]
    for ref in (pushed, asked):
        ref.stop()
    stage.run()
    assert feed.push.said == ["open", "close"]
    assert "actor.orphan_ended" not in caplog.text, "neither crashed in its stop"
