"""The source actor: who is asked, in which order, how often, and what errors mean."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import (
    DescribeSources,
    FreshnessChanged,
    Nudge,
    Poll,
    Seen,
    Subscribe,
    Unwatch,
    Watch,
)
from actors.published import Published
from actors.sources.feed_state import FeedSpec
from actors.sources.source import SourceActor
from actors.sources.workers import AddressFeedWorker, BlockFeedWorker
from engine.chain.feed import Block, Output, Tip
from engine.chain.script_index import LOOKBACK
from engine.errors import SourceBusy, SourceError, SourceGarbage, SourceUnavailable
from engine.gateway import SourceState
from engine.runtime.ref import Ref, Scope
from engine.store.writes import SourceTip, Write
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.actor_stage import ActorStage, Inbox

TIP = Tip(1_000, "00" * 32)
ALICE = b"\x00\x14" + b"a" * 20
BOB = b"\x00\x14" + b"b" * 20


class Explorer:
    """An address feed that answers, or fails as it is told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests = 0
        self.down: SourceError | None = None
        self.bad: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.off_chain: set[str] = set()

    def tip(self) -> Tip:
        self.requests += 1
        if self.down is not None:
            raise self.down
        return TIP

    def outputs(self, address: str, script: bytes) -> tuple[Output, ...]:
        self.requests += 1
        self.asked.append(address)
        if address in self.bad:
            raise self.bad[address]
        return (Output(f"tx for {address}", 0, 1_000),)

    def in_best_chain(self, block_hash: str, height: int | None = None) -> bool | None:
        self.requests += 1
        return False if block_hash in self.off_chain else None


