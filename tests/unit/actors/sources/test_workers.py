"""What a feed's worker says at the end of a round."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.facts.published import Published
from actors.messages import Poll, Round, RoundDone
from actors.sources import workers
from actors.sources.address_worker import AddressFeedWorker
from actors.sources.messages import SomeViews
from actors.sources.workers import (
    MAX_RESTS,
    MAX_WRITES,
    REST_S,
    STEPS,
    VIEW_STEPS,
    WATCH_STEPS,
    BlockFeedWorker,
)
from engine.chain.feed import ChainView, Output, Tip
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import DEFAULT_LIMITS
from engine.errors import SourceGarbage
from engine.runtime.heap import LongLived
from tests.tools.fake_feed import FakeFeed, make_tx
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.sources.market import Explorer
from tests.unit.payment_cases import T0


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


@pytest.mark.parametrize(("lowest", "said"), [(0, [0, 0]), (18, [1, 0])])
def test_blocks_that_a_worker_had_to_skip_are_said_once(
    stage: ActorStage,
    caplog: pytest.LogCaptureFixture,
    lowest: int,
    said: list[int],
) -> None:
    source, feed = Inbox(), FakeFeed(20)
    feed.lowest = lowest  # it has pruned those below
    stage.node.source = stage.start("source", source)
    worker = stage.start(
        "feed.0", BlockFeedWorker(stage.node, 0, feed, stage.store), limit=10
    )

    def skipped() -> int:
        caplog.clear()
        worker.tell(Round(1))
        stage.pass_s(1)
        return sum("source.gap source=fake" in line for line in caplog.messages)

    assert [skipped(), skipped()] == said


def test_memory_is_handed_back_in_the_quiet_round_after_what_took_much(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, feed = Inbox(), FakeFeed(20)
    stage.node.source = stage.start("source", source)
    ref = stage.start(
        "feed.0", BlockFeedWorker(stage.node, 0, feed, stage.store), limit=10
    )
    times: list[None] = []
    monkeypatch.setattr(workers, "give_back", lambda: times.append(None))

    def handed_back() -> bool:
        before = len(times)
        ref.tell(Round(1))
        stage.pass_s(1)
        return len(times) > before

    assert [handed_back() for _ in range(3)] == [False, True, False]
    feed.mine([])
    assert [handed_back() for _ in range(3)] == [False, True, False]
    for _ in range(60):  # a round reads 50: no time for it in between
        feed.mine([])
    assert [handed_back() for _ in range(4)] == [False, False, True, False]
    for number in range(DEFAULT_LIMITS.txs + 1):  # as much as the next round may read
        tx = make_tx(str(number), [(b"x", 1)])
        feed.pool[tx.txid] = tx
    assert [handed_back() for _ in range(3)] == [False, True, False]


def test_a_mempool_is_put_out_of_the_collectors_sight_once_when_it_was_read(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full one is a list that a full collection walked for 10 ms, each time."""
    source, feed = Inbox(), FakeFeed(20)
    stage.node.source = stage.start("source", source)
    ref = stage.start(
        "feed.0", BlockFeedWorker(stage.node, 0, feed, stage.store), limit=10
    )
    put_aside: list[int] = []
    monkeypatch.setattr(
        LongLived, "grown", lambda _heap, count: put_aside.append(count)
    )

    def rounds(count: int, *, reset: bool = False) -> list[int]:
        put_aside.clear()
        for number in range(count):
            ref.tell(Round(1, reset=reset and number == 0))
            stage.pass_s(1)
        return put_aside.copy()

    for number in range(30):
        tx = make_tx(str(number), [(b"x", 1)])
        feed.pool[tx.txid] = tx
    assert rounds(3) == [30], "not before all is read, and not again"
    feed.mine([])
    assert rounds(3) == []
    assert rounds(3, reset=True) == [30], "another index is other objects"


