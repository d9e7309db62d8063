"""The tour of all watchers: each is told, some at a time, as often as it must be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import CoverageEnded, TellMore
from actors.watching.tour import PER_STEP, STEP_S, Tour
from engine.runtime.actor import Actor
from engine.runtime.ref import Ref
from tests.unit.actor_stage import ActorStage, Inbox


class Supervisor(Actor):
    """Only what it does of tours."""

    def __init__(self, tour: Tour) -> None:
        self.tour = tour
        self.turns = 0

    def on_receive(self, message: object) -> None:
        self.turns += 1
        assert isinstance(message, (CoverageEnded, TellMore))
        self.tour.go_on(message, self.ref)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def watchers(stage: ActorStage, count: int) -> list[Inbox]:
    inboxes = [Inbox() for _ in range(count)]
    for number, inbox in enumerate(inboxes):
        stage.book.add(stage.start(f"pay_{number:05}", inbox), f"address {number}")
    return inboxes


def supervisor(stage: ActorStage) -> Ref:
    return stage.start("tours", Supervisor(Tour(stage.clock, stage.book)))


def told(inboxes: list[Inbox]) -> list[int]:
    return [len(inbox.got) for inbox in inboxes]


def test_all_are_told_once_in_steps(stage: ActorStage) -> None:
    inboxes = watchers(stage, 2 * PER_STEP + 1)
    guide = supervisor(stage)
    guide.tell_system(CoverageEnded())
    stage.run()
    assert sum(told(inboxes)) == PER_STEP
    stage.pass_s(STEP_S)
    assert sum(told(inboxes)) == 2 * PER_STEP
    stage.pass_s(STEP_S)
    assert set(told(inboxes)) == {1}
    stage.pass_s(10)
    assert set(told(inboxes)) == {1}
    assert isinstance(guide.actor, Supervisor)
    assert guide.actor.turns == 3, "and then it waits for nothing"


@pytest.mark.parametrize("count", [0, 1, PER_STEP - 1, PER_STEP, PER_STEP + 1])
def test_a_second_end_is_told_as_the_first_was(stage: ActorStage, count: int) -> None:
    inboxes = watchers(stage, count)
    guide = supervisor(stage)
    for _ in range(2):
        guide.tell_system(CoverageEnded())
        stage.pass_s(1)
    assert told(inboxes) == [2] * count


def test_who_was_passed_before_coverage_ended_once_more_is_told_again(
    stage: ActorStage,
) -> None:
    """However often that happens meanwhile: those at the end are told all the same."""
    inboxes = watchers(stage, 2 * PER_STEP + 1)
    guide = supervisor(stage)
    for _ in range(3):
        guide.tell_system(CoverageEnded())
        stage.run()
    assert sum(told(inboxes)) == PER_STEP
    stage.pass_s(1)
    assert set(told(inboxes)) == {2}


def test_who_goes_meanwhile_is_no_hindrance(stage: ActorStage) -> None:
    inboxes = watchers(stage, PER_STEP + 10)
    guide = supervisor(stage)
    guide.tell_system(CoverageEnded())
    stage.run()
    late = [n for n, inbox in enumerate(inboxes) if not inbox.got]
    stage.book.remove(f"pay_{late[0]:05}", f"address {late[0]}")
    more = Inbox()
    stage.book.add(stage.start("pay_99999", more), "another")
    stage.pass_s(1)
    assert all(inboxes[n].got for n in late[1:])


def test_five_hundred_are_told_every_twentieth_of_a_second(stage: ActorStage) -> None:
    inboxes = watchers(stage, 1_100)
    supervisor(stage).tell_system(CoverageEnded())
    stage.run()
    assert sum(told(inboxes)) == 500
    assert stage.clock.next_due_ms() == 50
    stage.pass_s(0.05)
    assert sum(told(inboxes)) == 1_000
    stage.pass_s(0.05)
    assert sum(told(inboxes)) == 1_100