class Market:
    """Sources, the source actor, and watchers that keep what they are shown."""

    def __init__(
        self, stage: ActorStage, *names: str, per_minute: float | None = None
    ) -> None:
        self.stage = stage
        self.feeds = [Explorer(name) for name in names]
        self.watchers: dict[str, Inbox] = {}
        self.per_minute = per_minute
        stage.booted.publish(True)
        self.ref = Ref(
            Scope(
                stage.dispatcher,
                lambda _name: SourceActor(stage.node, self.specs, stage.published),
            ),
            "source",
        )
        self.specs = [self._spec(n, feed) for n, feed in enumerate(self.feeds)]
        stage.node.source = self.ref
        self.ref.start()
        stage.node.router.tell(Subscribe("any", stage.node.supervisor))
        stage.run()

    def _spec(self, number: int, feed: Explorer) -> FeedSpec:
        node = self.stage.node
        scope = Scope(
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
        )

    def watch(self, *addresses: str) -> None:
        for address in addresses:
            self.watchers[address] = inbox = Inbox()
            ref = self.stage.start(f"watcher of {address}", inbox)
            self.ref.tell_system(Watch(address.encode(), address, ref))
        self.stage.run()

    def poll(self, address: str, due: float = 0.0, *blocks: str) -> None:
        placed = tuple((block, 990) for block in blocks)
        self.ref.tell(Poll(address.encode(), placed, due))

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


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def test_a_poll_is_answered_by_a_view_from_after_it_was_asked(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one")
    market.watch("a")
    stage.pass_s(5)
    asked = stage.clock.now()
    market.poll("a")
    stage.pass_s(1)
    (seen,) = market.seen("a")
    assert seen.asked_at >= asked
    assert (seen.view.source, seen.view.tip) == ("one", TIP)
    assert [o.txid for o in seen.view.outputs] == ["tx for a"]


def test_polls_for_the_same_script_are_one_request(stage: ActorStage) -> None:
    market = Market(stage, "one")
    market.watch("a")
    for due in (30.0, 20.0, 10.0):
        market.poll("a", due)
    stage.pass_s(11)
    assert market.feeds[0].asked == ["a"]
    assert len(market.seen("a")) == 1


def test_what_nobody_watches_is_not_asked_for(stage: ActorStage) -> None:
    market = Market(stage, "one")
    market.watch("a")
    market.poll("b")
    market.ref.tell_system(Unwatch(b"a", stage.node.supervisor))  # not its watcher
    market.poll("a")
    stage.pass_s(11)
    assert market.feeds[0].asked == ["a"]


def test_blocks_are_off_chain_only_on_the_sources_positive_word(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one")
    market.watch("a")
    market.feeds[0].off_chain = {"lost"}
    market.poll("a", 0.0, "lost", "unknown")
    stage.pass_s(1)
    assert market.seen("a")[0].view.off_chain == ("lost",)


def test_a_failing_source_tells_nothing_and_the_next_is_asked_at_once(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", "two")
    market.watch("a")
    one, two = market.feeds
    one.down = SourceUnavailable("connection refused")
    market.poll("a")
    stage.pass_s(0.5)
    assert one.asked == []
    assert two.asked == ["a"]
    assert [s.view.source for s in market.seen("a")] == ["two"]
    assert market.state("one").last_error == "connection refused"
    assert market.state("two").active


def test_the_first_source_is_preferred_again_when_it_has_recovered(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", "two")
    market.watch("a")
    one, _two = market.feeds
    one.down = SourceUnavailable("connection refused")
    stage.pass_s(120)
    one.down = None
    stage.pass_s(130)
    market.poll("a")
    stage.pass_s(1)
    assert one.asked == ["a"]
    assert market.state("one").state == "closed"


def test_when_all_sources_fail_only_the_freshness_changes(stage: ActorStage) -> None:
    market = Market(stage, "one", "two")
    market.watch("a", "b")
    for feed in market.feeds:
        feed.down = SourceUnavailable("connection refused")
    market.poll("a")
    market.poll("b", 5.0)
    stage.pass_s(300)
    assert market.seen("a") == market.seen("b") == []
    assert market.freshness()[-1][1] is False
    assert stage.published.now.freshness.live is False
    for feed in market.feeds:
        assert feed.requests < 60
        feed.down = None
    stage.pass_s(130)
    assert len(market.seen("a")) == len(market.seen("b")) == 1
    assert stage.published.now.freshness.live is True


def test_a_source_that_asks_for_a_pause_gets_it(stage: ActorStage) -> None:
    market = Market(stage, "one")
    market.watch("a")
    one = market.feeds[0]
    one.down = SourceBusy("429 Too Many Requests", retry_after_s=90.0)
    market.poll("a")
    stage.pass_s(1)
    before = one.requests
    one.down = None
    stage.pass_s(85)
    assert one.requests == before
    stage.pass_s(20)
    assert len(market.seen("a")) == 1


def test_the_budget_is_kept_and_spent_on_the_most_urgent_first(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", per_minute=60)
    names = [f"a{n:02}" for n in range(40)]
    market.watch(*names)
    stage.pass_s(90)  # to watch is to ask a first time
    assert all(len(market.seen(name)) == 1 for name in names)
    one = market.feeds[0]
    before, asked = one.requests, len(one.asked)
    for number, name in enumerate(reversed(names)):
        market.poll(name, due=1_000.0 - number)
    stage.pass_s(30)
    assert one.requests - before <= 30 + 6 + 3
    got = one.asked[asked:]
    assert len(got) > 10
    assert got == names[: len(got)]
    market.poll(names[-1])
    stage.pass_s(6)
    assert one.asked[asked + len(got) :].index(names[-1]) <= 1
    stage.pass_s(120)
    assert all(len(market.seen(name)) >= 2 for name in names)


def test_an_address_that_cannot_be_read_holds_up_no_other(stage: ActorStage) -> None:
    market = Market(stage, "one")
    market.watch("bad", "b", "c")
    one = market.feeds[0]
    one.bad["bad"] = SourceGarbage("over 10,000 transactions")
    for _ in range(5):
        market.poll("bad", 1.0)
        market.poll("b", 2.0)
        market.poll("c", 3.0)
        stage.pass_s(15)
    assert market.seen("bad") == []
    assert len(market.seen("b")) == len(market.seen("c")) == 5
    assert market.state("one").state == "closed"


def test_a_source_that_talks_nonsense_of_everybody_is_left_for_the_next(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", "two")
    names = [f"a{n}" for n in range(12)]
    market.watch(*names)
    one, two = market.feeds
    one.bad = dict.fromkeys(names, SourceGarbage("HTML, not JSON"))
    for name in names:
        market.poll(name, 1.0)
    stage.pass_s(15)
    assert len(one.asked) <= 20
    assert market.state("one").errors > 0
    assert len(two.asked) > 0


def test_a_worker_that_crashes_is_started_again_and_its_polls_with_it(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one")
    market.watch("a")
    market.feeds[0].bad["a"] = KeyError("a bug")
    market.poll("a")
    stage.pass_s(0.5)
    assert market.seen("a") == []
    market.feeds[0].bad.clear()
    stage.pass_s(60)
    assert len(market.seen("a")) == 1


def test_a_source_actor_that_starts_again_owes_nothing_for_its_past(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one", per_minute=60)
    market.feeds[0].requests = 100_000
    market.ref.kill()
    market.ref.start()
    market.watch("a")
    stage.pass_s(30)
    assert len(market.seen("a")) == 1


def test_a_block_feed_answers_any_number_of_polls_from_one_reading(
    stage: ActorStage,
) -> None:
    feed = FakeFeed()
    node = stage.node
    node.booted = Published(True)
    store = stage.store
    source = Ref(
        Scope(
            stage.dispatcher, lambda _name: SourceActor(node, specs, stage.published)
        ),
        "source",
    )
    scope = Scope(
        stage.dispatcher,
        lambda _name: BlockFeedWorker(node, 0, feed, store),
        parent=source,
        blocking=True,
    )
    specs = [FeedSpec("fake", "devchain", Ref(scope, "feed.0"), True, 1.0)]
    node.source = source
    inboxes = []
    source.start()
    for number in range(200):
        inboxes.append(Inbox())
        ref = stage.start(f"w{number}", inboxes[-1])
        source.tell_system(Watch(b"%d" % number, f"a{number}", ref))
    stage.pass_s(3)
    before = feed.requests
    for number in range(200):
        source.tell(Poll(b"%d" % number, (), 5.0))
    source.tell(Nudge())
    stage.pass_s(3)
    assert all(isinstance(inbox.got[-1], Seen) for inbox in inboxes)
    assert feed.requests - before < 20


def test_a_watcher_that_could_not_take_what_it_was_shown_is_shown_it_again(
    stage: ActorStage,
) -> None:
    market = Market(stage, "one")
    inbox = market.watchers["a"] = Inbox()
    ref = stage.start("watcher of a", inbox, limit=0)
    market.ref.tell_system(Watch(b"a", "a", ref))
    stage.pass_s(11)
    assert market.seen("a") == []
    ref.scope.mailbox_limit = 10
    stage.pass_s(11)
    assert len(market.seen("a")) == 1


def test_a_first_look_that_failed_is_taken_again(stage: ActorStage) -> None:
    feed = FakeFeed(height=100)
    reader = Reader(stage, feed)
    stage.pass_s(2)

    def fail(_name: str) -> None:
        raise SourceUnavailable("fake: gone")

    feed.on_call = fail
    inbox = Inbox()
    stage.node.source.tell_system(Watch(ALICE, "a", stage.start("w", inbox)))
    stage.pass_s(5)
    assert inbox.got == []
    feed.on_call = lambda _name: None
    reader.stage.pass_s(60)
    (seen,) = inbox.got
    assert isinstance(seen, Seen)
    assert seen.view.outputs == ()


def test_who_was_shown_nothing_is_shown_what_comes_unasked(stage: ActorStage) -> None:
    feed = FakeFeed(height=100)
    Reader(stage, feed)
    alice, bob = Inbox(), Inbox()
    for script, inbox in ((ALICE, alice), (BOB, bob)):
        ref = stage.start(f"watcher of {script!r}", inbox)
        stage.node.source.tell_system(Watch(script, "a", ref))
    stage.pass_s(3)
    (nothing,) = alice.got
    assert isinstance(nothing, Seen)
    assert nothing.view.outputs == ()
    assert bob.got == [nothing]
    complete_as_of = stage.complete_as_of
    assert complete_as_of is not None
    assert complete_as_of >= nothing.asked_at
    feed.add(make_tx("t1", [(ALICE, 7)]))
    stage.pass_s(3)
    (_, paid) = alice.got
    assert isinstance(paid, Seen)
    assert [o.amount_sat for o in paid.view.outputs] == [7]
    assert bob.got == [nothing]
    assert stage.complete_as_of > complete_as_of


def test_a_source_that_is_asked_by_address_covers_nobody(stage: ActorStage) -> None:
    market = Market(stage, "one")
    market.watch("a")
    stage.covered_as_of(1)
    stage.pass_s(11)
    assert stage.complete_as_of is None


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
            Scope(
                stage.dispatcher,
                lambda _name: SourceActor(node, specs, stage.published),
            ),
            "source",
        )

        def spec(number: int, feed: FakeFeed) -> FeedSpec:
            scope = Scope(
                stage.dispatcher,
                lambda _name: BlockFeedWorker(node, number, feed, store),
                parent=source,
                blocking=True,
            )
            return FeedSpec(feed.name, kind, Ref(scope, f"feed.{number}"), True, 1.0)

        specs = [spec(number, feed) for number, feed in enumerate(feeds)]
        node.source = source
        source.start()

    def saved(self) -> tuple[int, str] | None:
        found = self.stage.store.source_tip(self.feed.name)
        return None if found is None else (found.height, found.hash)


def test_the_first_blocks_that_were_read_are_written_down_at_once(
    stage: ActorStage,
) -> None:
    reader = Reader(stage, FakeFeed(height=100))
    stage.pass_s(2)
    tip = reader.feed.now
    assert reader.saved() == (tip.height, tip.hash)


def test_a_first_round_that_failed_half_way_is_written_down_when_it_succeeds(
    stage: ActorStage,
) -> None:
    feed = FakeFeed(height=100)
    calls: list[str] = []

    def fail_once_at_the_mempool(name: str) -> None:
        calls.append(name)
        if name == "mempool" and calls.count("mempool") == 1:
            raise SourceUnavailable("fake: gone for a moment")

    feed.on_call = fail_once_at_the_mempool
    reader = Reader(stage, feed)
    stage.pass_s(10)
    assert reader.saved() == (feed.now.height, feed.now.hash)


def test_what_is_written_down_was_read_and_not_only_announced(
    stage: ActorStage,
) -> None:
    """A crash in a long catching-up must not leave out the blocks in between."""
    feed = FakeFeed(height=100)
    reader = Reader(stage, feed)
    stage.pass_s(2)
    for _ in range(400):
        feed.mine([])
    blocks: list[str] = []

    def be_slow_and_then_down(name: str) -> None:
        if name == "block":
            blocks.append(name)
            stage.clock.advance(300)
        if len(blocks) > 230:
            raise SourceUnavailable("fake: gone")

    feed.on_call = be_slow_and_then_down
    stage.pass_s(60)
    saved = reader.saved()
    assert saved is not None
    assert 100 < saved[0] <= 100 + len(blocks)


def test_a_source_goes_on_where_another_had_come_to(stage: ActorStage) -> None:
    feed = FakeFeed(height=100)
    row = SourceTip("other", feed.now.height, feed.now.hash)
    stage.append(Write(rows=(row, SourceTip("probe", 0, "1"))))
    stage.append(Write(rows=(SourceTip("devchain", 5_000, "00"),)))
    stage.run()
    for _ in range(60):
        feed.mine([])
    read: list[str] = []
    feed.on_call = read.append
    Reader(stage, feed)
    stage.pass_s(3)
    assert read.count("block") == 60 + LOOKBACK


def test_a_source_without_a_place_of_its_own_begins_before_the_oldest_payment(
    stage: ActorStage,
) -> None:
    """Until now they were asked for address by address, somewhere else."""
    stage.create("p")
    made_s = stage.payment("p").terms.created_at // 1000
    feed = FakeFeed(height=300, time_s=made_s - 7_200 - 200)
    paid = feed.mine([make_tx("paid", [(ALICE, 7)])])
    for _ in range(99):
        feed.mine([])
    inbox = Inbox()
    Reader(stage, feed)
    stage.node.source.tell_system(Watch(ALICE, "a", stage.start("w", inbox)))
    stage.pass_s(30)
    shown = [m.view for m in inbox.got if isinstance(m, Seen)][-1]
    assert [o.block_hash for o in shown.outputs] == [paid.header.hash]
    assert shown.complete


def test_what_a_first_start_has_read_is_read_again_by_the_next(
    stage: ActorStage,
) -> None:
    """Its watchers may not have committed what they were shown when the process dies:
    that is of all the fifty blocks of its first round, not of the last twelve."""
    stage.create("p")
    made_s = stage.payment("p").terms.created_at // 1000
    feed = FakeFeed(height=300, time_s=made_s - 7_200 - 200)
    reader = Reader(stage, feed)
    saved: list[tuple[int, str] | None] = []
    feed.on_call = lambda _name: saved.append(reader.saved())
    stage.pass_s(2)
    first = next(mark for mark in saved if mark is not None)
    assert first == (200 + LOOKBACK - 1, feed.best[200 + LOOKBACK - 1])


def test_a_source_is_not_said_to_have_read_what_another_did(stage: ActorStage) -> None:
    """It may be on another branch, whose blocks nobody has looked into yet."""
    first, second = FakeFeed(height=300), FakeFeed(height=100)
    first.name, second.name = "first", "second"
    tip = second.now
    stage.append(Write(rows=(SourceTip("second", tip.height, tip.hash),)))
    Reader(stage, first, second)
    stage.pass_s(30)

    def refuse(_name: str) -> None:
        raise SourceUnavailable("first: gone")

    first.on_call = refuse
    for _ in range(10):
        second.mine([])
        stage.pass_s(10)
    saved = stage.store.source_tip("second")
    assert saved is not None
    assert saved.hash in second.best
    assert tip.height < saved.height <= second.now.height


def test_where_reading_starts_again_is_not_kept_for_a_chain_that_ends_with_us(
    stage: ActorStage,
) -> None:
    reader = Reader(stage, FakeFeed(height=100), kind="devchain")
    stage.pass_s(2)
    assert reader.saved() is None


def test_an_old_block_of_the_journal_is_asked_about_once_and_then_verified(
    stage: ActorStage,
) -> None:
    feed = FakeFeed(height=100)
    old = feed.best[50 - feed.first_height]
    reader = Reader(stage, feed)
    inbox = Inbox()
    watcher = stage.start("w", inbox)
    known = (
        Output("aa" * 32, 0, 5, old, 50),
        Output("bb" * 32, 0, 6, "a block not heard of yet", 120),
    )
    reader.stage.node.source.tell_system(Watch(b"script", "a", watcher, known))
    stage.pass_s(3)
    shown = [m.view for m in inbox.got if isinstance(m, Seen)][-1]
    assert [(o.amount_sat, o.verified_by_source) for o in shown.outputs] == [
        (5, True),
        (6, False),
    ]
    calls: list[str] = []
    feed.on_call = calls.append
    feed.mine([])
    stage.pass_s(3)
    shown = [m.view for m in inbox.got if isinstance(m, Seen)][-1]
    assert [(o.amount_sat, o.verified_by_source) for o in shown.outputs] == [
        (5, True),
        (6, False),
    ]
    # One for the block that it does not know; the other's word still holds.
    assert calls.count("header") == 1


def test_a_receipt_whose_old_block_is_not_the_sources_is_looked_for_there(
    stage: ActorStage,
) -> None:
    """It was reorganised below where a start reads again, and the node forgot it."""
    feed = FakeFeed(height=49)
    tx = make_tx("paid", [(b"script", 6)])
    lost = feed.mine([tx]).header.hash
    feed.reorg(1, [[], [tx], *([[]] * 90)])
    feed.forget(lost)
    reader = Reader(stage, feed)
    inbox = Inbox()
    watcher = stage.start("w", inbox)
    known = (Output(tx.txid, 0, 6, lost, 50),)
    reader.stage.node.source.tell_system(Watch(b"script", "a", watcher, known))
    stage.pass_s(10)
    shown = [m.view for m in inbox.got if isinstance(m, Seen)]
    assert [(o.block_height, o.verified_by_source) for o in shown[0].outputs] == [
        (50, False)
    ]
    assert [(o.block_height, o.verified_by_source) for o in shown[-1].outputs] == [
        (51, True)
    ]


def test_a_lagging_source_is_not_asked_round_after_round_for_old_blocks(
    stage: ActorStage,
) -> None:
    feed = FakeFeed(height=49)
    tx = make_tx("paid", [(b"script", 6)])
    lost = feed.mine([tx]).header.hash
    feed.reorg(1, [[]] * 90)
    reader = Reader(stage, feed)
    inbox = Inbox()
    watcher = stage.start("w", inbox)
    hidden: list[Block] = []

    def lag_once_it_was_read(call: str) -> None:
        if call == "header" and not hidden:
            hidden.append(feed.blocks.pop(feed.best.pop()))

    feed.on_call = lag_once_it_was_read
    known = (Output(tx.txid, 0, 6, lost, 50),)
    reader.stage.node.source.tell_system(Watch(b"script", "a", watcher, known))
    stage.pass_s(3)
    before = feed.requests
    stage.pass_s(10)
    assert feed.requests - before < 100
    feed.blocks[hidden[0].header.hash] = hidden[0]
    feed.best.append(hidden[0].header.hash)
    stage.pass_s(10)
    shown = [m.view for m in inbox.got if isinstance(m, Seen)][-1]
    assert [o.block_height for o in shown.outputs] == [None], "in the mempool again"
    assert lost in shown.off_chain


def test_the_first_block_is_read_when_all_scripts_are_known(stage: ActorStage) -> None:
    """Else it is read before the script is known that it pays."""
    feed = FakeFeed(height=100)
    reader = Reader(stage, feed)
    reader.booted.publish(False)
    stage.pass_s(30)
    assert feed.requests == 0
    reader.booted.publish(True)
    stage.node.source.tell(Nudge())
    stage.pass_s(1)
    assert feed.requests > 0


def test_a_crashed_reader_covers_nobody_until_it_has_read_all_again(
    stage: ActorStage,
) -> None:
    feed = FakeFeed(height=100)
    Reader(stage, feed)
    stage.pass_s(2)
    assert stage.complete_as_of is not None

    def bug(_name: str) -> None:
        feed.on_call = lambda _name: None
        raise KeyError("a bug")

    feed.on_call = bug
    stage.node.source.tell(Nudge())
    stage.pass_s(0.5)
    assert stage.complete_as_of is None
    crashed_at = stage.clock.now()
    stage.pass_s(30)
    assert stage.complete_as_of is not None
    assert stage.complete_as_of >= crashed_at - 500


def test_a_source_that_lags_is_not_live(stage: ActorStage) -> None:
    feed = FakeFeed(height=100)
    Reader(stage, feed)
    stage.pass_s(2)
    assert stage.published.now.freshness.live
    feed.forget(feed.best.pop())
    stage.pass_s(0.5)
    told = stage.complete_as_of
    stage.pass_s(10)
    assert not stage.published.now.freshness.live
    assert stage.published.now.freshness.tip_height == 99
    assert stage.complete_as_of is not None
    assert told is not None
    assert stage.complete_as_of - told <= 1_000
