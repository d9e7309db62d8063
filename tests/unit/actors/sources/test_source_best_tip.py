"""The best tip that anybody has shown: written down, and believed in the next run."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.facts.published import Published, SourceReport
from actors.messages import Round, Seen, Watch
from actors.sources.feed_state import FeedSpec
from actors.sources.messages import BestRead, SomeViews
from actors.sources.source import SourceActor
from engine.chain.feed import ChainView, SourceStatus, Tip
from engine.chain.witness import Best, Standing
from engine.errors import StoreUnavailable
from engine.runtime.ref import ActorScope, Ref
from engine.store.writes import BEST_TIP, Outcome, SourceTip, Unavailable, Write
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.sources.reader import Reader

ALICE = b"\x00\x14" + b"a" * 20


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def node(name: str, height: int = 100) -> FakeFeed:
    """Nodes of the same height have the same blocks."""
    feed = FakeFeed(height)
    feed.name = name
    return feed


def watched(stage: ActorStage) -> Inbox:
    inbox = Inbox()
    stage.node.source.tell_system(Watch(ALICE, "a", stage.start("w", inbox)))
    return inbox


def views(inbox: Inbox) -> list[Any]:
    return [m.view for m in inbox.got if isinstance(m, Seen)]


def test_the_best_tip_is_written_down_and_no_place_to_read_from(
    stage: ActorStage,
) -> None:
    feed = node("core")
    Reader(stage, feed)
    stage.pass_s(3)
    feed.mine([])
    stage.pass_s(3)
    tip = feed.now
    saved = stage.store.source_tip(BEST_TIP)
    assert saved == SourceTip(BEST_TIP, tip.height, tip.hash)
    best = stage.published.now.best
    assert best is not None
    assert best.tip == tip


class Desk:
    """Before the journal: what it is given, and what becomes of the first best tip."""

    def __init__(
        self, stage: ActorStage, first: Callable[[SourceTip], None] | None = None
    ) -> None:
        self.got: list[SourceTip] = []
        self._append, self._write_first = stage.node.append, stage.node.write_first
        self._first = first
        stage.node.append = self.append  # type: ignore[method-assign]
        stage.node.write_first = self.write_first  # type: ignore[method-assign]

    def append(self, write: Write, reply: Any) -> None:
        row = write.rows[0] if write.rows else None
        if isinstance(row, SourceTip):
            self.got.append(row)
        self._append(write, reply)

    def write_first(self, row: SourceTip) -> None:
        then: Callable[[SourceTip], None] = self._write_first
        self.got.append(row)
        if self._first is not None:
            then, self._first = self._first, None
        then(row)


def test_a_best_tip_waits_for_no_other_that_is_being_written(
    stage: ActorStage,
) -> None:
    """The journal keeps the order; what follows from the newest would be before it."""
    held: list[SourceTip] = []
    Desk(stage, held.append)
    feed = node("core")
    Reader(stage, feed)
    stage.pass_s(3)
    assert stage.store.source_tip(BEST_TIP) is None
    feed.mine([])
    stage.pass_s(3)
    saved, tip = stage.store.source_tip(BEST_TIP), feed.now
    assert saved == SourceTip(BEST_TIP, tip.height, tip.hash)
    assert len(held) == 1


def test_a_best_tip_is_handed_to_the_journal_before_a_place_as_high(
    stage: ActorStage,
) -> None:
    """Else a process that ends in between starts with the place alone, and holds no
    source against it. The first place of all may be the tip."""
    desk = Desk(stage)
    feed = node("core", 3)
    reader = Reader(stage, feed)
    stage.pass_s(3)
    assert reader.saved() == (feed.now.height, feed.now.hash)
    assert [row.source for row in desk.got] == [BEST_TIP, "core"]


def test_a_best_tip_is_written_before_views_that_are_ahead_of_their_round(
    stage: ActorStage,
) -> None:
    """Where a block pays thousands: what their watchers commit of it may be all that
    is left of a process, and its source one block lower at the next start."""
    desk, worker = Desk(stage), Inbox()
    scope = ActorScope(stage.dispatcher, lambda _name: worker, mailbox_limit=10)
    specs = [FeedSpec("core", "bitcoind", Ref(scope, "feed.0"), True, 1.0)]
    stage.node.booted = Published(True)
    source = SourceActor(stage.node, specs, stage.published)
    stage.node.source = stage.start("source", source)
    inbox = watched(stage)
    stage.pass_s(3)
    (work,) = worker.got
    assert isinstance(work, Round)
    tip, at = Tip(100, "ee" * 32), stage.clock.now()
    shown = {ALICE: ChainView("core", tip, ())}
    stage.node.source.tell_system(
        SomeViews(0, work.number, at, shown, SourceStatus(tip))
    )
    while not inbox.got:
        assert stage.dispatcher.step() is not None
    assert desk.got == [SourceTip(BEST_TIP, tip.height, tip.hash)]


def test_a_best_tip_that_the_disk_refused_is_there_before_what_follows_from_it(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """World 12744: the receipt that was so deep was all that was left of a process."""
    feed = node("core")
    Reader(stage, feed)
    stage.pass_s(3)
    submit = stage.store.submit

    def full(batch: Sequence[Write], done: Callable[[list[Outcome]], None]) -> None:
        done([Unavailable("disk full")] * len(batch))

    monkeypatch.setattr(stage.store, "submit", full)
    feed.mine([])
    stage.pass_s(3)
    committed: list[Write] = []

    def works(batch: Sequence[Write], done: Callable[[list[Outcome]], None]) -> None:
        committed.extend(batch)
        submit(batch, done)

    monkeypatch.setattr(stage.store, "submit", works)
    stage.create("pay_1")
    tip = feed.now
    best = SourceTip(BEST_TIP, tip.height, tip.hash)
    assert committed[0].rows == (best,)
    assert committed[1].entries
    assert stage.store.source_tip(BEST_TIP) == best


def test_a_best_tip_that_the_disk_refused_is_written_when_it_can_be(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing else is to be written, and no better tip comes."""
    submit, refused = stage.store.submit, 0

    def full(batch: Sequence[Write], done: Callable[[list[Outcome]], None]) -> None:
        nonlocal refused
        refused += 1
        done([Unavailable("disk full")] * len(batch))
        monkeypatch.setattr(stage.store, "submit", submit)

    monkeypatch.setattr(stage.store, "submit", full)
    feed = node("core")
    Reader(stage, feed)
    stage.pass_s(3)
    saved, tip = stage.store.source_tip(BEST_TIP), feed.now
    assert (saved, refused) == (SourceTip(BEST_TIP, tip.height, tip.hash), 1)


