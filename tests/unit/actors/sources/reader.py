"""A source actor that reads a chain block by block, for its tests."""

from actors.facts.published import Published
from actors.sources.feed_state import FeedSpec
from actors.sources.source import SourceActor
from actors.sources.workers import BlockFeedWorker
from engine.runtime.ref import ActorScope, Ref
from tests.tools.fake_feed import FakeFeed
from tests.unit.actor_stage import ActorStage

__all__ = [
    "Reader",
]


class Reader:
    """Block feeds and the source actor that reads them, with the journal behind."""

    def __init__(
        self, stage: ActorStage, *feeds: FakeFeed, kind: str = "bitcoind"
    ) -> None:
        node = stage.node
        node.booted = self.booted = Published(True)
        self.stage = stage
        self.feed = feeds[0]
        store = stage.store
        source = Ref(
            ActorScope(
                stage.dispatcher,
                lambda _name: SourceActor(node, specs, stage.published),
            ),
            "source",
        )

        def spec(number: int, feed: FakeFeed) -> FeedSpec:
            scope = ActorScope(
                stage.dispatcher,
                lambda _name: BlockFeedWorker(node, number, feed, store),
                parent=source,
                blocking=True,
            )
            return FeedSpec(feed.name, kind, Ref(scope, f"feed.{number}"), True, 1.0)

        specs = [spec(number, feed) for number, feed in enumerate(feeds)]
        self.workers = [one.worker for one in specs]
        node.source = source
        source.start()

    def saved(self) -> tuple[int, str] | None:
        found = self.stage.store.source_tip(self.feed.name)
        return None if found is None else (found.height, found.hash)
