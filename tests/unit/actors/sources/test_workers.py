"""What a feed's worker says at the end of a round."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import Round, RoundDone
from actors.sources.workers import BlockFeedWorker
from tests.tools.fake_feed import FakeFeed
from tests.unit.actor_stage import ActorStage, Inbox


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def test_a_worker_asks_for_another_round_until_it_has_read_all(
    stage: ActorStage,
) -> None:
    source, feed = Inbox(), FakeFeed(20)
    stage.node.source = stage.start("source", source)
    worker = stage.start(
        "feed.0", BlockFeedWorker(stage.node, 0, feed, stage.store), limit=10
    )

    def read() -> bool:
        worker.tell(Round(1))
        stage.pass_s(1)
        done = source.got[-1]
        assert isinstance(done, RoundDone)
        assert done.error is None
        return done.more

    assert read() is False
    for _ in range(60):  # a round reads 50
        feed.mine([])
    assert [read(), read()] == [True, False]
