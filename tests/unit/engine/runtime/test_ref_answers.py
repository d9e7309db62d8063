"""A Ref that waits for an answer: other mail is stashed, late answers are nobody's."""

from collections.abc import Callable

import pykka
import pytest

from engine.errors import MailboxFull
from engine.runtime.actor import Actor
from engine.runtime.ask import ask
from engine.runtime.dispatcher import GeventDispatcher
from engine.runtime.ref import ActorScope, ExitReason, Ref
from tests.unit.engine.runtime.ref_stage import Asked, Child, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


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


def test_an_answer_to_the_question_before_is_not_taken(stage: Stage) -> None:
    child, asked = waiting(stage)
    asked[0](None)
    child.tell(lambda actor: actor.await_reply(asked.append, actor.got.append))
    stage.run()
    asked[0]("once more")
    stage.run()
    assert stage.got == [None]
    assert child.is_suspended


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


def test_ask_waits_for_the_answer_up_to_its_time() -> None:
    dispatcher = GeventDispatcher()
    dispatcher.start()
    ref = Ref(ActorScope(dispatcher, lambda _n: Child([]), mailbox_limit=1), "child")
    ref.start()
    assert ask(ref, Asked, timeout_s=5) == "answer"
    with pytest.raises(pykka.Timeout):
        ask(ref, lambda _reply: "no answer to this", timeout_s=0.01)
    dispatcher.stop()
    ref.tell("fills it")
    with pytest.raises(MailboxFull):
        ask(ref, Asked, timeout_s=5)