def test_ten_thousand_that_are_paid_are_watched_and_shown_some_at_a_time(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a socket waits for a hundred of them, not for all."""
    count, looks = 1_000, Looks(monkeypatch)
    scripts = [b"\x00\x14" + number.to_bytes(20, "big") for number in range(count)]
    feed = FakeFeed(20)
    feed.mine([make_tx(f"pays {s.hex()}", [(s, 1)]) for s in scripts])
    source = Inbox()
    stage.node.source = stage.start("source", source)
    stage.node.yield_to_hub = looks.look
    worker = BlockFeedWorker(stage.node, 0, feed, stage.store)
    ref = stage.start("feed.0", worker, limit=10)
    polls = tuple(
        Poll(s, known=(Output(f"{n:064x}", 0, 1, "ff" * 32, 1),))
        for n, s in enumerate(scripts)
    )
    for work in (Round(1, watch=(tuple(scripts),), reset=True), Round(2, polls=polls)):
        ref.tell(work)
        stage.run()
    shown = [m.views for m in source.got if isinstance(m, SomeViews | RoundDone)]
    assert sum(map(len, shown)) == 2 * count
    assert max(map(len, shown)) == STEPS // VIEW_STEPS == 100
    assert max(looks.between) <= STEPS // WATCH_STEPS + 1 == 101
    assert sum(looks.between) >= 4 * count, "both rounds watch and show all"


@pytest.mark.parametrize(("clears", "rests"), [(True, 10), (False, MAX_RESTS)])
def test_no_more_is_shown_than_the_journal_can_follow(
    stage: ActorStage, clears: bool, rests: int
) -> None:
    """Each watcher that waits for its write is what the garbage collector walks; a
    journal that is stuck is nothing that its source could wait for."""
    count = STEPS // VIEW_STEPS
    scripts = [b"\x00\x14" + number.to_bytes(20, "big") for number in range(count)]
    feed, source, waiting = FakeFeed(20), Inbox(), Published(MAX_WRITES + 10)
    feed.mine([make_tx(f"pays {s.hex()}", [(s, 1)]) for s in scripts])
    stage.node.source = stage.start("source", source)
    stage.node.writes_waiting = waiting
    slept: list[float] = []

    def rest(seconds: float) -> None:
        slept.append(seconds)
        if clears:
            waiting.publish(waiting.now - 1)

    stage.node.rest = rest
    worker = BlockFeedWorker(stage.node, 0, feed, stage.store)
    ref = stage.start("feed.0", worker, limit=10)
    ref.tell(Round(1, watch=(tuple(scripts),), reset=True))
    stage.run()
    assert slept == [REST_S] * rests
    shown = [m.views for m in source.got if isinstance(m, SomeViews | RoundDone)]
    assert sum(map(len, shown)) == count


class Restarted(FakeFeed):
    """A node that tells when it was started, or does not."""

    def __init__(self, started_at_s: int | None) -> None:
        super().__init__(20)
        self._started_at_s = started_at_s

    def started_at_s(self) -> int | None:
        return self._started_at_s


@pytest.mark.parametrize(
    ("feed", "since"),
    [
        (FakeFeed(20), 0),  # it ends with this process
        (Restarted(T0 // 1000 - 60), T0 - 60_000),
        (Restarted(T0 // 1000 + 60), T0),  # its clock is ahead
        (Restarted(None), T0),
    ],
)
def test_a_mempool_is_as_old_as_its_node_or_as_our_reading(
    stage: ActorStage, feed: FakeFeed, since: int
) -> None:
    script, source = b"\x00\x14" + bytes(20), Inbox()
    stage.node.source = stage.start("source", source)
    worker = BlockFeedWorker(stage.node, 0, feed, stage.store)
    ref = stage.start("feed.0", worker, limit=10)
    for number, reset in ((1, True), (2, False), (3, True)):
        ref.tell(Round(number, watch=((script,),), polls=(Poll(script),), reset=reset))
        stage.run()
    seen = [m.views[script] for m in source.got if isinstance(m, RoundDone)]
    assert [view.mempool_since for view in seen] == [since] * 3


@pytest.mark.parametrize(
    ("height", "is_off"), [(20, True), (21, False), (5, False), (19, True)]
)
def test_a_tip_that_a_reorg_took_is_known_by_what_stands_in_its_place(
    stage: ActorStage, height: int, is_off: bool
) -> None:
    """By a process that never had it. Its payment was made on that tip, and the money
    is in a block as low: it was called older (found by a simulated world, 13517)."""
    script, source, feed = b"\x00\x14" + bytes(20), Inbox(), FakeFeed(19)
    feed.mine([make_tx("pays", [(script, 1)])])
    stage.node.source = stage.start("source", source)
    worker = BlockFeedWorker(stage.node, 0, feed, stage.store)
    ref = stage.start("feed.0", worker, limit=10)
    polls = (Poll(script, since=Tip(height, "ff" * 32)),)
    ref.tell(Round(1, watch=((script,),), polls=polls, reset=True))
    stage.run()
    (seen,) = [m.views[script] for m in source.got if isinstance(m, RoundDone)]
    assert seen.tip.height == 20
    assert seen.off_chain == (("ff" * 32,) if is_off else ())


def test_a_tip_that_a_reorg_took_is_told_of_with_each_view(stage: ActorStage) -> None:
    """Not only to who asks: until its watcher does, hours later, what a new process
    read of such a block may be forgotten (found by a simulated crowd)."""
    script, source, feed = b"\x00\x14" + bytes(20), Inbox(), FakeFeed(19)
    feed.mine([make_tx("pays", [(script, 1)])])
    stage.node.source = stage.start("source", source)
    worker = BlockFeedWorker(stage.node, 0, feed, stage.store)
    ref = stage.start("feed.0", worker, limit=10)
    since = {script: Tip(20, "ff" * 32)}
    watch, show = ((script,),), ((script,),)
    for work in (
        Round(1, watch=watch, since=since, reset=True),
        Round(2),
        Round(3, unwatch=(script,)),
        Round(4, watch=watch, show=show),
        Round(5, watch=watch, since=since, reset=True),
        Round(6, watch=watch, show=show, reset=True),
    ):
        ref.tell(work)
        stage.run()
        feed.mine([])
    seen = [m.views.get(script) for m in source.got if isinstance(m, RoundDone)]
    off = [view.off_chain if view is not None else None for view in seen]
    told = ("ff" * 32,)
    assert off == [told, told, None, (), told, ()]


class Looks:
    """Counts what an index is asked between two looks of the hub at its sockets."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.between = [0]
        watch, view = ScriptIndex.watch, ScriptIndex.view

        def watched(*args: Any, **how: Any) -> None:
            self.between[-1] += 1
            watch(*args, **how)

        def viewed(*args: Any) -> ChainView:
            self.between[-1] += 1
            return view(*args)

        patch.setattr(ScriptIndex, "watch", watched)
        patch.setattr(ScriptIndex, "view", viewed)

    def look(self) -> None:
        self.between.append(0)


@pytest.mark.parametrize(("bad", "fails"), [(4, False), (5, True)])
def test_five_addresses_in_a_row_of_which_none_can_be_read_are_the_sources_fault(
    stage: ActorStage, bad: int, fails: bool
) -> None:
    source, feed = Inbox(), Explorer("one")
    stage.node.source = stage.start("source", source)
    worker = stage.start("feed.0", AddressFeedWorker(stage.node, 0, feed), limit=10)
    names = [f"a{number}" for number in range(bad)]
    feed.bad = dict.fromkeys(names, SourceGarbage("over 10,000 transactions"))
    addresses = {name.encode(): name for name in (*names, "good")}
    polls = tuple(Poll(script, due=0.0) for script in addresses)
    worker.tell(Round(1, polls=polls, addresses=addresses))
    stage.pass_s(1)
    done = source.got[-1]
    assert isinstance(done, RoundDone)
    assert (done.error is not None) is fails
    assert (b"good" in done.views) is not fails
