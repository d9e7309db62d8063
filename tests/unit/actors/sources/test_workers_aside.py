"""What a worker says of a script that its index had not heard of when it read."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.messages import Poll, Round, RoundDone
from actors.sources.workers import BlockFeedWorker
from engine.chain.feed import ChainView, Tip
from engine.payment.events import opening
from engine.store.writes import Entry, Write
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.payment_cases import HOUR_MS, T0, terms

OLD, YOUNG = b"\x00\x14" + b"o" * 20, b"\x00\x14" + b"y" * 20
HEIGHT = 50  # the tip when the old payment was made; it is paid in the next block

Ask = Callable[[Round], RoundDone]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


@pytest.fixture
def feed() -> FakeFeed:
    feed = FakeFeed(HEIGHT, time_s=T0 // 1000 - 600)
    feed.mine([make_tx("pays the old one", [(OLD, 7)])])
    for _ in range(40):
        feed.mine([])
    return feed


@pytest.fixture
def ask(stage: ActorStage, feed: FakeFeed) -> Ask:
    source = Inbox()
    stage.node.source = stage.start("source", source)
    worker = stage.start(
        "feed.0", BlockFeedWorker(stage.node, 0, feed, stage.store), limit=10
    )

    def ask(work: Round) -> RoundDone:
        worker.tell(work)
        stage.run()
        done = source.got[-1]
        assert isinstance(done, RoundDone)
        assert done.error is None
        return done

    return ask


def aside(number: int, *polls: Poll) -> Round:
    scripts = tuple(poll.script for poll in polls)
    return Round(number, watch=(scripts,), polls=polls, aside=True)


def told(view: ChainView) -> tuple[list[int], bool]:
    return [output.amount_sat for output in view.outputs], view.complete


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_older_payment_that_is_asked_about_aside_is_looked_for_in_older_blocks(
    ask: Ask, feed: FakeFeed, is_kept: bool
) -> None:
    """The index was begun for a younger one."""
    ask(aside(1, Poll(YOUNG, born=feed.now.height)))
    since, born = (Tip(HEIGHT, feed.best[HEIGHT]), None) if is_kept else (None, HEIGHT)
    done = ask(aside(2, Poll(OLD, since=since, born=born)))
    assert told(done.views[OLD]) == ([7], True)
    assert not done.more


def test_of_one_whose_age_it_is_not_told_it_says_that_it_may_lack_something(
    ask: Ask, feed: FakeFeed
) -> None:
    ask(aside(1, Poll(YOUNG, born=feed.now.height)))
    assert told(ask(aside(2, Poll(OLD))).views[OLD]) == ([], False)
    assert told(ask(aside(3, Poll(OLD, born=HEIGHT))).views[OLD]) == ([7], True)


def test_it_is_asked_again_until_it_has_looked_back_far_enough(
    ask: Ask, feed: FakeFeed
) -> None:
    for _ in range(100):
        feed.mine([])
    ask(aside(1, Poll(YOUNG, born=feed.now.height)))
    shown = []
    for number in (2, 3, 4):
        done = ask(aside(number, Poll(OLD, born=HEIGHT)))
        shown.append((*told(done.views[OLD]), done.more))
    assert shown == [([], False, True), ([], False, True), ([7], True, False)]


def test_a_payment_that_was_made_by_a_clock_that_was_ahead_is_looked_for_all_the_same(
    stage: ActorStage, ask: Ask, feed: FakeFeed
) -> None:
    """The source has no place of its own: it begins with the oldest payment."""
    event, payment = opening(terms(tip_height=HEIGHT, created_at=T0 + 4 * HOUR_MS))
    stage.append(Write((Entry(payment, (event,)),)))
    stage.run()
    poll = Poll(OLD, born=HEIGHT)
    first = ask(Round(1, watch=((OLD,),), polls=(poll,), reset=True))
    assert first.more, "there is more than a round reads"
    done = ask(Round(2, polls=(poll,)))
    assert told(done.views[OLD]) == ([7], True)
