"""That a watcher which looks no more is met, and only if nobody looks for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.broken import Broken
from tests.simulation.idlers import Idlers
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.watching.watched import Watched
from tests.unit.payment_cases import view

MINUTE_S = 60


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


@pytest.fixture
def watched(stage: ActorStage) -> Watched:
    """It waits for no timer, as it is covered."""
    one = Watched(stage)
    stage.book.add(one.ref, "its address")
    stage.covered_as_of(stage.clock.now())
    one.seen(view())
    stage.pass_s(MINUTE_S + 1)
    assert one.report().next_poll_at is None
    return one


def _check_often(stage: ActorStage, covered_as_of: int | None) -> None:
    idlers = Idlers()
    for minute in range(10):
        now_s = stage.clock.monotonic() + minute * MINUTE_S
        idlers.check(stage.book, covered_as_of, now_s)


@pytest.mark.usefixtures("watched")
def test_who_is_covered_may_be_idle(stage: ActorStage) -> None:
    _check_often(stage, stage.clock.now())


def test_who_looks_again_may_have_been_idle(
    stage: ActorStage, watched: Watched
) -> None:
    watched.coverage_ends()
    _check_often(stage, None)


@pytest.mark.usefixtures("watched")
def test_who_was_not_told_is_met(stage: ActorStage) -> None:
    stage.covered_as_of(None)
    with pytest.raises(Broken, match="p looks no more, and nobody looks for it"):
        _check_often(stage, None)
