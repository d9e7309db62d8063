"""The end of a watcher: its payment is over, released, and nobody's any more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import (
    Command,
    CreatePayments,
    LetGo,
    NotWatched,
    Retired,
    ReviewDue,
    Seen,
    Unwatch,
)
from actors.watching.supervisor import SupervisorActor
from engine.errors import Refused
from engine.payment.model import Status
from engine.payment.observations import ProviderClaim
from engine.runtime.ref import ActorScope, Ref
from engine.store.writes import Unavailable
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.watching.watched import Watched
from tests.unit.payment_cases import mempool, mined, terms, view


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def test_a_release_that_could_not_be_written_is_tried_again(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.deadline_passes()
    watched.seen(view())
    stage.covered_as_of(stage.clock.now())
    watched.deadline_passes()
    watched.disk_is_full(True)
    watched.seen(view())
    watched.disk_is_full(False)
    before = len(watched.polls())
    stage.pass_s(6)
    assert len(watched.polls()) == before + 1
    watched.seen(view())
    assert any(isinstance(m, Retired) for m in stage.supervisor.got)


def test_what_comes_while_the_release_is_written_tells_nothing_any_more(
    stage: ActorStage,
) -> None:
    """Nobody would watch the payment that it makes: after the next start of the
    process it would wait for ever for money that may be on its way."""
    watched = Watched(stage)
    watched.seen(view(mined("t1", 990)))
    held = watched.payment.receipts[0].block_hash
    assert held is not None
    before = watched.payment
    assert before.status is Status.CONFIRMED
    stage.pass_s((before.terms.monitor_until - stage.clock.now()) / 1000)
    watched.ref.tell_system(ReviewDue())
    stage.run()
    for shown in (view(mined("t1", 990)), view(off_chain=(held,))):
        watched.ref.tell(Seen(shown, stage.clock.now()))
    claim = ProviderClaim("blockonomics", "t2", 50_000)
    answers: list[object] = []
    watched.ref.tell(Command(claim, answers.append))
    stage.run()
    assert answers == [NotWatched()]
    assert any(isinstance(m, Retired) for m in stage.supervisor.got)
    assert stage.store.watched() == []
    assert stage.payment("p") == before
    assert watched.ref.is_stopped


class Supervised:
    """A payment that was paid and whose time is over, below a real supervisor."""

    def __init__(self, stage: ActorStage) -> None:
        self.stage = stage
        scope = ActorScope(
            stage.dispatcher,
            lambda _name: SupervisorActor(stage.node, stage.book, stage.booted),
        )
        self.supervisor = stage.node.supervisor = Ref(scope, "supervisor")
        self.supervisor.start()
        self.supervisor.tell(CreatePayments((terms(id="p"),), lambda _answer: None))
        stage.run()
        self.watcher = stage.book["p"]
        self.watcher.tell(Seen(view(mined("t1", 990)), stage.clock.now()))
        until_ms = terms().monitor_until - stage.clock.now()
        stage.pass_s(until_ms / 1000 + 1)
        self.watcher.tell(Seen(view(mined("t1", 990)), stage.clock.now()))
        while not self.watcher.is_suspended:
            stage.run(1)


def test_a_watcher_that_dies_while_its_release_is_written_does_not_come_back(
    stage: ActorStage,
) -> None:
    case = Supervised(stage)
    case.watcher.kill()
    stage.pass_s(1)
    assert stage.store.watched() == []
    assert list(stage.book) == []
    assert case.watcher.is_stopped


def test_a_supervisor_that_begins_anew_hears_of_a_release_before_it(
    stage: ActorStage,
) -> None:
    """It reads back those that are watched, and then the mail that waited."""
    case = Supervised(stage)
    case.supervisor.kill()
    stage.run()
    assert case.supervisor.backlog
    case.supervisor.start()
    stage.pass_s(1)
    assert stage.store.watched() == []
    assert list(stage.book) == []
    assert case.supervisor.is_alive


# -- by an operator --------------------------------------------------------------------


def test_an_address_that_is_released_is_free_with_the_commit_of_its_payments_end(
    stage: ActorStage,
) -> None:
    watched, answers = Watched(stage), list[object]()
    watched.ref.tell(LetGo("operator", answers.append))
    stage.run()
    after = stage.payment("p")
    assert answers == [after]
    assert after.status is Status.CANCELLED
    assert watched.ref.shown is None, "whoever asks is told from the store"
    assert stage.store.watched() == []
    assert watched.ref.is_stopped
    assert Retired("p", after.terms.address) in stage.supervisor.got
    assert [m.ref for m in stage.source.got if isinstance(m, Unwatch)] == [watched.ref]


def test_an_address_that_cannot_be_released_is_watched_on(stage: ActorStage) -> None:
    watched, answers = Watched(stage), list[object]()
    watched.seen(view(mempool("t1")))
    watched.ref.tell(LetGo("operator", answers.append))
    stage.run()
    (refusal,) = answers
    assert isinstance(refusal, Refused)
    assert not watched.ref.is_stopped
    assert [p.id for p in stage.store.watched()] == ["p"]


def test_a_release_that_cannot_be_written_is_answered_so_and_changes_nothing(
    stage: ActorStage,
) -> None:
    watched, answers = Watched(stage), list[object]()
    watched.disk_is_full(True)
    watched.ref.tell(LetGo("operator", answers.append))
    stage.run()
    watched.disk_is_full(False)
    assert isinstance(answers.pop(), Unavailable)
    assert watched.status() is Status.PENDING
    assert not any(isinstance(m, Retired) for m in stage.supervisor.got)
    watched.ref.tell(LetGo("operator", answers.append))
    stage.run()
    assert answers == [stage.payment("p")]


def test_an_order_that_comes_after_the_release_finds_nobody(stage: ActorStage) -> None:
    watched, answers = Watched(stage), list[object]()
    for _ in range(2):
        watched.ref.tell(LetGo("operator", answers.append))
    stage.run()
    assert answers == [stage.payment("p"), NotWatched()]
    assert stage.payment("p").seq == 2
