"""The supervisor's numbers of deadlines and ends: its alarm, its waits, its counts."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import (
    Alarm,
    Deadline,
    RestartDue,
    Retired,
    ReviewDue,
)
from actors.watching.supervisor import SupervisorActor
from engine.errors import Unreadable
from engine.runtime.ref import Exited, ExitReason, Ref
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.watching.supervised import asked, created, supervised, timers
from tests.unit.payment_cases import (
    HOUR_MS,
    T0,
)


@pytest.fixture
def stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[ActorStage]:
    caplog.set_level(logging.INFO, "paybell.supervisor")
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


# -- deadlines -------------------------------------------------------------------------


def test_one_alarm_is_set_for_the_first_deadline_and_moved_with_it(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = supervised(stage)
    set_ = timers(stage, monkeypatch, Alarm)
    created(stage, supervisor, asked(1, expires_at=T0 + 100_000))
    assert set_ == [100.0]
    created(stage, supervisor, asked(2, expires_at=T0 + 200_000))
    assert set_ == [100.0], "a later one changes nothing"
    supervisor.tell(Deadline("p0002", T0 + 50_000))
    stage.run()
    assert set_ == [100.0, 50.0]
    supervisor.tell(Deadline("p0002", T0 - 5_000))
    stage.run()
    assert set_[-1] == 0.0, "one that has passed is told at once"


def test_an_alarm_rings_once_and_for_those_that_are_due(stage: ActorStage) -> None:
    supervisor = supervised(stage)
    inboxes = [Inbox(), Inbox()]
    for number, inbox in enumerate(inboxes):
        stage.book.add(stage.start(f"w{number}", inbox), f"address {number}")
        supervisor.tell(Deadline(f"w{number}", T0 + 10_000 + 20_000 * number))
    stage.run()
    supervisor.tell(Deadline("nobody", T0 + 10_000))
    stage.pass_s(10)
    assert [len(inbox.got) for inbox in inboxes] == [1, 0]
    assert isinstance(inboxes[0].got[0], ReviewDue)
    stage.pass_s(20)
    assert [len(inbox.got) for inbox in inboxes] == [1, 1]
    stage.pass_s(7_200)
    assert [len(inbox.got) for inbox in inboxes] == [1, 1]
    assert supervisor.is_alive


def test_once_an_hour_the_wall_clock_is_looked_at(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = supervised(stage)
    set_ = timers(stage, monkeypatch, Alarm)
    supervisor.tell(Deadline("w", T0 + 3 * HOUR_MS))
    stage.run()
    assert set_ == [3_600.0]
    stage.pass_s(3_600)
    assert set_ == [3_600.0, 3_600.0]
    stage.clock.jump_wall(2 * HOUR_MS)
    stage.pass_s(3_600)
    assert stage.book.deadline_of("w") is None, "it had come an hour before"


def test_five_hundred_reviews_are_asked_for_in_a_turn(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = supervised(stage)
    taken: list[int] = []
    original = type(stage.book.deadlines).take_due

    def counted(deadlines: Any, now: int, limit: int) -> list[str]:
        taken.append(limit)
        return original(deadlines, now, limit)

    monkeypatch.setattr(type(stage.book.deadlines), "take_due", counted)
    for number in range(501):
        supervisor.tell(Deadline(f"w{number}", T0 + 10_000))
    stage.pass_s(11)
    assert taken == [500, 500]
    assert len(stage.book.deadlines) == 0


# -- ends ------------------------------------------------------------------------------


def test_one_that_is_over_is_counted_no_more_and_stopped(stage: ActorStage) -> None:
    supervisor = supervised(stage)
    (payment,) = created(stage, supervisor, asked(1))
    ref = stage.book[payment.id]
    supervisor.tell(Retired(payment.id, payment.terms.address))
    stage.run()
    assert ref.is_stopped
    assert stage.node.statuses.now()["pending"] == 0
    supervisor.tell(Retired("nobody", "nowhere"))
    stage.run()
    assert supervisor.is_alive


def test_each_crash_is_counted_said_and_followed_by_a_start(
    stage: ActorStage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor = supervised(stage)
    created(stage, supervisor, asked(1))
    ref = stage.book["p0001"]
    set_ = timers(stage, monkeypatch, RestartDue)
    ref.kill(RuntimeError("a bug"))
    stage.run()
    assert stage.node.counters["watchers.crashes"] == 1
    assert len(set_) == 1
    assert 0.08 <= set_[0] <= 0.12
    said = "watcher.crashed payment=p0001 incarnation=1 error=killed: RuntimeError"
    assert any(line.startswith(said) for line in caplog.messages)
    trouble = stage.book.trouble_of("p0001")
    assert trouble is not None
    assert trouble.last_error == "killed: RuntimeError('a bug')"
    stage.pass_s(1)
    assert ref.is_alive
    assert ref.incarnation == 2
    supervisor.tell(RestartDue("p0001"))
    supervisor.tell(RestartDue("nobody"))
    stage.run()
    assert ref.incarnation == 2


def test_one_that_cannot_be_read_is_no_crash_and_asked_for_in_five_seconds(
    stage: ActorStage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor = supervised(stage)
    created(stage, supervisor, asked(1))
    ref = stage.book["p0001"]
    set_ = timers(stage, monkeypatch, RestartDue)
    supervisor.tell(Exited(ref, 1, ExitReason.CRASHED, Unreadable("no disk")))
    stage.run()
    assert set_ == [5.0]
    assert stage.node.counters["watchers.crashes"] == 0
    assert "watcher.unreadable payment=p0001 error=no disk" in caplog.messages
    assert stage.book.trouble_of("p0001") is None


def test_the_end_of_one_that_is_another_s_or_was_wanted_is_nothing(
    stage: ActorStage,
) -> None:
    supervisor = supervised(stage)
    created(stage, supervisor, asked(1))
    stranger = Ref(stage.book["p0001"].scope, "p0001")
    for report in (
        Exited(stranger, 1, ExitReason.CRASHED, RuntimeError("a bug")),
        Exited(stage.book["p0001"], 1, ExitReason.STOPPED),
    ):
        supervisor.tell(report)
    stage.run()
    assert stage.node.counters["watchers.crashes"] == 0
    assert stage.book.trouble_of("p0001") is None


def test_one_that_is_put_aside_is_counted_said_and_not_started(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = supervised(stage)
    created(stage, supervisor, asked(1))
    ref = stage.book["p0001"]
    for _ in range(6):
        ref.kill(RuntimeError("a bug"))
        stage.pass_s(4)
    assert not ref.is_alive
    assert stage.node.counters["watchers.quarantined"] == 1
    said = "watcher.quarantined payment=p0001 error=killed: RuntimeError('a bug')"
    assert said in caplog.messages
    supervisor.tell(RestartDue("p0001"))
    stage.run()
    trouble = stage.book.trouble_of("p0001")
    assert trouble is not None
    assert not trouble.quarantined
    assert trouble.last_error == "killed: RuntimeError('a bug')"
    assert stage.node.alerts.standing() == ()


def test_of_one_that_is_over_no_crash_is_remembered(stage: ActorStage) -> None:
    supervisor = supervised(stage)
    (payment,) = created(stage, supervisor, asked(1))
    stage.book[payment.id].kill(RuntimeError("a bug"))
    stage.run()
    actor = supervisor.actor
    assert isinstance(actor, SupervisorActor)
    assert list(actor._histories) == [payment.id]
    supervisor.tell(Retired(payment.id, payment.terms.address))
    stage.run()
    assert actor._histories == {}
