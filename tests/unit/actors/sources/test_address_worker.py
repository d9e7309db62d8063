"""What the worker of an explorer says at the end of a round, field by field."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import Poll, Round, RoundDone
from actors.sources.address_worker import AddressFeedWorker
from actors.sources.messages import Probe, Probed
from engine.chain.feed import Output, SourceStatus, Tip
from engine.chain.witness import CURRENT, Best, Standing
from engine.errors import (
    HistoryIncomplete,
    SourceBusy,
    SourceGarbage,
    SourceUnavailable,
)
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.sources.market import TIP, Explorer

A, B = b"\x00\x14" + b"a" * 20, b"\x00\x14" + b"b" * 20

Ask = Callable[[Round], RoundDone]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def by_address(stage: ActorStage, feed: Explorer, number: int = 2) -> Ask:
    source = Inbox()
    stage.node.source = stage.start("source", source)
    worker = AddressFeedWorker(stage.node, number, feed)
    return _asker(stage, source, stage.start("feed", worker, limit=10))


def _asker(stage: ActorStage, source: Inbox, ref: Any) -> Ask:
    def ask(work: Round) -> RoundDone:
        ref.tell(work)
        stage.run()
        done = source.got[-1]
        assert isinstance(done, RoundDone)
        return done

    return ask


def polls_of(*names: str, **more: Any) -> Round:
    return Round(
        3,
        polls=tuple(Poll(name.encode(), **more) for name in names),
        addresses={name.encode(): name for name in names},
    )


def test_an_explorer_s_round_says_what_it_came_to(stage: ActorStage) -> None:
    feed = Explorer("one")
    done = by_address(stage, feed)(polls_of("a", "b"))
    assert (done.feed, done.number, done.asked_at) == (2, 3, stage.clock.now())
    assert (done.tip, done.status) == (TIP, SourceStatus(TIP))
    assert done.requests == feed.requests == 3
    assert (done.error, done.assessment, done.unreadable) == (None, CURRENT, ())
    assert (done.read, done.height, done.look, done.more) == (None, None, None, False)
    view = done.views[b"a"]
    assert (view.source, view.tip, view.off_chain) == ("one", TIP, ())
    assert (view.complete, view.is_current, view.gap) == (True, True, None)


def test_an_explorer_that_is_down_says_nothing_else(stage: ActorStage) -> None:
    feed = Explorer("one")
    feed.down = SourceUnavailable("refused")
    done = by_address(stage, feed)(polls_of("a"))
    assert done.error is feed.down
    assert (done.views, done.tip, done.status) == ({}, None, None)


def test_a_failure_half_way_keeps_what_was_shown_before(stage: ActorStage) -> None:
    feed = Explorer("one")
    feed.bad["b"] = SourceBusy("429", retry_after_s=9.0)
    done = by_address(stage, feed)(polls_of("a", "b", "c"))
    assert done.error is feed.bad["b"]
    assert set(done.views) == {b"a"}
    assert done.tip == TIP


def test_what_is_shown_in_part_and_what_not_at_all_are_both_unreadable(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    feed, paid = Explorer("one"), (Output("t", 0, 5),)
    feed.bad["a"] = HistoryIncomplete("over 200", paid)
    feed.bad["b"] = SourceGarbage("no JSON")
    stage.book.add(stage.start("p", Inbox()), "b")
    done = by_address(stage, feed)(polls_of("a", "b", "c"))
    assert done.unreadable == (b"a", b"b")
    part, none, whole = (done.views[name] for name in (b"a", b"b", b"c"))
    assert (part.outputs, part.complete, part.gap) == (paid, False, "over 200")
    assert (none.outputs, none.complete, none.gap) == ((), False, "no JSON")
    assert part.is_current
    assert none.is_current
    assert (part.source, part.tip) == ("one", TIP)
    assert whole.complete
    assert "source.incomplete source=one address=a detail=over 200" in caplog.text
    said = "source.unreadable source=one payment=p address=b detail=no JSON"
    assert said in caplog.text


def test_four_that_cannot_be_read_and_one_shown_before_are_no_fault_of_all(
    stage: ActorStage,
) -> None:
    feed = Explorer("one")
    bad = [f"x{n}" for n in range(6)]
    feed.bad = dict.fromkeys(bad, SourceGarbage("no JSON"))
    done = by_address(stage, feed)(polls_of("good", *bad))
    assert done.error is None
    assert len(done.unreadable) == 6


def test_a_lagging_explorer_shows_money_and_proves_nothing(stage: ActorStage) -> None:
    feed = Explorer("one")
    feed.off_chain = {"bb"}
    best = Best(Tip(2_000, "ff" * 32), stage.clock.now())
    work = polls_of("a", blocks=(("bb", 5),))
    ask = by_address(stage, feed)
    lagging = ask(Round(1, polls=work.polls, addresses=work.addresses, best=best))
    assert lagging.assessment.standing is Standing.BEHIND
    view = lagging.views[b"a"]
    assert (view.complete, view.is_current, view.off_chain) == (False, False, ())
    assert (view.source, view.tip, len(view.outputs)) == ("one", TIP, 1)
    assert ask(work).views[b"a"].off_chain == ("bb",)


def test_a_block_that_is_listed_is_not_asked_about(stage: ActorStage) -> None:
    feed = Explorer("one")
    feed.height = 990
    feed.on_chain = {"stands"}
    blocks = (("990", 990), ("stands", 5), ("unknown", 6))
    done = by_address(stage, feed)(polls_of("a", blocks=blocks))
    view = done.views[b"a"]
    assert feed.requests == 1 + 1 + 2
    assert (view.complete, view.off_chain) == (False, ())


def test_a_probe_is_one_question_and_answered_as_it_went(stage: ActorStage) -> None:
    feed, source = Explorer("one"), Inbox()
    stage.node.source = stage.start("source", source)
    ref = stage.start("feed", AddressFeedWorker(stage.node, 5, feed))
    ref.tell(Probe())
    stage.run()
    feed.down = SourceUnavailable("refused")
    ref.tell(Probe())
    ref.tell("what it does not know")
    stage.run()
    now = stage.clock.now()
    assert source.got == [
        Probed(5, SourceStatus(TIP), None, 1, now),
        Probed(5, None, feed.down, 2, now),
    ]
    assert AddressFeedWorker.blocking
