"""The source actor: who is asked, in which order, how often, and what errors mean."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.facts.published import Published
from actors.messages import (
    DescribeSources,
    Nudge,
    Poll,
    RoundDone,
    Seen,
    Unwatch,
    Watch,
)
from actors.sources.feed_state import FeedSpec
from actors.sources.source import SourceActor
from actors.sources.workers import BlockFeedWorker
from engine.gateway import SourceState
from engine.runtime.ref import ActorScope, Ref
from tests.tools.fake_feed import FakeFeed
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.sources.market import TIP, Market


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def test_a_poll_is_answered_by_a_view_from_after_it_was_asked(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one")
    market.watch("a")
    stage.pass_s(5)
    asked = stage.clock.now()
    market.poll("a")
    stage.pass_s(1)
    (seen,) = market.seen("a")
    assert seen.asked_at >= asked
    assert (seen.view.source, seen.view.tip) == ("one", TIP)
    assert [o.txid for o in seen.view.outputs] == ["tx for a"]


def test_polls_for_the_same_script_are_one_request(stage: ActorStage) -> None:
    market = Market(stage, "one")
    market.watch("a")
    for due in (30.0, 20.0, 10.0):
        market.poll("a", due)
    stage.pass_s(11)
    assert market.feeds[0].asked == ["a"]
    assert len(market.seen("a")) == 1


def test_what_nobody_watches_is_not_asked_for(stage: ActorStage) -> None:
    market = Market(stage, "one")
    market.watch("a")
    market.poll("b")
    market.ref.tell_system(Unwatch(b"a", stage.node.supervisor))  # not its watcher
    market.poll("a")
    stage.pass_s(11)
    assert market.feeds[0].asked == ["a"]


def test_blocks_are_off_chain_only_on_the_sources_positive_word(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one")
    market.watch("a")
    market.feeds[0].off_chain = {"lost"}
    market.poll("a", 0.0, "lost", "unknown")
    stage.pass_s(1)
    assert market.seen("a")[0].view.off_chain == ("lost",)


def test_the_budget_is_kept_and_spent_on_the_most_urgent_first(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", per_minute=60)
    names = [f"a{n:02}" for n in range(40)]
    market.watch(*names)
    stage.pass_s(90)  # to watch is to ask a first time
    assert all(len(market.seen(name)) == 1 for name in names)
    one = market.feeds[0]
    before, asked = one.requests, len(one.asked)
    for number, name in enumerate(reversed(names)):
        market.poll(name, due=1_000.0 - number)
    stage.pass_s(30)
    assert one.requests - before <= 30 + 6 + 3
    got = one.asked[asked:]
    assert len(got) > 10
    assert got == names[: len(got)]
    market.poll(names[-1])
    stage.pass_s(6)
    assert one.asked[asked + len(got) :].index(names[-1]) <= 1
    stage.pass_s(120)
    assert all(len(market.seen(name)) >= 2 for name in names)


def test_a_block_feed_answers_any_number_of_polls_from_one_reading(
    stage: ActorStage,
) -> None:
    feed = FakeFeed()
    node = stage.node
    node.booted = Published(True)
    store = stage.store
    source = Ref(
        ActorScope(
            stage.dispatcher, lambda _name: SourceActor(node, specs, stage.published)
        ),
        "source",
    )
    scope = ActorScope(
        stage.dispatcher,
        lambda _name: BlockFeedWorker(node, 0, feed, store),
        parent=source,
        blocking=True,
    )
    specs = [FeedSpec("fake", "devchain", Ref(scope, "feed.0"), True, 1.0)]
    node.source = source
    inboxes = []
    source.start()
    for number in range(200):
        inboxes.append(Inbox())
        ref = stage.start(f"w{number}", inboxes[-1])
        source.tell_system(Watch(b"%d" % number, f"a{number}", ref))
    stage.pass_s(3)
    before = feed.requests
    for number in range(200):
        source.tell(Poll(b"%d" % number, (), 5.0))
    source.tell(Nudge())
    stage.pass_s(3)
    assert all(isinstance(inbox.got[-1], Seen) for inbox in inboxes)
    assert feed.requests - before < 20


def test_a_watcher_that_could_not_take_what_it_was_shown_is_shown_it_again(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one")
    inbox = market.watchers["a"] = Inbox()
    ref = stage.start("watcher of a", inbox, limit=0)
    market.ref.tell_system(Watch(b"a", "a", ref))
    stage.pass_s(11)
    assert market.seen("a") == []
    ref.scope.mailbox_limit = 10
    stage.pass_s(11)
    assert len(market.seen("a")) == 1


def test_a_source_that_is_asked_by_address_covers_nobody(stage: ActorStage) -> None:
    market = Market(stage, "one")
    market.watch("a")
    stage.covered_as_of(1)
    stage.pass_s(11)
    assert stage.complete_as_of is None


def test_an_answer_to_a_round_that_nobody_waits_for_is_passed_over(
    stage: ActorStage,
) -> None:
    """Its worker was started anew since, and so was the round."""
    market = Market(stage, "ann")
    market.ref.tell_system(RoundDone(0, 10_000, 0, {}, None, 1))
    stage.run()
    assert (market.ref.is_alive, market.ref.incarnation) == (True, 1)


def test_a_source_says_how_many_seconds_ago_it_answered_and_how_many_wait(
    stage: ActorStage,
) -> None:
    market = Market(stage, "ann")
    stage.pass_s(15)
    answers: list[tuple[SourceState, ...]] = []
    market.ref.tell(DescribeSources(answers.append))
    stage.run()
    ((state,),) = answers
    assert state.waiting == 0
    assert state.last_answer_at is not None
    assert state.lag_s == (stage.clock.now() - state.last_answer_at) / 1000 > 0
