"""The router: nobody who follows is forgotten, however much mail there is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.live.fanout import FOLLOWERS_PER_STEP
from actors.live.router import RouterActor
from actors.messages import Publish, Subscribe
from actors.published import JournalReport, Published
from engine.payment.events import CommittedEvent, opening
from engine.runtime.actor import Actor
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import terms


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


class Silent(Actor):
    def on_receive(self, message: object) -> None:
        """Nothing."""


def test_followers_are_told_although_the_routers_mailbox_is_full(
    stage: ActorStage,
) -> None:
    router = stage.start("small router", RouterActor(stage.node, Published(0)), limit=3)
    told: list[CommittedEvent] = []

    def hear(event: CommittedEvent) -> None:
        told.append(event)
        while router.tell("noise"):
            """Until it takes no more."""

    for number in range(3 * FOLLOWERS_PER_STEP):
        ref = stage.start(f"client {number}", Silent())
        router.tell(Subscribe("p", ref, None, hear))
        stage.run()
    event, _payment = opening(terms(id="p"))
    stage.journal_report.publish(JournalReport(last_offset=1))
    router.tell(Publish((CommittedEvent(1, event, "default", b"{}"),)))
    stage.run()
    assert len(told) == 3 * FOLLOWERS_PER_STEP
