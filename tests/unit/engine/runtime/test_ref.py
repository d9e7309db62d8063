"""A Ref and the lives behind it: one report for every end, and no mail lost."""

from collections.abc import Callable
from random import Random

import gevent
import pykka
import pytest

from engine.errors import MailboxFull
from engine.runtime.actor import Actor
from engine.runtime.ask import ask
from engine.runtime.dispatcher import GeventDispatcher
from engine.runtime.ref import Exited, ExitReason, Ref, Scope
from engine.runtime.simulation import SimulatedDispatcher


class Parent(Actor):
    def __init__(self) -> None:
        self.reports: list[Exited] = []

    def on_receive(self, message: object) -> None:
        assert isinstance(message, Exited)
        self.reports.append(message)


class Child(Actor):
    """Raises what it is sent; keeps all else. `hooks` fail as the class says."""

    start_error: BaseException | None = None
    stop_error: BaseException | None = None

    def __init__(self, got: list[object]) -> None:
        self.got = got

    def on_start(self) -> None:
        if self.start_error is not None:
            raise self.start_error

    def on_stop(self) -> None:
        if self.stop_error is not None:
            raise self.stop_error

    def on_receive(self, message: object) -> None:
        if isinstance(message, BaseException):
            raise message
        if isinstance(message, Asked):
            message.reply("answer")
        elif callable(message):
            message(self)
        else:
            self.got.append(message)


class Asked:
    def __init__(self, reply: Callable[[str], None]) -> None:
        self.reply = reply


class Stage:
    """A parent and its children on a dispatcher that the test runs."""

    def __init__(self) -> None:
        self.dispatcher = SimulatedDispatcher(Random(7))
        self.parent_actor = Parent()
        self.parent = Ref(Scope(self.dispatcher, lambda _n: Parent()), "parent")
        self.parent.start(self.parent_actor)
        self.got: list[object] = []

    def child(self, name: str = "child", limit: int = 100) -> Ref:
        scope = Scope(
            self.dispatcher,
            lambda _name: Child(self.got),
            parent=self.parent,
            mailbox_limit=limit,
        )
        ref = Ref(scope, name)
        ref.start()
        return ref

    def run(self) -> list[tuple[ExitReason, int]]:
        while self.dispatcher.step() is not None:
            pass
        return [(r.reason, r.incarnation) for r in self.parent_actor.reports]


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

    Ref(Scope(stage.dispatcher, factory, parent=stage.parent), "child").start()
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


def waiting(stage: Stage) -> tuple[Ref, list[Callable[[object], None]]]:
    """A child that asked something and waits for the answer."""
    child = stage.child()
    asked: list[Callable[[object], None]] = []
    child.tell(lambda actor: actor.await_reply(asked.append, actor.got.append))
    stage.run()
    assert child.is_suspended
    return child, asked


def test_while_an_answer_is_awaited_other_mail_is_stashed(stage: Stage) -> None:
    child, asked = waiting(stage)
    child.tell("later")
    child.tell_system("system")
    stage.run()
    assert stage.got == []
    asked[0]("answer")
    stage.run()
    assert stage.got == ["answer", "system", "later"]


def test_an_answer_to_an_earlier_life_is_dropped(stage: Stage) -> None:
    child, asked = waiting(stage)
    child.kill()
    asked[0]("too late")
    child.start()
    asked[0]("much too late")
    child.tell("mail")
    stage.run()
    assert stage.got == ["mail"]


def test_an_answer_to_an_earlier_life_is_not_taken_by_one_that_waits_as_well(
    stage: Stage,
) -> None:
    """Both wait with the same function: only the question tells them apart."""
    child, asked = stage.child(), list[Callable[[object], None]]()

    def ask_with(actor: Actor) -> None:
        actor.await_reply(asked.append, stage.got.append)

    child.tell(ask_with)
    stage.run()
    child.kill()
    child.start()
    child.tell(ask_with)
    stage.run()
    assert child.is_suspended
    asked[0]("of the dead")
    stage.run()
    assert (stage.got, child.is_suspended) == ([], True)
    asked[1]("its own")
    asked[1]("once more")
    stage.run()
    asked[1]("and again")
    stage.run()
    assert stage.got == ["its own"]


def test_an_answer_that_comes_between_two_lives_is_for_nobody(stage: Stage) -> None:
    child, asked = waiting(stage)
    child.tell("kept")
    child.kill()
    asked[0]("too late")
    child.start()
    asked[0]("much too late")
    stage.run()
    child.tell(lambda actor: actor.await_reply(asked.append, actor.got.append))
    stage.run()
    assert child.is_suspended
    assert stage.got == ["kept"]


def test_a_late_answer_finds_a_mailbox_that_knows_of_no_question(stage: Stage) -> None:
    child, asked = waiting(stage)
    child.kill()
    child.start()
    child.tell("mail")
    stage.run()
    assert child._mail is None
    child.tell("more")
    asked[0]("too late")
    stage.run()
    assert stage.got == ["mail", "more"]


def test_an_answer_under_way_to_one_that_dies_is_for_nobody(stage: Stage) -> None:
    child, asked = waiting(stage)
    asked[0]("under way")
    child.kill()
    child.start()
    child.tell(lambda actor: actor.await_reply(asked.append, actor.got.append))
    stage.run()
    assert child.is_suspended
    assert stage.got == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_who_ends_the_whole_process_is_not_held_up_by_one_actor(
    stage: Stage, kind: type[BaseException]
) -> None:
    child = stage.child()
    child.tell(kind())
    with pytest.raises(kind):
        stage.run()
    assert stage.run() == [(ExitReason.CRASHED, 1)]


def test_an_answer_to_the_question_before_is_not_taken(stage: Stage) -> None:
    child, asked = waiting(stage)
    asked[0](None)
    child.tell(lambda actor: actor.await_reply(asked.append, actor.got.append))
    stage.run()
    asked[0]("once more")
    stage.run()
    assert stage.got == [None]
    assert child.is_suspended


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


def test_asking_twice_at_a_time_is_a_bug(stage: Stage) -> None:
    child = stage.child()
    asked: list[Callable[[object], None]] = []

    def greedy(actor: Actor) -> None:
        actor.await_reply(asked.append, print)
        actor.await_reply(asked.append, print)

    child.tell(greedy)
    assert stage.run() == [(ExitReason.CRASHED, 1)]


def test_a_crash_with_an_answer_under_way_leaves_the_mail(stage: Stage) -> None:
    child, asked = waiting(stage)
    asked.clear()
    child.tell("kept")
    child.kill()
    child.start()
    assert stage.run() == [(ExitReason.KILLED, 1)]
    assert stage.got == ["kept"]


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


def test_ask_waits_for_the_answer_up_to_its_time() -> None:
    dispatcher = GeventDispatcher()
    dispatcher.start()
    ref = Ref(Scope(dispatcher, lambda _n: Child([]), mailbox_limit=1), "child")
    ref.start()
    assert ask(ref, Asked, timeout_s=5) == "answer"
    with pytest.raises(pykka.Timeout):
        ask(ref, lambda _reply: "no answer to this", timeout_s=0.01)
    dispatcher.stop()
    ref.tell("fills it")
    with pytest.raises(MailboxFull):
        ask(ref, Asked, timeout_s=5)
