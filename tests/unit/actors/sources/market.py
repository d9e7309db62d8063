"""Explorers of which some fail, and watchers that poll them through the actor."""

from collections.abc import Sequence

from msgspec.structs import replace

from actors.live.messages import Subscribe
from actors.messages import DescribeSources, FreshnessChanged, Poll, Seen, Watch
from actors.sources.address_worker import AddressFeedWorker
from actors.sources.feed_state import FeedSpec
from actors.sources.source import SourceActor
from actors.sources.workers import BlockFeedWorker
from engine.chain.feed import Output, SourceStatus, Tip
from engine.errors import SourceError
from engine.gateway import SourceState
from engine.runtime.ref import ActorScope, Ref
from tests.tools.fake_feed import FakeFeed
from tests.unit.actor_stage import ActorStage, Inbox

__all__ = [
    "Explorer",
    "Market",
    "TIP",
]

TIP = Tip(1_000, "00" * 32)


class Explorer:
    """An address feed that answers, or fails as it is told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests = 0
        self.down: SourceError | None = None
        self.bad: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.off_chain: set[str] = set()
        self.on_chain: set[str] = set()
        self.height: int | None = None  # of the block that every output is in

    def status(self) -> SourceStatus:
        self.requests += 1
        if self.down is not None:
            raise self.down
        return SourceStatus(TIP)

    def outputs(self, address: str, script: bytes) -> tuple[Output, ...]:
        self.requests += 1
        self.asked.append(address)
        if address in self.bad:
            raise self.bad[address]
        paid = Output(f"tx for {address}", 0, 1_000)
        if self.height is not None:
            paid = replace(paid, block_hash=f"{self.height}", block_height=self.height)
        return (paid,)

    def in_best_chain(self, block_hash: str, height: int | None = None) -> bool | None:
        self.requests += 1
        if block_hash in self.on_chain:
            return True
        return False if block_hash in self.off_chain else None


class Market:
    """Sources, the source actor, and watchers that keep what they are shown."""

    def __init__(
        self,
        stage: ActorStage,
        *names: str,
        per_minute: float | None = None,
        node: FakeFeed | None = None,
        feeds: Sequence[Explorer] = (),
    ) -> None:
        """Explorers of these names, and after them a node if there is one."""
        self.stage = stage
        self.feeds = [*feeds, *(Explorer(name) for name in names)]
        self.watchers: dict[str, Inbox] = {}
        self.refs: dict[str, Ref] = {}
        self.per_minute = per_minute
        stage.booted.publish(True)
        self.ref = Ref(
            ActorScope(
                stage.dispatcher,
                lambda _name: SourceActor(stage.node, self.specs, stage.published),
            ),
            "source",
        )
        self.specs = [self._spec(n, feed) for n, feed in enumerate(self.feeds)]
        if node is not None:
            self.specs.append(self._node_spec(len(self.feeds), node))
        stage.node.source = self.ref
        self.ref.start()
        stage.node.router.tell(Subscribe("any", stage.node.supervisor))
        stage.run()

    def _spec(self, number: int, feed: Explorer) -> FeedSpec:
        node = self.stage.node
        scope = ActorScope(
            self.stage.dispatcher,
            lambda _name: AddressFeedWorker(node, number, feed),
            parent=self.ref,
            blocking=True,
        )
        return FeedSpec(
            name=feed.name,
            kind="esplora",
            worker=Ref(scope, f"feed.{number}"),
            by_block=False,
            every_s=10.0,
            per_minute=self.per_minute,
            operator=feed.name,
        )

    def _node_spec(self, number: int, feed: FakeFeed) -> FeedSpec:
        node, store = self.stage.node, self.stage.store
        scope = ActorScope(
            self.stage.dispatcher,
            lambda _name: BlockFeedWorker(node, number, feed, store),
            parent=self.ref,
            blocking=True,
        )
        worker = Ref(scope, f"feed.{number}")
        return FeedSpec(feed.name, "bitcoind", worker, by_block=True, every_s=1.0)

    def watch(self, *addresses: str) -> None:
        for address in addresses:
            self.watchers[address] = inbox = Inbox()
            ref = self.stage.start(f"watcher of {address}", inbox)
            self.refs[address] = ref
            self.ref.tell_system(Watch(address.encode(), address, ref))
        self.stage.run()

    def poll(
        self,
        address: str,
        due: float = 0.0,
        *blocks: str,
        known: tuple[Output, ...] = (),
        since: Tip | None = None,
    ) -> None:
        placed = tuple((block, 990) for block in blocks)
        self.ref.tell(Poll(address.encode(), placed, due, known, since))

    def seen(self, address: str) -> list[Seen]:
        return [m for m in self.watchers[address].got if isinstance(m, Seen)]

    def freshness(self) -> list[tuple[str, bool]]:
        return [
            (m.freshness.source, m.freshness.live)
            for m in self.stage.supervisor.got
            if isinstance(m, FreshnessChanged)
        ]

    def state(self, name: str) -> SourceState:
        answers: list[list[SourceState]] = []
        self.ref.tell(DescribeSources(answers.append))
        self.stage.run()
        return next(state for state in answers[0] if state.name == name)
