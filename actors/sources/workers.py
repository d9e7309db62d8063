"""Feed workers: the blocking side of the source actor, one for each source.

A worker does one round at a time: it asks its feed, and answers with views of the
chain for the scripts concerned. It holds the local script index of a block feed. It
decides nothing; when its feed fails it says so and the source actor judges. Its views
say whether its source was a current witness when it was asked (`ChainView.is_current`).
"""

import logging
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeVar

from msgspec.structs import replace

from actors.messages import Nudge, Poll, Round, RoundDone
from actors.node import Node
from actors.sources.messages import Probe, SomeViews
from actors.sources.probe import probe
from actors.sources.unread_blocks import UnreadBlocks, oldest_tip
from engine.chain.feed import (
    BlockFeed,
    ChainView,
    SourceStatus,
    Tip,
    mempool_since,
)
from engine.chain.mempool_reader import MempoolReader
from engine.chain.old_blocks import OldBlocks
from engine.chain.push import push_of
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import SyncResult, sync
from engine.chain.witness import CURRENT, Yardstick
from engine.errors import SourceError, StoreDamaged
from engine.runtime.actor import Actor
from engine.runtime.heap import LongLived, give_back
from engine.store.port import StoreReader
from engine.store.writes import NO_PLACE

__all__ = ["BlockFeedWorker"]

log = logging.getLogger("paybell.source")

T = TypeVar("T")

STEPS = 500
"""Steps of work before the hub may look at its sockets: some 2 ms."""

WATCH_STEPS, VIEW_STEPS = 5, 5
"""What it takes to begin to watch a script, for which the window is looked through, and
to make a view of one that is paid. That one is not paid is a step."""

MAX_AHEAD = 4
"""Messages of views that may wait for the source actor before more are made."""

MAX_YIELDS = 10_000
"""Then it goes on: somebody is stuck, and it is not for the worker to judge."""

MAX_WRITES = 1_024
"""Writes that may wait for the journal before more views are made: two transactions,
so that it never waits for us. A watcher that waits for its write is ten objects that
the garbage collector walks: with 10,000 of them it held the hub for 35 ms."""

REST_S, MAX_RESTS = 0.005, 100
"""How long, and how often, it waits for the journal: half a second. Longer than a
transaction takes; and whoever else makes it busy keeps no view back for good."""


