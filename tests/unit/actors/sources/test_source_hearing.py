"""What a source says of itself is heard, whatever becomes of the rest of its answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.facts.published import Published
from actors.messages import Poll, Round, RoundDone, Seen, Watch
from actors.sources.feed_state import FeedSpec
from actors.sources.messages import SomeViews
from actors.sources.planner import RoundPlanner
from actors.sources.source import SourceActor
from engine.chain.feed import ChainView, SourceStatus, Tip
from engine.errors import SourceUnavailable
from engine.runtime.ref import ActorScope, Ref
from engine.store.writes import BEST_TIP, SourceTip, Write
from tests.tools.fake_feed import FakeFeed
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.sources.reader import Reader

ALICE = b"\x00\x14" + b"a" * 20
TIP, NEXT_TIP = Tip(100, "aa" * 32), Tip(101, "bb" * 32)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


class Talk:
    """A source actor with a payment to watch; the test speaks for the worker."""

    def __init__(self, stage: ActorStage) -> None:
        self.stage, self.worker, self.watcher = stage, Inbox(), Inbox()
        worker = stage.start("feed.0", self.worker)
        specs = [FeedSpec("core", "bitcoind", worker, True, 1.0)]
        stage.node.booted = Published(True)
        scope = ActorScope(
            stage.dispatcher,
            lambda _name: SourceActor(stage.node, specs, stage.published),
        )
        self.source = stage.node.source = Ref(scope, "source")
        self.source.start()
        ref = stage.start("w", self.watcher)
        self.source.tell_system(Watch(ALICE, "a", ref))
        stage.pass_s(3)

    @property
    def best(self) -> Tip | None:
        best = self.stage.published.now.best
        return None if best is None else best.tip

    @property
    def written(self) -> SourceTip | None:
        return self.stage.store.source_tip(BEST_TIP)

    @property
    def number(self) -> int:
        """Of the round under way."""
        work = self.worker.got[-1]
        assert isinstance(work, Round)
        return work.number

    def some_views(self, tip: Tip, number: int) -> None:
        shown = {ALICE: ChainView("core", tip, ())}
        at = self.stage.clock.now()
        self._say(SomeViews(0, number, at, shown, SourceStatus(tip)))

    def done(self, tip: Tip, number: int, first: Tip | None = None) -> None:
        views = {ALICE: ChainView("core", tip, ())}
        said, before = SourceStatus(tip), SourceStatus(first or tip)
        at = self.stage.clock.now()
        self._say(RoundDone(0, number, at, views, tip, 1, status=said, first=before))

    def _say(self, message: object) -> None:
        self.source.tell_system(message)
        self.stage.run()

    def restart(self) -> None:
        self.source.kill()
        self.source.start()
        self.stage.run()


def test_what_a_round_showed_for_which_nobody_waits_any_more_is_the_best_tip(
    stage: ActorStage,
) -> None:
    """Its worker was killed with it in its mailbox, and did it in its next life (world
    82828): the next source lacked that block, and was called current."""
    talk = Talk(stage)
    talk.done(TIP, talk.number)
    shown = len(talk.watcher.got)
    talk.done(NEXT_TIP, talk.number + 7)
    assert talk.best == NEXT_TIP
    assert talk.written == SourceTip(BEST_TIP, NEXT_TIP.height, NEXT_TIP.hash)
    assert len(talk.watcher.got) == shown, "its views are of nothing that was asked"


def test_so_is_what_only_its_first_word_showed(stage: ActorStage) -> None:
    talk = Talk(stage)
    talk.done(TIP, talk.number + 7, first=NEXT_TIP)
    assert talk.best == NEXT_TIP


def test_so_is_what_a_round_showed_that_an_earlier_life_had_asked_for(
    stage: ActorStage,
) -> None:
    """World 83502: the actor had crashed with the round under way."""
    talk = Talk(stage)
    talk.done(TIP, talk.number)
    stage.pass_s(2)
    asked_for = talk.number
    talk.restart()
    talk.done(NEXT_TIP, asked_for)
    assert talk.best == NEXT_TIP


def test_so_is_what_was_shown_ahead_of_its_end(stage: ActorStage) -> None:
    talk = Talk(stage)
    talk.some_views(NEXT_TIP, talk.number + 7)
    assert talk.best == NEXT_TIP
    assert talk.watcher.got == []


def test_a_worker_that_is_killed_does_its_round_in_its_next_life(
    stage: ActorStage,
) -> None:
    """World 82828 whole: the second source lacks the newest block; it is asked next."""
    feeds = [FakeFeed(100), FakeFeed(100)]
    feeds[0].name, feeds[1].name = "one", "two"
    worker = Reader(stage, *feeds).workers[0]
    watcher = Inbox()
    ref = stage.start("w", watcher)
    stage.node.source.tell_system(Watch(ALICE, "a", ref))
    stage.pass_s(3)
    feeds[0].mine([])
    while not worker.backlog:
        if stage.dispatcher.step() is None:
            stage.clock.advance(stage.clock.next_due_ms() or 1)
    worker.kill()
    stage.run()

    def gone(_call: str) -> None:
        raise SourceUnavailable("gone")

    feeds[0].on_call = gone
    stage.node.source.tell(Poll(ALICE))
    stage.pass_s(30)
    seen = [m.view for m in watcher.got if isinstance(m, Seen)]
    said = {(view.source, view.tip.height, view.is_current) for view in seen}
    assert said == {("one", 100, True), ("two", 100, False)}


def test_what_watchers_were_shown_is_known_after_a_crash_on_the_rest(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of them have their views: what they decide may follow from that tip."""
    talk = Talk(stage)
    talk.done(TIP, talk.number)
    stage.pass_s(2)
    shown = len(talk.watcher.got)

    def finish(*_answer: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as bug:
        bug.setattr(RoundPlanner, "finish", finish)
        talk.done(NEXT_TIP, talk.number)
    assert len(talk.watcher.got) > shown
    assert not talk.source.is_alive
    talk.source.start()
    stage.run()
    assert talk.best == NEXT_TIP
    assert talk.written == SourceTip(BEST_TIP, NEXT_TIP.height, NEXT_TIP.hash)


def test_a_next_life_believes_what_was_shown_ahead_of_a_round_s_end(
    stage: ActorStage,
) -> None:
    talk = Talk(stage)
    talk.done(TIP, talk.number)
    stage.pass_s(2)
    talk.some_views(NEXT_TIP, talk.number)
    assert isinstance(talk.watcher.got[-1], Seen)
    talk.restart()
    assert talk.best == NEXT_TIP


def test_what_was_heard_before_the_disk_was_read_is_not_forgotten_for_it(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first round was under way when the actor crashed; the next one reads what was
    written before that round ended."""
    talk = Talk(stage)
    stage.append(Write(rows=(SourceTip(BEST_TIP, TIP.height, TIP.hash),)))
    stage.run()
    asked: list[tuple[Any, ...]] = []
    read = stage.node.read
    monkeypatch.setattr(stage.node, "read", lambda *both: asked.append(both))
    talk.restart()
    talk.done(NEXT_TIP, talk.number)
    assert talk.best == NEXT_TIP
    monkeypatch.setattr(
        stage.store, "source_tip", lambda name: SourceTip(name, TIP.height, TIP.hash)
    )
    for ask, reply in asked:
        read(ask, reply)
    stage.run()
    assert talk.best == NEXT_TIP
