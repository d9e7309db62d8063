"""The historian, over a real journal: crashes, refused writes and clocks set back."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from actors.journal.historian import LOOK_S, PAGE, SAMPLE_S, HistorianActor
from actors.messages import DescribeSources
from engine.gateway import SourceState
from engine.payment.history import EVERYONE, STEPS_S, Sum, merged, sums_of
from engine.policy.periods import MINUTE_S
from engine.runtime.actor import Actor
from engine.runtime.ref import Ref
from tests.unit.actors.journal.test_housekeeper import House


class Source(Actor):
    """Answers with so many errors as it is told to have."""

    def __init__(self) -> None:
        self.errors = 0

    def on_receive(self, message: Any) -> None:
        if isinstance(message, DescribeSources):
            message.reply((state("node", self.errors),))


def state(name: str, errors: int) -> SourceState:
    return SourceState(
        name=name, kind="esplora", state="closed", active=True, tip_height=1,
        tip_hash="a", last_answer_at=None, lag_s=None, requests=9, errors=errors,
        last_error=None, budget_per_min=None, budget_left=None, watched=0, waiting=0,
    )  # fmt: skip


class Study(House):
    """With a historian in place of the housekeeper."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.keeper.kill()
        self.source = Source()
        self.node.source = self._start("source", self.source)
        self.writer: Ref
        self.begin()

    def begin(self) -> None:
        """The historian (again), as after a crash or a start of the process."""
        self.writer = self._start("historian", HistorianActor(self.node))
        self.settle()

    def crash(self) -> None:
        self.writer.kill()
        self.settle()
        self.begin()

    def kept(self) -> dict[Any, Sum]:
        rows = self.store.history_sums
        series = ("created", "confirmed", "value_sat", "detection", "confirmation")
        found = [
            one
            for step_s in STEPS_S
            for merchant in (EVERYONE, "default")
            for one in rows(step_s, merchant, series, 0, 10**12)
        ]
        return {one.key: one for one in found}

    def told(self) -> dict[Any, Sum]:
        """By the rule alone, of the whole journal at once."""
        facts = self.store.history_facts(0, 10**6)
        return {one.key: one for one in merged(sums_of(facts))}


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    study = Study(tmp_path)
    yield study
    study.journal.close()


def test_what_happened_is_in_the_sums_some_seconds_later(study: Study) -> None:
    study.pay(3)
    assert study.kept() == {}
    study.pass_time(LOOK_S + 1)
    assert study.kept() == study.told() != {}
    study.pass_time(10 * LOOK_S)
    assert study.kept() == study.told()


def test_what_was_missed_is_caught_up_with_page_by_page(study: Study) -> None:
    study.pay(PAGE)
    study.pass_time(LOOK_S + 30)
    assert study.kept() == study.told()
    assert len(study.store.took) >= 4


@pytest.mark.parametrize("seed", range(6))
def test_no_event_is_lost_or_doubled_whatever_happens(study: Study, seed: int) -> None:
    random = Random(seed)
    for _ in range(25):
        match random.randrange(5):
            case 0:
                study.pay(random.randint(1, 60))
            case 1:
                study.crash()
            case 2:
                study.clock.jump_wall(random.randint(-90_000_000, 90_000_000))
            case 3:
                study.store.refuses = not study.store.refuses
            case _:
                for _ in range(random.randint(1, 40)):
                    study.dispatcher.step()
        if study.store.refuses:
            study.store.refuses = random.random() < 0.5
        study.pass_time(random.choice([0.05, 1.0, LOOK_S]))
    study.store.refuses = False
    study.pass_time(5 * LOOK_S)
    assert study.kept() == study.told()


def test_a_minute_notes_sessions_backlog_and_new_errors(study: Study) -> None:
    for errors in (5, 7, 2):  # the last began anew
        study.source.errors = errors
        study.pass_time(SAMPLE_S)
    found = study.store.history_sums(
        MINUTE_S, EVERYONE, ("sessions", "backlog", "errors:node"), 0, 10**12
    )
    errors_noted = [one.total for one in found if one.series == "errors:node"]
    assert errors_noted == [5, 2, 2]
    assert len([one for one in found if one.series == "backlog"]) == 3
    assert len([one for one in found if one.series == "sessions"]) == 3
