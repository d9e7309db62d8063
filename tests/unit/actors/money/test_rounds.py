"""Rounds by themselves: when they begin, what a late answer does, who is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.facts.upstreams import MoneyCame
from actors.money import rounds
from actors.money.rounds import ANSWER_S, RoundsActor
from actors.money.steps import AskStore, Late, StepAnswer, Steps, Tick, Want
from actors.node import Node
from engine.errors import SourceUnavailable
from tests.unit.actor_stage import ActorStage

REST_S = 20.0


class Rounds(RoundsActor):
    """A round asks as often as it is told to, and says what it heard."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.began: list[float] = []
        self.questions = 1
        self.heard: list[Any] = []
        self.well = 0
        self.troubles: list[str] = []
        self.raises: Exception | None = None

    def _steps(self) -> Steps:
        self.began.append(self._node.clock.monotonic())
        for _ in range(self.questions):
            self.heard.append((yield AskStore(lambda _store: None)))
        if self.raises is not None:
            raise self.raises

    def _rest_s(self) -> float:
        return REST_S

    def _on_well(self) -> None:
        self.well += 1

    def _on_trouble(self, why: str) -> None:
        self.troubles.append(why)


class Desk:
    """Rounds on a stage; what they want is answered when a test does."""

    def __init__(self, stage: ActorStage, patch: pytest.MonkeyPatch) -> None:
        self.stage = stage
        self.replies: list[Any] = []
        self.answers = True

        def carry_out(_node: Node, wanted: Want, reply: Any) -> None:
            assert isinstance(wanted, AskStore)
            self.replies.append(reply)
            if self.answers:
                reply(len(self.replies))

        patch.setattr(rounds, "carry_out", carry_out)
        self.actor = Rounds(stage.node)
        self.ref = stage.start("rounds", self.actor)
        stage.run()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    stage = ActorStage(tmp_path)
    yield Desk(stage, monkeypatch)
    stage.close()


def test_the_first_begins_after_half_a_rest_and_each_after_a_whole_one(
    desk: Desk,
) -> None:
    desk.stage.pass_s(55)
    assert desk.actor.began == [10.0, 30.0, 50.0]
    assert desk.actor.heard == [1, 2, 3]
    assert (desk.actor.well, desk.actor.troubles) == (3, [])
    assert RoundsActor.blocking


@pytest.mark.parametrize("word", [MoneyCame(), Tick()])
def test_one_that_is_told_of_work_begins_at_once_and_rests_from_then(
    desk: Desk, word: object
) -> None:
    desk.stage.pass_s(3)
    desk.ref.tell(word)
    desk.stage.pass_s(21)
    assert desk.actor.began == [3.0, 23.0], "one timer: the first one counts no more"


def test_work_that_is_told_of_in_a_round_begins_another_at_its_end(desk: Desk) -> None:
    desk.answers = False
    desk.ref.tell(MoneyCame())
    desk.stage.run()
    for _ in range(3):
        desk.ref.tell(MoneyCame())
        desk.stage.run()
    assert len(desk.actor.began) == 1
    desk.answers = True
    desk.replies[0]("at last")
    desk.stage.pass_s(1)
    assert len(desk.actor.began) == 2, "and one only"
    desk.stage.pass_s(18)
    assert len(desk.actor.began) == 2
    desk.stage.pass_s(2)
    assert len(desk.actor.began) == 3


def test_an_answer_that_does_not_come_in_half_a_minute_ends_the_round(
    desk: Desk,
) -> None:
    assert ANSWER_S == 30.0
    desk.answers = False
    desk.ref.tell(MoneyCame())
    desk.stage.pass_s(29.9)
    assert desk.actor.troubles == []
    desk.stage.pass_s(0.2)
    assert desk.actor.troubles == ["an answer did not come in time"]
    desk.replies[0]("too late")
    desk.stage.run()
    assert desk.actor.heard == []
    desk.replies[1]("of the next round, which the timer had asked for")
    desk.stage.run()
    assert desk.actor.well == 1


def test_the_time_of_each_answer_is_its_own(desk: Desk) -> None:
    desk.actor.questions, desk.answers = 3, False
    desk.ref.tell(MoneyCame())
    desk.stage.run()
    for number in range(3):
        desk.stage.pass_s(20)
        desk.replies[number](number)
        desk.stage.run()
    assert desk.actor.heard == [0, 1, 2]
    assert (desk.actor.well, desk.actor.troubles) == (1, [])


def test_an_answer_is_taken_once_and_by_the_question_that_it_is_to(desk: Desk) -> None:
    desk.actor.questions, desk.answers = 2, False
    desk.ref.tell(MoneyCame())
    desk.stage.run()
    desk.replies[0]("first")
    desk.replies[0]("again")
    desk.stage.run()
    assert desk.actor.heard == ["first"]
    asked = desk.actor._asked
    desk.ref.tell(StepAnswer((desk.ref.incarnation + 1, asked), "of another life"))
    desk.ref.tell(Late((desk.ref.incarnation, asked - 1)))
    desk.stage.run()
    assert (desk.actor.heard, desk.actor.troubles) == (["first"], [])
    desk.replies[1]("second")
    desk.stage.run()
    assert desk.actor.heard == ["first", "second"]


def test_an_answer_that_is_an_exception_is_raised_in_the_round(desk: Desk) -> None:
    desk.answers = False
    desk.ref.tell(MoneyCame())
    desk.stage.run()
    desk.replies[0](SourceUnavailable("nobody answers"))
    desk.stage.run()
    assert desk.actor.troubles == ["nobody answers"]
    assert (desk.actor.heard, desk.actor.well) == ([], 0)
    desk.stage.pass_s(19)
    assert len(desk.actor.began) == 1
    desk.stage.pass_s(2)
    assert len(desk.actor.began) == 2


def test_a_bug_in_a_round_is_logged_told_and_no_crash(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.actor.raises = ValueError("what is this")
    desk.stage.pass_s(31)
    why = "a round failed: ValueError('what is this'); see the log"
    assert desk.actor.troubles == [why, why]
    assert "forward.round_failed" in caplog.text
    assert desk.ref.is_alive
    assert Tick.coalesce
