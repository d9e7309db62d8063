"""A Ref and the lives behind it: one report for every end, and no mail lost."""

from collections.abc import Callable

import gevent
import pytest

from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, ExitReason, Ref
from tests.unit.engine.runtime.ref_stage import Child, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


DEATHS: list[tuple[str, ExitReason, Callable[[Ref], object]]] = [
    ("a crash", ExitReason.CRASHED, lambda r: r.tell(ValueError("bug"))),
    ("gevent.Timeout", ExitReason.TIMED_OUT, lambda r: r.tell(gevent.Timeout(1))),
    ("GreenletExit", ExitReason.KILLED, lambda r: r.tell(gevent.GreenletExit())),
    ("kill", ExitReason.KILLED, lambda r: r.kill()),
    ("stop", ExitReason.STOPPED, lambda r: r.stop()),
]


@pytest.mark.parametrize(
    ("reason", "end"), [d[1:] for d in DEATHS], ids=[d[0] for d in DEATHS]
)
def test_however_an_actor_ends_its_parent_is_told_once_and_others_live(
    stage: Stage, reason: ExitReason, end: Callable[[Ref], object]
) -> None:
    child, other = stage.child(), stage.child("other")
    stage.run()
    end(child)
    end(child)
    other.tell("still here")
    assert stage.run() == [(reason, 1)]
    assert not child.is_alive
    assert other.is_alive
    assert stage.got == ["still here"]


def test_a_crash_in_start_is_told_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Child, "start_error", RuntimeError("no database"))
    stage.child()
    assert stage.run() == [(ExitReason.CRASHED_IN_START, 1)]


def test_a_factory_that_raises_is_a_crash_in_start(stage: Stage) -> None:
    def factory(_name: str) -> Actor:
        raise ValueError("no such actor")

    Ref(ActorScope(stage.dispatcher, factory, parent=stage.parent), "child").start()
    assert stage.run() == [(ExitReason.CRASHED_IN_START, 1)]


def test_a_crash_in_stop_is_told_once_and_the_actor_is_stopped(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Child, "stop_error", RuntimeError("cannot let go"))
    child = stage.child()
    child.stop()
    assert stage.run() == [(ExitReason.CRASHED_IN_STOP, 1)]
    assert child.is_stopped


def test_the_report_names_the_error_and_the_message(stage: Stage) -> None:
    child, error = stage.child(), ValueError("bug")
    child.tell(error)
    stage.run()
    (report,) = stage.parent_actor.reports
    assert (report.ref, report.error, report.message) == (child, error, error)


def test_mail_survives_a_crash_and_waits_for_the_next_life(stage: Stage) -> None:
    child = stage.child()
    for message in (1, ValueError("bug"), 2):
        child.tell(message)
    stage.run()
    child.tell(3)
    assert stage.got == [1]
    assert child.backlog == 2
    child.start()
    stage.run()
    assert stage.got == [1, 2, 3]
    assert child.incarnation == 2


def test_the_message_that_crashed_may_be_tried_first_again(stage: Stage) -> None:
    child = stage.child()
    tries: list[int] = []

    def second_time_lucky(_actor: object) -> None:
        tries.append(len(stage.got))
        if len(tries) == 1:
            raise ValueError("bad luck")

    child.tell(second_time_lucky)
    child.tell("later mail")
    stage.run()
    child.start(first=stage.parent_actor.reports[0].message)
    stage.run()
    assert tries == [0, 0]
    assert stage.got == ["later mail"]


def test_starting_what_lives_or_was_stopped_does_nothing(stage: Stage) -> None:
    child = stage.child()
    child.start()
    stage.run()
    child.stop()
    stage.run()
    child.start()
    assert stage.run() == [(ExitReason.STOPPED, 1)]
    assert child.incarnation == 1


def test_system_mail_overtakes_the_backlog(stage: Stage) -> None:
    child = stage.child()
    child.tell("user 1")
    child.tell("user 2")
    child.tell_system("system")
    stage.run()
    assert stage.got == ["system", "user 1", "user 2"]


