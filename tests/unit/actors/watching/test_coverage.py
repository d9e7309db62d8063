"""Who is covered by a source that reads whole blocks: it looks no more by itself."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.messages import Command
from actors.watching.address import AddressActor
from engine.payment.model import Status
from engine.payment.observations import ProviderClaim
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.watching.watched import EXPIRY, Watched
from tests.unit.payment_cases import HOUR_MS, mempool, view


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def test_who_was_shown_nothing_asks_no_more_while_silence_is_an_answer(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    stage.covered_as_of(stage.clock.now())
    stage.pass_s(61)
    assert len(watched.polls()) == 1  # nothing was shown yet
    watched.seen(view())
    stage.covered_as_of(stage.clock.now() + 599_000)
    stage.pass_s(600)
    assert len(watched.polls()) == 1
    actor = watched.ref.actor
    assert isinstance(actor, AddressActor)
    assert actor.seen_at == stage.complete_as_of
    watched.coverage_ends()
    stage.pass_s(61)
    assert len(watched.polls()) == 2


def test_who_need_not_ask_waits_for_no_timer(stage: ActorStage) -> None:
    watched = Watched(stage)
    stage.covered_as_of(stage.clock.now())
    watched.seen(view())
    stage.pass_s(61)
    assert (watched.polls(), watched.report().next_poll_at) == ([], None)
    assert stage.clock.next_due_ms() is None


def test_a_timer_that_runs_already_is_not_set_anew_when_coverage_ends(
    stage: ActorStage,
) -> None:
    """Else one whose source comes and goes would never look."""
    watched = Watched(stage)
    first = watched.report().next_poll_at
    assert first is not None
    watched.coverage_ends()
    assert watched.report().next_poll_at == first


def behind(watched: Watched) -> None:
    watched.seen(view(is_current=False))


def paid(watched: Watched) -> None:
    watched.seen(view(mempool("t1")))


def claimed(watched: Watched) -> None:
    claim = ProviderClaim("one", "t1", 1_000)
    watched.obey(Command(claim, lambda _answer: None))


def overdue(watched: Watched) -> None:
    watched.deadline_passes()


def unwritten(watched: Watched) -> None:
    watched.disk_is_full(yes=True)
    paid(watched)
    watched.disk_is_full(yes=False)


@pytest.mark.parametrize("happens", [behind, paid, claimed, overdue, unwritten])
def test_who_waited_for_no_timer_looks_again_once_silence_is_no_answer_for_him(
    stage: ActorStage, happens: Callable[[Watched], None]
) -> None:
    watched = Watched(stage)
    stage.covered_as_of(stage.clock.now())
    watched.seen(view())
    stage.pass_s(61)
    assert watched.report().next_poll_at is None
    happens(watched)
    assert watched.report().next_poll_at is not None
    before = len(watched.polls())
    stage.pass_s(121)
    assert len(watched.polls()) > before


def test_a_source_that_is_behind_covers_nobody(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.seen(view(is_current=False))
    assert watched.report().seen_at is None
    stage.covered_as_of(stage.clock.now() + 599_000)
    stage.pass_s(61)
    assert len(watched.polls()) == 1, "it asks, whatever others hear"
    watched.seen(view())
    stage.pass_s(600)
    assert len(watched.polls()) == 1
    watched.seen(view(is_current=False))
    stage.pass_s(600)
    assert len(watched.polls()) > 1


def test_who_has_something_to_lose_asks_whatever_others_hear(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    stage.covered_as_of(stage.clock.now())
    stage.pass_s(600)
    assert len(watched.polls()) >= 10


def test_a_review_asks_though_silence_would_be_an_answer(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.seen(view())
    stage.covered_as_of(EXPIRY + HOUR_MS)
    watched.deadline_passes()
    assert [poll.due for poll in watched.polls()] == [0.0]
    assert watched.status() is Status.PENDING
    watched.seen(view())
    assert watched.status() is Status.EXPIRED
