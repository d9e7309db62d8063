"""The source actor: what it counts, logs, writes and cancels, and its times."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import (
    AllWatched,
    Contradicted,
    Nudge,
    Poll,
    RefundsWatched,
    RoundDone,
    SourceTick,
    Unwatch,
    Watch,
)
from actors.sources.messages import BestRead, Probed, ReadBest
from actors.sources.source import SourceActor
from engine.chain.feed import SourceStatus, Tip
from engine.errors import SourceUnavailable
from engine.runtime.clock import Timer
from engine.runtime.ref import Ref
from engine.store.writes import BEST_TIP, SourceTip
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.sources.market import Market
from tests.unit.actors.sources.reader import Reader

ALICE = b"\x00\x14" + b"a" * 20


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def timers(
    stage: ActorStage, patch: pytest.MonkeyPatch, kind: type[object]
) -> list[float]:
    found: list[float] = []
    original = stage.clock.call_later

    def counted(delay_s: float, ref: Ref, message: object) -> Timer:
        if isinstance(message, kind):
            found.append(delay_s)
        return original(delay_s, ref, message)

    patch.setattr(stage.clock, "call_later", counted)
    return found


def test_each_failure_is_counted_and_each_kind_of_it_logged_once(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    market = Market(stage, "one")
    (one,) = market.feeds
    market.watch("a")
    one.down = SourceUnavailable("connection refused")
    market.poll("a")
    stage.pass_s(60)
    tried = stage.node.counters["source.errors"]
    assert tried >= 5
    assert caplog.text.count("source.failed source=one detail=connection refused") == 1
    one.down = SourceUnavailable("no route")
    stage.pass_s(60)
    assert caplog.text.count("source.failed source=one detail=no route") == 1
    assert stage.node.counters["source.errors"] > tried


def test_a_probe_that_fails_is_counted_and_logged_too(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    market = Market(stage, "one", "two")
    market.feeds[1].down = SourceUnavailable("connection refused")
    stage.pass_s(100)
    assert caplog.text.count("source.failed source=two") == 1
    assert stage.node.counters["source.errors"] == market.state("two").errors >= 3


def test_another_source_that_is_asked_is_logged_by_both_names(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    market = Market(stage, "one", "two")
    market.watch("a")
    stage.pass_s(1)
    assert "source.switched" not in caplog.text, "the first is no switch"
    market.feeds[0].down = SourceUnavailable("connection refused")
    market.poll("a")
    stage.pass_s(30)
    assert caplog.text.count("source.switched from=one to=two") == 1


def test_one_timer_waits_for_the_next_round(stage: ActorStage) -> None:
    market = Market(stage, "one")
    market.watch("a")
    (one,) = market.feeds
    stage.pass_s(5)
    before = one.requests
    for _ in range(10):
        market.ref.tell(Nudge())
        stage.pass_s(0.2)
    after = one.requests
    assert after > before
    stage.pass_s(9.5)
    assert one.requests == after, "not before its ten seconds"
    stage.pass_s(1)
    assert one.requests == after + 1


def test_after_a_crash_of_a_worker_the_next_round_is_planned_in_a_second(
    stage: ActorStage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    market = Market(stage, "one", "two")
    market.watch("a")
    stage.pass_s(1)
    set_ = timers(stage, monkeypatch, SourceTick)
    market.specs[1].worker.kill(RuntimeError("a bug"))
    stage.run()
    assert set_ == [1.0]
    assert "source.crashed source=two error=RuntimeError('a bug')" in caplog.text
    assert stage.node.counters["source.errors"] == 0, "it was asked nothing"
    assert market.specs[1].worker.is_alive


def test_a_crash_in_a_round_is_a_failure_of_that_source(stage: ActorStage) -> None:
    market = Market(stage, "one")
    market.watch("a")
    (one,) = market.feeds
    one.bad["a"] = RuntimeError("a bug")
    market.poll("a")
    stage.pass_s(0.5)
    assert stage.node.counters["source.errors"] == 1
    assert market.state("one").errors == 1
    assert "worker crashed" in str(market.state("one").last_error)


def test_a_mempool_that_was_lost_is_counted_and_logged(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    feed = FakeFeed(20)
    reader = Reader(stage, feed)
    stage.run()
    actor = stage.node.source.actor
    assert isinstance(actor, SourceActor)
    stage.pass_s(1)
    (planned,) = actor.planner.feeds
    plan = actor.planner.plan(stage.clock.monotonic() + 100, ready=True)
    assert plan is not None
    assert planned.busy is not None
    done = RoundDone(
        0, planned.busy.number, 1, {}, feed.now, feed.requests, disappeared=7
    )
    stage.node.source.tell(done)
    stage.run()
    assert stage.node.counters["source.mempool_lost"] == 1
    assert "source.mempool_lost source=fake disappeared=7" in caplog.text
    assert reader.feed is feed


def test_what_could_not_be_read_at_the_start_is_asked_for_again_in_a_second(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_ = timers(stage, monkeypatch, ReadBest)
    original = stage.node.read
    failing = [True, True]

    def read(ask: Any, reply: Any) -> None:
        if failing:
            failing.pop()
            reply(RuntimeError("the disk is away"))
        else:
            original(ask, reply)

    monkeypatch.setattr(stage.node, "read", read)
    market = Market(stage, "one")
    market.watch("a")
    market.poll("a")
    stage.pass_s(1.5)
    assert market.feeds[0].requests == 0, "not before the best tip is known"
    stage.pass_s(1)
    assert set_ == [1.0, 1.0]
    assert len(market.seen("a")) == 1


def test_what_is_read_of_the_best_tip_is_not_written_again(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = FakeFeed(20)
    stage.node.write_first(SourceTip(BEST_TIP, feed.now.height, feed.now.hash))
    stage.run()
    written: list[SourceTip] = []
    monkeypatch.setattr(stage.node, "write_first", written.append)
    Reader(stage, feed)
    stage.run()
    stage.node.source.tell(AllWatched(stage.node.supervisor.incarnation))
    stage.pass_s(5)
    assert written == []
    feed.mine([])
    stage.pass_s(5)
    assert written == [SourceTip(BEST_TIP, feed.now.height, feed.now.hash)]


def test_a_best_tip_that_is_damaged_is_logged_and_waited_for_no_longer(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.node.write_first(SourceTip(BEST_TIP, 20, "aa" * 32))
    stage.run()
    stage.journal.connection.execute("UPDATE source_tips SET height = 1")
    market = Market(stage, "one")
    market.watch("a")
    market.poll("a")
    stage.pass_s(0.5)
    assert "source.best_tip_lost" in caplog.text
    assert len(market.seen("a")) == 1


def test_an_answer_of_an_earlier_life_changes_nothing(stage: ActorStage) -> None:
    market = Market(stage, "one")
    stage.pass_s(0.5)
    before = stage.published.now.best
    market.ref.tell(BestRead(SourceTip(BEST_TIP, 5_000, "ff" * 32)))
    stage.run()
    assert stage.published.now.best == before


def test_only_a_supervisor_of_now_says_that_all_is_watched(stage: ActorStage) -> None:
    market = Market(stage, "one")
    actor = market.ref.actor
    assert isinstance(actor, SourceActor)
    assert actor._is_ready
    market.ref.tell(AllWatched(stage.node.supervisor.incarnation - 1))
    stage.run()
    assert not actor._is_ready
    market.ref.tell(AllWatched(stage.node.supervisor.incarnation))
    stage.run()
    assert actor._is_ready
    stage.booted.publish(False)
    assert not actor._is_ready
    stage.booted.publish(True)
    stage.node.watches_refunds = True
    stage.node.refunds = stage.node.supervisor
    assert not actor._is_ready
    market.ref.tell(RefundsWatched(stage.node.refunds.incarnation))
    stage.run()
    assert actor._is_ready


def test_a_source_that_contradicts_is_an_alert_until_it_is_over(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", "two")
    market.watch("a")
    stage.pass_s(1)
    market.ref.tell(Contradicted("one", "of payment p"))
    stage.run()
    (alert,) = stage.node.alerts.standing()
    assert (alert.kind, alert.subject) == ("source.contradicts", "one")
    assert alert.detail == "set aside: of payment p"
    assert market.state("one").reason == "set aside: of payment p"
    stage.node.alerts.raise_("disk.low", "", "of somebody else", 0)
    stage.pass_s(660)
    assert [one.kind for one in stage.node.alerts.standing()] == ["disk.low"]


def test_a_poll_that_is_urgent_is_asked_now_and_another_with_its_round(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one")
    market.watch("a", "b")
    stage.pass_s(5)
    market.poll("a", 9.0)
    stage.pass_s(0.5)
    assert market.seen("a") == []
    market.poll("b")
    stage.pass_s(0.5)
    assert len(market.seen("b")) == len(market.seen("a")) == 1


def test_a_second_word_is_asked_for_at_once(stage: ActorStage) -> None:
    market = Market(stage, "one", "two")
    market.watch("a")
    stage.pass_s(5)
    market.ref.tell(Poll(b"a", heard=("one",)))
    stage.pass_s(0.5)
    assert market.feeds[1].asked == ["a"]
    assert [seen.view.source for seen in market.seen("a")] == ["two"]


def test_who_is_let_go_has_no_part_in_where_reading_starts_again(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[bytes] = []
    original = type(stage.node.restart_point).forget

    def kept(point: Any, script: bytes) -> None:
        forgotten.append(script)
        original(point, script)

    monkeypatch.setattr(type(stage.node.restart_point), "forget", kept)
    market = Market(stage, "one")
    market.watch("a")
    market.ref.tell(Unwatch(b"a", market.ref))
    stage.run()
    assert forgotten == [], "somebody else watches it"
    market.ref.tell(Unwatch(b"a", market.refs["a"]))
    stage.run()
    assert forgotten == [b"a"]


def test_the_state_of_a_source_says_who_is_asked_and_what_waits(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", "two", per_minute=60)
    names = [f"a{n}" for n in range(8)]
    market.watch(*names)
    for name in names[:3]:
        market.poll(name, 9.0)
    stage.pass_s(0.1)
    one, two = market.state("one"), market.state("two")
    assert (one.active, two.active) == (True, False)
    assert one.watched == two.watched == 8
    assert one.waiting == two.waiting == 3
    stage.pass_s(2)
    assert market.state("one").lag_s is not None


def test_a_probe_that_answers_is_heard_before_it_is_judged(stage: ActorStage) -> None:
    market = Market(stage, "one", "two")
    stage.pass_s(1)
    high = SourceStatus(Tip(2_000, "ff" * 32))
    market.ref.tell(Probed(1, high, None, 9, stage.clock.now()))
    stage.run()
    assert stage.published.now.best is not None
    assert stage.published.now.best.tip == high.tip
    saved = stage.store.source_tip(BEST_TIP)
    assert saved is not None
    assert saved.height == 2_000


def test_a_view_is_handed_to_its_own_watcher_alone(stage: ActorStage) -> None:
    feed = FakeFeed(20)
    reader = Reader(stage, feed)
    stage.run()
    bob = b"\x00\x14" + b"b" * 20
    inboxes: dict[bytes, Any] = {}
    for script in (ALICE, bob):
        inbox = type(stage.supervisor)()
        inboxes[script] = inbox
        ref = stage.start(f"watcher of {script[-1]}", inbox)
        stage.node.source.tell_system(Watch(script, script.hex(), ref))
    stage.node.source.tell(AllWatched(stage.node.supervisor.incarnation))
    stage.pass_s(2)
    counts = {script: len(inbox.got) for script, inbox in inboxes.items()}
    feed.add(make_tx("pays alice", [(ALICE, 5)]))
    stage.pass_s(3)
    assert len(inboxes[ALICE].got) == counts[ALICE] + 1
    assert len(inboxes[bob].got) == counts[bob]
    assert reader.workers[0].is_alive


def test_its_mailbox_holds_two_hundred_thousand() -> None:
    assert SourceActor.mailbox_limit == 200_000