def test_a_full_mailbox_refuses_says_so_and_counts(stage: Stage) -> None:
    child = stage.child(limit=2)
    assert [child.tell(n) for n in (1, 2, 3)] == [True, True, False]
    stage.run()
    assert stage.got == [1, 2]
    assert stage.dispatcher.dead_letters == {"int": 1}


def test_mail_of_a_stopped_actor_becomes_dead_letters(stage: Stage) -> None:
    child = stage.child()
    stage.run()
    child.tell("never read")
    child.stop()
    child.tell("nor this")
    stage.run()
    assert not child.tell("nor this")
    child.tell_system(1)
    assert stage.got == []
    assert stage.dispatcher.dead_letters == {"str": 3, "int": 1}


def test_a_dead_actor_that_is_stopped_drops_its_mail(stage: Stage) -> None:
    child = stage.child()
    child.tell(ValueError("bug"))
    child.tell("waits")
    stage.run()
    child.stop()
    assert stage.run() == [(ExitReason.CRASHED, 1)]
    assert child.is_stopped
    assert child.backlog == 0
    assert stage.dispatcher.dead_letters == {"str": 1}


def test_a_message_that_wants_to_know_is_told_that_nobody_read_it(
    stage: Stage,
) -> None:
    unread: list[str] = []

    class Question:
        def __init__(self, name: str) -> None:
            self.name = name

        def on_dropped(self) -> None:
            unread.append(self.name)

    child = stage.child()
    child.tell(Question("read"))
    stage.run()
    child.tell(Question("in time"))
    child.stop()
    stage.run()
    assert len(stage.got) == 1
    assert unread == ["in time"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_who_ends_the_whole_process_is_not_held_up_by_one_actor(
    stage: Stage, kind: type[BaseException]
) -> None:
    child = stage.child()
    child.tell(kind())
    with pytest.raises(kind):
        stage.run()
    assert stage.run() == [(ExitReason.CRASHED, 1)]


def test_however_much_mail_comes_an_actor_is_scheduled_once(stage: Stage) -> None:
    child = stage.child()
    for number in range(3):
        child.tell(number)
        child.tell_system(number)
    assert list(stage.dispatcher.runnable).count(child) == 1
    stage.run()
    assert len(stage.got) == 6


def test_a_turn_handles_as_much_as_it_may_and_no_message_after_its_time(
    stage: Stage,
) -> None:
    child = stage.child()
    stage.run()
    for number in range(9):
        child.tell(number)
    child.run_turn(3)
    assert stage.got == [0, 1, 2]
    child.run_turn(5, until=0.0)
    assert stage.got == [0, 1, 2, 3], "one message, then the time is over"
    stage.run()
    assert len(stage.got) == 9


def test_a_turn_within_a_turn_is_a_bug(stage: Stage) -> None:
    child = stage.child()
    child.tell(lambda actor: actor.ref.run_turn(1))
    assert stage.run() == [(ExitReason.CRASHED, 1)]
    assert isinstance(stage.parent_actor.reports[0].error, AssertionError)


def test_who_has_mail_is_runnable_and_nobody_else(stage: Stage) -> None:
    child = stage.child()
    assert not stage.dispatcher.idle
    stage.run()
    assert stage.dispatcher.idle
    assert stage.dispatcher.step() is None
    turns = stage.dispatcher.turns
    child.tell(1)
    assert stage.dispatcher.step() is child
    assert stage.dispatcher.turns == turns + 1
    child.tell(2)
    stage.dispatcher.forget_all()
    assert stage.dispatcher.idle


def test_an_actor_may_stop_itself(stage: Stage) -> None:
    child = stage.child()
    child.tell(lambda actor: actor.stop())
    child.tell("never read")
    assert stage.run() == [(ExitReason.STOPPED, 1)]
    assert stage.got == []


def test_an_idle_actor_holds_no_mailbox(stage: Stage) -> None:
    child = stage.child()
    child.tell(1)
    stage.run()
    assert child._mail is None
    assert child.backlog == 0