class BlockFeedWorker(Actor):
    """Reads blocks and the mempool by difference; answers any number of polls."""

    __slots__ = (
        "_anew",
        "_feed",
        "_index",
        "_is_aside",
        "_node",
        "_number",
        "_old_blocks",
        "_push",
        "_reader",
        "_shown",
        "_since",
        "_store",
        "_took_much",
        "_unread",
        "_was_current",
    )

    blocking = True

    def __init__(
        self, node: Node, number: int, feed: BlockFeed, store: StoreReader
    ) -> None:
        self._node = node
        self._number = number
        self._feed = feed
        self._store = store
        self._push = push_of(feed)
        self._begin_index()
        self._anew = False  # it began from nowhere, and no round has said so yet
        # Blocks told of, for paid scripts; most were in one or in none.
        self._shown: dict[bytes, tuple[str, ...]] = {}
        self._since: dict[bytes, Tip] = {}  # blocks that are asked about with each view
        self._old_blocks = OldBlocks()
        self._unread = UnreadBlocks()
        self._was_current = True  # its source, in the last round
        self._took_much = False  # memory, for a moment: a block, or a whole mempool

    def _begin_index(self) -> None:
        self._index = ScriptIndex()
        self._is_aside = False  # its mempool, out of the garbage collector's sight
        self._reader = MempoolReader(self._push, self._node.clock.monotonic)
        if self._push is not None:
            self._push.log.concerns = self._index.concerns
            self._push.log.awaits = self._index.awaits

    def on_stop(self) -> None:
        if self._push is not None:
            self._push.close()

    def _nudge(self) -> None:
        self._node.source.tell(Nudge())

    def on_receive(self, message: object) -> None:
        if isinstance(message, Round):
            if self._push is not None:
                self._push.open(self._nudge)
                self._push.log.count(self._node.counters.add)
            self._node.source.tell_system(self._round(message))
        elif isinstance(message, Probe):
            self._node.source.tell_system(probe(self._node, self._number, self._feed))

    def _round(self, work: Round) -> RoundDone:
        asked_at = self._node.clock.now()
        self._old_blocks.begin_round()
        self._take_watches(work)
        before, error, result = self._index.tip, None, None
        status: SourceStatus | None = None
        start_from = since_s = since_height = None
        if before is None:
            start_from = self._start_from()
            self._anew = start_from is None
            if self._anew:
                since_s = self._oldest_s()
                since_height = oldest_tip(self._store, self._node.yield_to_hub)
        try:
            status = self._feed.status()
            if before is None:
                if self._feed.name not in NO_PLACE:
                    start_from = self._unread.start_from(
                        self._store, self._feed, status, start_from
                    )
                self._index.mempool_since = mempool_since(self._feed, asked_at)
            result = sync(
                self._feed,
                self._index,
                lambda _tip, _target: self._node.yield_to_hub(),
                start_from=start_from,
                since_s=since_s,
                since_height=since_height,
                yardstick=Yardstick(work.best, asked_at, self._node.settings.network),
                status=status,
                reader=self._reader,
                must_prove=any(poll.due == 0.0 for poll in work.polls),
            )
        except SourceError as failure:
            error = failure
        views: dict[bytes, ChainView] = {}
        if result is not None:
            assert status is not None, "it was read without a word of itself"
            moved = self._index.tip != before
            if moved:
                self._old_blocks.tip_moved(deep=result.undone >= self._index.lookback)
            # What was shown while it was behind counts only now.
            anew = moved or (result.is_current and not self._was_current)
            self._was_current = result.is_current
            self._unread.after_round(self._index, result, start_from)
            if result.gap:
                log.warning("source.gap source=%s detail=blocks were skipped; of what"
                            " is watched now it cannot say that nothing came",
                            self._feed.name)  # fmt: skip
            touched = self._touched(result)
            views = self._show(work, touched, asked_at, status, moved=anew)
        done = RoundDone(
            feed=self._number,
            number=work.number,
            asked_at=asked_at,
            views=views,
            tip=result.feed_tip if result is not None else self._index.tip,
            requests=self._feed.requests,
            error=error,
            more=result is not None and self._has_more(result),
            assessment=result.assessment if result is not None else CURRENT,
            status=result.status if result is not None else status,
            first=status,
            disappeared=result.disappeared if result is not None else 0,
            read=self._read_to(result) if result is not None else None,
            blocks=result.blocks if result is not None else 0,
            height=result.tip.height if result is not None else None,
            is_stuck=error is not None and self._is_stuck,
            anew=self._anew,
            unread=self._unread.now,
            unread_read=self._unread.read,
            look=self._look if self._index.tip is not None else None,
        )
        self._anew = self._anew and result is None
        takes_much = done.more or done.blocks > 0
        if self._took_much and not takes_much:
            give_back()
            self._put_aside()
        self._took_much = takes_much
        if result is not None and result.blocks and done.more:
            log.info("source.reading source=%s block=%d of=%d", self._feed.name,
                     result.tip.height, result.feed_tip.height)  # fmt: skip
        return done

    def _put_aside(self) -> None:
        """A full mempool stays; the garbage collector walked its list for 10 ms each
        time. Once for each index: what comes later finds its place in what is there."""
        if not self._is_aside:
            self._is_aside = True
            LongLived().grown(len(self._index.pool))

    @property
    def _is_stuck(self) -> bool:
        """Whether its source lacks blocks that follow those it has read: pruned while
        it did not answer, or begun anew with a snapshot."""
        tip = self._index.tip
        return tip is not None and self._feed.lowest > tip.height + 1

    def _look(self, script: bytes) -> ChainView:
        """See `SourceReport.look`."""
        return self._stamped(self._index.view(script, self._feed.name))

    def _take_watches(self, work: Round) -> None:
        if work.reset:
            self._begin_index()
            self._shown.clear()
            self._since.clear()
            self._old_blocks.clear()
            self._was_current = True
        for script in work.unwatch:
            self._index.unwatch(script)
            self._shown.pop(script, None)
            self._since.pop(script, None)
        self._since.update(work.since)
        watch = chain.from_iterable(work.watch)
        for script in self._yielding_every(watch, WATCH_STEPS):
            self._index.watch(script, work.known.get(script, ()), late=work.aside)
        for poll in self._yielding_every(work.polls, WATCH_STEPS):
            if poll.known and poll.script in self._index:
                self._index.watch(poll.script, poll.known)
            if poll.script in self._index.late and (born := _born(poll)) is not None:
                self._old_blocks.look_back(self._feed, self._index, poll.script, born)

    def _yielding_every(self, items: Iterable[T], steps: int = 1) -> Iterator[T]:
        """These; others run now and then meanwhile, as there may be a million."""
        every = STEPS // steps
        for count, item in enumerate(items, 1):
            yield item
            if count % every == 0:
                self._node.yield_to_hub()

    def _read_to(self, result: SyncResult) -> Tip:
        """Where catching up may begin. The first time of all from where everything is
        read again that was read now: it may be many blocks, and is told to nobody yet.
        """
        read = self._index.chain
        if not self._anew or read.lowest is None:
            return result.tip
        height = min(read.lowest + self._index.lookback - 1, result.tip.height)
        return Tip(height, read.hash_at(height) or result.tip.hash)

    def _has_more(self, result: SyncResult) -> bool:
        return result.more or (self._old_blocks.has_more and result.is_current)

    def _touched(self, result: SyncResult) -> frozenset[bytes]:
        """Scripts of which more is known, also by what older blocks have told."""
        if not result.is_current:
            return result.touched
        return result.touched | self._old_blocks.backfill(self._feed, self._index)

    def _show(
        self,
        work: Round,
        touched: frozenset[bytes],
        asked_at: int,
        first: SourceStatus,
        *,
        moved: bool,
    ) -> dict[bytes, ChainView]:
        """Views of what was asked for, changed, or is new; the last of them."""
        views: dict[bytes, ChainView] = {}
        steps = 0
        empty = self._stamped(self._index.empty_view(self._feed.name))
        for script, blocks, since in self._to_show(work, touched, moved=moved):
            if script not in self._index:
                continue
            is_bare = not blocks and script not in self._shown
            if is_bare and self._index.is_bare(script):
                views[script] = empty  # one for all: most are paid only once
                steps += 1
            else:
                views[script] = self._view(script, blocks, since)
                steps += VIEW_STEPS
            if steps >= STEPS:
                self._node.source.tell_system(
                    SomeViews(self._number, work.number, asked_at, views, first)
                )
                views, steps = {}, 0
                self._let_them_read()
        return views

    def _let_them_read(self) -> None:
        """A million messages that wait are a gigabyte, and walked by the collector."""
        node = self._node
        node.yield_to_hub()
        for _ in range(MAX_YIELDS):
            if node.source.backlog <= MAX_AHEAD:
                break
            node.yield_to_hub()
        for _ in range(MAX_RESTS):
            if node.writes_waiting.now + node.journal.backlog <= MAX_WRITES:
                break
            node.rest(REST_S)

    def _to_show(
        self, work: Round, touched: frozenset[bytes], *, moved: bool
    ) -> Iterator[tuple[bytes, tuple[str, ...], Tip | None]]:
        """(script, blocks that its watcher wants to know about, and the one since which
        it is paid: see `Poll`), each script once."""
        done: set[bytes] = set()
        for poll in work.polls:
            done.add(poll.script)
            blocks = tuple(block for block, _ in poll.blocks)
            yield poll.script, blocks, poll.since
        for script in sorted(touched - done):
            done.add(script)
            yield script, (), None
        if moved:  # the depth of what was shown is another now
            for script in self._yielding_every(tuple(self._shown)):
                if script not in done:
                    done.add(script)
                    yield script, (), None
        for script in self._yielding_every(chain.from_iterable(work.show)):
            if script not in done:
                if not self._index.is_bare(script):
                    done.add(script)  # only these are looked for below: few
                yield script, (), None
        if work.reset:
            for script in self._yielding_every(chain.from_iterable(work.watch)):
                if script not in done and not self._index.is_bare(script):
                    yield script, (), None

    def _view(
        self, script: bytes, blocks: tuple[str, ...], since: Tip | None
    ) -> ChainView:
        shown = self._shown.get(script, ())
        view = self._index.view(script, self._feed.name, sorted({*blocks, *shown}))
        since = since or self._since.get(script)
        if since is not None and self._index.chain.is_off_chain(
            since.hash, since.height
        ):
            view = replace(view, off_chain=(*view.off_chain, since.hash))
        if not self._was_current:
            view = self._stamped(view)
        elif not all(output.verified_by_source for output in view.outputs):
            view = self._old_blocks.verify(self._feed, self._index, script, view)
        now_in = {o.block_hash for o in view.outputs if o.block_hash is not None}
        if view.outputs or shown:
            self._shown[script] = tuple(sorted({*shown, *now_in}))
        return view

    def _stamped(self, view: ChainView) -> ChainView:
        """It can show money; that something is not there is not for it to say."""
        if self._was_current:
            return view
        return replace(view, is_current=False, complete=False, off_chain=())

    def _start_from(self) -> Tip | None:
        try:
            saved = self._store.source_tip(self._feed.name)
        except StoreDamaged as error:  # then from where the oldest payment was made
            log.error("source.place_lost source=%s detail=%s", self._feed.name, error)
            return None
        return Tip(saved.height, saved.hash) if saved is not None else None

    def _oldest_s(self) -> int | None:
        """Others, which were asked address by address, may have watched before us."""
        oldest_ms = self._store.oldest_watched()
        return oldest_ms // 1000 if oldest_ms is not None else None


def _born(poll: Poll) -> int | None:
    """How high the chain was when the payment was made; None: it is not known yet."""
    return poll.since.height if poll.born is None and poll.since else poll.born
