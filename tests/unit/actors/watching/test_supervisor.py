"""The supervisor of watchers: a large batch is brought up between other things."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import CoverageEnded, CreatePayments, Poll, PollNow, Seen, Watch
from actors.watching.address import AddressActor
from actors.watching.supervisor import WATCHERS_PER_STEP, SupervisorActor
from engine.bitcoin.address import script_to_address
from engine.payment.model import Payment, Terms
from engine.runtime.ref import ActorScope, Ref
from engine.store.writes import Conflict
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import terms, view


@pytest.fixture(params=range(10))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path, seed=request.param)
    yield stage
    stage.close()


def asked(number: int, name: str = "p") -> Terms:
    address = script_to_address(b"\0\x14" + number.to_bytes(20, "big"), "regtest")
    assert address is not None
    return terms(id=f"{name}{number}", address=address)


def supervised(stage: ActorStage) -> Ref:
    scope = ActorScope(
        stage.dispatcher,
        lambda _name: SupervisorActor(stage.node, stage.book, stage.booted),
    )
    supervisor = stage.node.supervisor = Ref(scope, "supervisor")
    supervisor.start()
    stage.run()
    return supervisor


def test_a_thousand_watchers_start_in_steps_and_are_answered_for_together(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    spawn_all = SupervisorActor._spawn_all

    def noted(self: SupervisorActor, payments: list[Payment]) -> None:
        steps.append(len(payments))
        spawn_all(self, payments)

    supervisor = supervised(stage)
    monkeypatch.setattr(SupervisorActor, "_spawn_all", noted)
    watched_when_answered: list[int] = []
    answers: list[Any] = []

    def on_answer(answer: Any) -> None:
        watched_when_answered.append(len(stage.node.watchers))
        answers.append(answer)

    wanted = tuple(asked(n) for n in range(950))
    supervisor.tell(CreatePayments(wanted, on_answer))
    stage.run()
    (created,) = answers
    assert [payment.id for payment in created] == [one.id for one in wanted]
    assert watched_when_answered == [950]
    assert steps == [WATCHERS_PER_STEP] * 9 + [50]


def test_an_address_is_taken_from_the_moment_it_is_asked_for(
    stage: ActorStage,
) -> None:
    """Also while the batch that has it is brought up, in whatever order they run."""
    supervisor = supervised(stage)
    answers: list[Any] = []
    wanted = tuple(asked(n) for n in range(300))
    supervisor.tell(CreatePayments(wanted, answers.append))
    again: list[Any] = []
    for turn in range(40):
        stage.run(1)
        supervisor.tell(CreatePayments((asked(299, f"{turn} "),), again.append))
    stage.run()
    assert len(answers[0]) == 300
    assert len(again) == 40
    assert all(isinstance(one, Conflict) for (one,) in again)


def test_a_watcher_that_cannot_be_read_back_is_read_back_when_it_can_be(
    stage: ActorStage,
) -> None:
    """A disk in trouble is no fault of the payment's: it is not quarantined for it."""
    supervisor = supervised(stage)
    answers: list[Any] = []
    supervisor.tell(CreatePayments((asked(1),), answers.append))
    stage.run()
    sql = stage.journal.connection
    sql.execute("ALTER TABLE payments RENAME TO hidden")
    watcher = stage.node.watchers["p1"]
    watcher.kill()
    watcher.tell(PollNow())
    stage.pass_s(300)
    assert not watcher.is_alive or watcher.is_suspended
    sql.execute("ALTER TABLE hidden RENAME TO payments")
    before = len(stage.source.got)
    stage.pass_s(10)
    assert watcher.is_alive
    actor = watcher.actor
    assert isinstance(actor, AddressActor)
    assert actor.payment == stage.payment("p1")
    polls = [m for m in stage.source.got[before:] if isinstance(m, Poll)]
    assert len([poll for poll in polls if poll.due == 0.0]) == 1, "it had waited"
    assert stage.node.counters["watchers.quarantined"] == 0


@pytest.mark.parametrize("turns", range(12))
def test_what_was_created_for_the_supervisor_before_has_one_watcher(
    stage: ActorStage, turns: int
) -> None:
    """It is read back at the start, and the journal's answer comes all the same."""
    supervisor = supervised(stage)
    supervisor.tell(CreatePayments((asked(1), asked(2)), lambda _answer: None))
    stage.run(turns)
    supervisor.kill()
    supervisor.start()
    stage.run()
    begun = {m.ref for m in stage.source.got if isinstance(m, Watch)}
    alive = sorted(ref.name for ref in begun if ref.is_alive)
    assert alive in ([], ["p1", "p2"])
    assert all(stage.node.watchers[name].is_alive for name in alive)


def test_a_watcher_whose_row_is_damaged_is_put_aside_where_people_see_it(
    stage: ActorStage,
) -> None:
    supervisor = supervised(stage)
    supervisor.tell(CreatePayments((asked(1),), lambda _answer: None))
    stage.run()
    stage.journal.connection.execute("UPDATE payments SET crc = crc + 1")
    stage.node.watchers["p1"].kill()
    stage.pass_s(120)
    assert stage.node.counters["watchers.quarantined"] == 1
    (alert,) = stage.node.alerts.standing()
    assert (alert.kind, alert.subject) == ("watcher.quarantined", "p1")


def test_all_watchers_look_for_themselves_when_coverage_has_ended(
    stage: ActorStage,
) -> None:
    """None of them has a timer by then; each asks within its interval, not at once."""
    supervisor = supervised(stage)
    wanted = tuple(asked(n) for n in range(700))
    supervisor.tell(CreatePayments(wanted, lambda _answer: None))
    stage.covered_as_of(stage.clock.now())
    stage.run()
    nothing = Seen(view(), stage.clock.now())
    for ref in stage.book.values():
        ref.tell(nothing)
    stage.pass_s(61)
    stage.source.got.clear()
    stage.covered_as_of(None)
    stage.pass_s(600)
    assert stage.source.got == [], "nobody looks who has not been told"
    supervisor.tell_system(CoverageEnded())
    stage.pass_s(1)
    soon = len(stage.source.got)
    stage.pass_s(600)
    asking = {poll.script for poll in stage.source.got if isinstance(poll, Poll)}
    assert len(asking) == 700
    assert soon < 350