def test_a_best_tip_that_was_lost_with_the_journal_is_written_by_the_next_life(
    stage: ActorStage,
) -> None:
    """They crash together, and the report is all that is left: that it was published
    is not that it was written (world 3279)."""
    lost: list[SourceTip] = []
    Desk(stage, lost.append)
    feed = node("core")
    Reader(stage, feed)
    stage.pass_s(3)
    source = stage.node.source
    source.kill()
    source.start()
    stage.pass_s(3)
    saved, tip = stage.store.source_tip(BEST_TIP), feed.now
    assert saved == SourceTip(BEST_TIP, tip.height, tip.hash)
    assert len(lost) == 1


def test_the_dev_chain_s_best_tip_ends_with_it(stage: ActorStage) -> None:
    Reader(stage, node("devchain"), kind="devchain")
    stage.pass_s(3)
    assert stage.store.source_tip(BEST_TIP) is None


@pytest.mark.parametrize("saved", [True, False])
def test_a_first_round_at_a_source_behind_the_last_run_reads_nothing(
    stage: ActorStage, saved: bool
) -> None:
    rows = [SourceTip("core", 120, "ee" * 32)] if saved else []
    stage.append(Write(rows=tuple(rows)))
    stage.run()
    best = Best(Tip(120, "ee" * 32), stage.clock.now())
    stage.published.publish(SourceReport(best=best))
    feed = node("core")
    feed.mine([make_tx("t", [(ALICE, 7)])])
    reader = Reader(stage, feed)
    inbox = watched(stage)
    stage.pass_s(20)
    assert not any(view.is_current for view in views(inbox))
    fresh = stage.published.now.freshness
    assert fresh.standing is Standing.BEHIND
    assert "120" in (fresh.reason or "")
    assert feed.requests < 200
    while feed.now.height < 121:
        feed.mine([])
    stage.pass_s(20)
    assert views(inbox)[-1].is_current
    assert stage.published.now.freshness.live
    assert reader.saved() is not None


def test_the_best_tip_is_believed_after_a_crash_of_the_source_actor(
    stage: ActorStage,
) -> None:
    feed = node("core")
    Reader(stage, feed)
    stage.pass_s(3)
    feed.undo(5)
    source = stage.node.source
    source.kill()
    source.start()
    stage.pass_s(10)
    assert not stage.published.now.freshness.live
    best = stage.published.now.best
    assert best is not None
    assert best.tip.height == 100


def test_of_a_first_download_nothing_is_read_until_it_is_over(
    stage: ActorStage,
) -> None:
    """Else the whole history of the chain would be read as it comes."""
    feed = node("core", 50)
    feed.says = {"initial_download": True, "headers": 900}
    calls: list[str] = []
    feed.on_call = calls.append
    Reader(stage, feed)
    inbox = watched(stage)
    for _ in range(10):
        feed.mine([])
        stage.pass_s(1)
    assert set(calls) == {"status"}
    fresh = stage.published.now.freshness
    assert fresh.reason == "still in its first download (block 60 of 900)"
    assert views(inbox) == []
    feed.says = {}
    stage.pass_s(3)
    assert views(inbox)[-1].is_current


def test_a_best_tip_that_an_earlier_life_asked_for_changes_nothing(
    stage: ActorStage,
) -> None:
    """The answer waits in the mailbox, which outlives the actor that crashed."""
    feed = node("core")
    Reader(stage, feed)
    stage.pass_s(3)
    stage.node.source.tell_system(BestRead(SourceTip(BEST_TIP, 5_000, "ee" * 32)))
    stage.pass_s(3)
    best = stage.published.now.best
    assert best is not None
    assert best.tip == feed.now
    assert stage.published.now.freshness.live
    assert stage.node.source.incarnation == 1


def test_no_round_begins_before_the_best_tip_of_the_last_run_is_known(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that refuses for a moment is asked again."""
    refusals = [StoreUnavailable("disk I/O error", "wait")] * 3
    source_tip = stage.store.source_tip

    def refuse(source: str) -> SourceTip | None:
        if source == BEST_TIP and refusals:
            raise refusals.pop()
        return source_tip(source)

    monkeypatch.setattr(stage.store, "source_tip", refuse)
    stage.append(Write(rows=(SourceTip(BEST_TIP, 120, "ee" * 32),)))
    feed = node("core")
    Reader(stage, feed)
    stage.pass_s(2)
    assert feed.requests == 0
    stage.pass_s(10)
    assert stage.published.now.freshness.reason is not None
    assert "block 120 was seen" in stage.published.now.freshness.reason
