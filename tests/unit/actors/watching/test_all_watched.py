"""A source waits for one word before it reads: no full mailbox may keep it from it.

Found by a simulated world (20719): the word was refused while many polls waited, and
the node looked at no chain any more until it was started anew.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import AllWatched
from actors.watching.supervisor import SupervisorActor
from engine.runtime.ref import ActorScope, Ref
from tests.tools.fake_feed import FakeFeed
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.sources.reader import Reader


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


def test_a_supervisor_says_that_all_was_told_to_a_source_with_a_full_mailbox(
    stage: ActorStage,
) -> None:
    stage.node.source.scope.mailbox_limit = 0
    scope = ActorScope(
        stage.dispatcher,
        lambda _name: SupervisorActor(stage.node, stage.book, stage.booted),
    )
    supervisor = stage.node.supervisor = Ref(scope, "supervisor")
    supervisor.start()
    stage.run()
    assert stage.source.got == [AllWatched(supervisor.incarnation)]


def test_a_source_that_begins_anew_with_a_full_mailbox_reads(stage: ActorStage) -> None:
    feed = FakeFeed(20)
    reader = Reader(stage, feed)
    stage.node.source.scope.mailbox_limit = 0
    stage.pass_s(2)
    assert feed.requests > 0
    asked = feed.requests
    stage.node.source.kill()
    stage.node.source.start()
    stage.pass_s(2)
    assert feed.requests > asked
    assert reader.booted.now
