"""When the supervisor starts anew, each payment has one watcher: the new one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import Seen, Unwatch, Watch
from actors.watching.supervisor import SupervisorActor
from engine.runtime.ref import Ref, Scope
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import mined, terms, view

ADDRESS = terms().address


@pytest.fixture(params=range(20))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path, seed=request.param)
    yield stage
    stage.close()


def test_a_watcher_that_waits_for_a_commit_does_not_go_on_beside_its_successor(
    stage: ActorStage,
) -> None:
    stage.create("p", address=ADDRESS)
    scope = Scope(
        stage.dispatcher,
        lambda _name: SupervisorActor(stage.node, stage.book, stage.booted),
    )
    stage.node.supervisor = supervisor = Ref(scope, "supervisor")
    supervisor.start()
    stage.run()
    seen = Seen(view(mined("t", 1_000, 1)), stage.clock.now())
    stage.node.watchers["p"].tell(seen)
    stage.run(stage.random.randrange(1, 6))  # somewhere on the way to the commit
    supervisor.kill()
    supervisor.start()
    stage.run()
    assert _whom_the_source_tells(stage) is stage.node.watchers["p"]


def _whom_the_source_tells(stage: ActorStage) -> Ref | None:
    told: Ref | None = None
    for message in stage.source.got:
        if isinstance(message, Watch):
            told = message.ref
        elif isinstance(message, Unwatch) and message.ref is told:
            told = None
    return told
