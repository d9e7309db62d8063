"""The source actor: gathers what watchers want to know and asks the chain in rounds.

It keeps the set of watched scripts, the polls that wait, and for every source a
circuit breaker and a request budget. The first source whose breaker permits is asked;
when it fails, the polls that were under way go to the next one. A failure changes
nothing for any payment but the freshness that clients are shown.

A block feed gets all polls at once and answers from its index. What changes is shown to
its watchers unasked, so that one who was shown that there is nothing need not ask again
while `Node.complete_as_of` goes on. An address feed gets as many polls as its budget
allows, in the order of their deadlines.
"""

from __future__ import annotations

import heapq
import itertools
import logging

import msgspec

from actors.messages import (
    DescribeSources,
    FreshnessChanged,
    Nudge,
    Poll,
    Round,
    RoundDone,
    Seen,
    SomeViews,
    Tick,
    Unwatch,
    Watch,
)
from actors.node import Node
from actors.sources.feed_state import Feed, FeedSpec
from engine.chain.feed import ChainView, Output, SourceBusy, SourceError, Tip, places
from engine.gateway import SourceState
from engine.ports import Freshness
from engine.runtime.actor import Actor
from engine.runtime.clock import Timer
from engine.runtime.ref import Exited, Ref
from engine.runtime.registry import Registry
from engine.store.writes import SourceTip, Write

__all__ = ["SourceActor"]

log = logging.getLogger("paybell.source")

MAX_POLLS = 20_000
"""Polls handed to a block feed in one round; more wait for the next."""

ROUND_GAP_S = 0.05
"""Least time between the beginnings of two rounds that claims and pushes ask for."""

SAVE_TIP_S = 10.0
"""How often the place where catching up would start is written down."""

BUSY_S = 30.0
"""How long to leave a source alone that answered 429 without saying how long."""


class SourceActor(Actor):
    """Answers `Watch`, `Unwatch`, `Poll`, `DescribeSources`; sends `Seen`."""

    __slots__ = (
        "_active",
        "_addresses",
        "_began",
        "_feeds",
        "_interest",
        "_known",
        "_node",
        "_nudged",
        "_polls",
        "_saved",
        "_tick",
        "_unwatch",
        "_watch",
    )

    mailbox_limit = 200_000

    def __init__(self, node: Node, specs: list[FeedSpec]) -> None:
        self._node = node
        self._feeds = [Feed(spec) for spec in specs]
        self._active: Feed | None = None
        self._interest: Registry[bytes, Ref] = Registry()  # who watches a script
        self._known: dict[bytes, tuple[Output, ...]] = {}  # receipts, of those with any
        by_address = any(not spec.by_block for spec in specs)
        self._addresses: dict[bytes, str] | None = {} if by_address else None
        self._polls: dict[bytes, Poll] = {}
        self._watch: dict[bytes, None] = {}  # for the active worker's next round
        self._unwatch: set[bytes] = set()
        self._began = -1.0  # when the newest round began
        self._nudged = False  # something is new since the round under way began
        self._tick: Timer | None = None
        self._saved: tuple[float, Tip | None] = (0.0, None)

    def on_start(self) -> None:
        self._node.uncommitted.clear()  # all is read again from the saved tip
        self._node.complete_as_of = None
        for feed in self._feeds:
            feed.spec.worker.start()
        self.ref.tell(Nudge())  # after the watches that wait in the mailbox already

    def on_receive(self, message: object) -> None:
        match message:
            case Poll(script):
                self._on_poll(script, message)
            case RoundDone():
                self._on_done(message)
            case SomeViews(number, round_, asked_at, views):
                feed = self._feeds[number]
                if feed.busy is not None and feed.busy.number == round_:
                    self._hand_out(feed, views, asked_at)
            case Watch(script, address, ref, known):
                self._on_watch(script, address, ref, known)
            case Unwatch(script, ref):
                self._on_unwatch(script, ref)
            case Nudge():
                self._nudged = True
                self._pump_soon()
            case Tick():
                self._pump()
            case DescribeSources(reply):
                reply([self._describe(feed) for feed in self._feeds])
            case Exited(ref):
                self._on_worker_exit(ref, message)

    # -- what watchers want ----------------------------------------------------------

    def _on_watch(
        self, script: bytes, address: str, ref: Ref, known: tuple[Output, ...]
    ) -> None:
        self._interest[script] = ref
        self._watch[script] = None
        if self._addresses is not None:
            self._addresses[script] = address
        if known:
            self._known[script] = known
        else:
            self._known.pop(script, None)
        self._unwatch.discard(script)

    def _on_poll(self, script: bytes, poll: Poll) -> None:
        if script not in self._interest:
            return
        waiting = self._polls.get(script)
        if waiting is not None and waiting.due < poll.due:
            poll = msgspec.structs.replace(poll, due=waiting.due)
        self._polls[script] = poll
        if poll.due == 0.0:
            self._pump_soon()

    def _on_unwatch(self, script: bytes, ref: Ref) -> None:
        if self._interest.get(script) is ref:
            self._interest.pop(script)
            self._known.pop(script, None)
            self._watch.pop(script, None)
            self._polls.pop(script, None)
            for feed in self._feeds:
                feed.asked.pop(script, None)
            if self._addresses is not None:
                self._addresses.pop(script, None)
            self._unwatch.add(script)
            self._node.uncommitted.pop(script, None)

    # -- rounds ------------------------------------------------------------------------

    def _pump_soon(self) -> None:
        """Look at once, but a hundred claims in a second are not a hundred looks."""
        wait_s = self._began + ROUND_GAP_S - self._node.clock.monotonic()
        if wait_s > 0:
            self._tick_in(wait_s)
        else:
            self._pump()

    def _pump(self) -> None:
        """Start the next round, if the source to ask is free to be asked."""
        if not self._node.health.booted or any(feed.busy for feed in self._feeds):
            return  # a catch-up must know all scripts before it reads the first block
        now = self._node.clock.monotonic()
        feed = next((f for f in self._feeds if f.breaker.permits(now)), None)
        if feed is None:
            waits = [f.breaker.wait_s(now) for f in self._feeds]
            self._tick_in(min(waits, default=60.0) + 0.01)
            return
        if feed.budget is not None and (poor_s := feed.budget.at(now).wait_s(3)) > 0:
            self._tick_in(poor_s)
            return
        if feed is not self._active:
            self._activate(feed)
        work = self._work_for(feed, now)
        feed.breaker = feed.breaker.taking(now)
        feed.busy = work
        self._began = now
        feed.spec.worker.tell(work)

    def _activate(self, feed: Feed) -> None:
        if self._active is not None:
            log.warning("source.switched from=%s to=%s", self._active.spec.name,
                        feed.spec.name)  # fmt: skip
        self._active = feed
        self._node.complete_as_of = None
        feed.primed = False
        # How far the other had read is a place in another chain, maybe.
        self._saved = (0.0, None)
        uncommitted = self._node.uncommitted
        for script, (_, view) in uncommitted.items():
            uncommitted[script] = (None, view)

    def _work_for(self, feed: Feed, now: float) -> Round:
        feed.round += 1
        self._began = -1.0  # when the newest round began
        self._nudged = False
        if feed.spec.by_block:
            work = self._block_work(feed, now)
        else:
            work = self._address_work(feed, now)
        feed.asked = {poll.script: poll for poll in work.polls}
        self._watch = {}
        self._unwatch.clear()
        feed.primed = True
        return work

    def _block_work(self, feed: Feed, now: float) -> Round:
        reset = not feed.primed
        show = self._watch
        return Round(
            number=feed.round,
            watch=self._interest if reset else show,
            known=dict(self._known) if reset else self._known_of(show),
            show=show,
            unwatch=() if reset else tuple(self._unwatch),
            polls=self._take_polls(feed, now, reset),
            reset=reset,
        )

    def _address_work(self, feed: Feed, now: float) -> Round:
        """To watch is to ask a first time."""
        for script in self._watch:
            if script not in self._polls:
                known = self._known.get(script, ())
                self._polls[script] = Poll(script, places(known), now, known)
        polls = self._take_polls(feed, now, reset=False)
        addresses = self._addresses or {}
        return Round(
            number=feed.round,
            polls=polls,
            addresses={p.script: addresses[p.script] for p in polls},
        )

    def _known_of(self, scripts: dict[bytes, None]) -> dict[bytes, tuple[Output, ...]]:
        known = self._known
        return {script: known[script] for script in scripts if script in known}

    def _take_polls(self, feed: Feed, now: float, reset: bool) -> tuple[Poll, ...]:
        """As many as the source may be asked now, the most urgent first."""
        if feed.spec.by_block:  # answered from memory: any order will do
            room = None if reset else MAX_POLLS  # a reset answers every script
            taken = list(itertools.islice(self._polls.values(), room))
        else:
            room = 20  # short rounds, so that an urgent poll never waits for long
            if feed.budget is not None:
                feed.budget = feed.budget.at(now)
                room = min(room, max(int(feed.budget.tokens) - 2, 0))
            taken = heapq.nsmallest(room, self._polls.values(), key=lambda p: p.due)
        for poll in taken:
            del self._polls[poll.script]
        if not self._polls:
            self._polls = {}  # an emptied dict keeps its size: 5 MB after 100,000
        return tuple(taken)

    def _on_done(self, done: RoundDone) -> None:
        feed = self._feeds[done.feed]
        work = feed.busy
        if work is None or work.number != done.number:
            return  # a round of a worker that has been restarted since
        feed.busy = None
        self._spend(feed, done)
        self._hand_out(feed, done.views, done.asked_at)
        if done.error is not None:
            self._on_failure(feed, work, done.error)
        else:
            feed.breaker = feed.breaker.after_success()
            feed.error = None
            feed.answered_at = done.asked_at
            feed.tip = done.tip
            self._save_tip(feed, done)
            self._set_freshness(live=not done.lagging)
            self._node.complete_as_of = done.asked_at if feed.spec.by_block else None
        if done.error is None:  # what is unreadable: in its watcher's own time again
            for script in done.unreadable:
                feed.asked.pop(script, None)
        self._put_back(feed, work, failed=done.error is not None)
        self._schedule_next(feed, done)

    def _hand_out(
        self, feed: Feed, views: dict[bytes, ChainView], asked_at: int
    ) -> None:
        asked = feed.asked
        seen: Seen | None = None
        for script, view in views.items():
            asked.pop(script, None)
            ref = self._interest.get(script)
            if ref is None:
                continue
            if view.outputs or script in self._node.uncommitted:
                self._note_uncommitted(script, view)
            if seen is None or seen.view is not view:  # many are shown the same nothing
                seen = Seen(view, asked_at)
            if not ref.tell(seen) and ref.is_alive:
                # Its mailbox was full. What it was not shown it must be shown again.
                known = self._known.get(script, ())
                poll = Poll(script, places(known), self._node.clock.monotonic(), known)
                self._polls.setdefault(script, poll)

    def _note_uncommitted(self, script: bytes, view: ChainView) -> None:
        """Until its watcher has committed it, catching up must start before it."""
        waiting = self._node.uncommitted.get(script)
        mined = any(output.block_hash is not None for output in view.outputs)
        if mined or waiting is not None:
            floor = self._saved[1] if waiting is None else waiting[0]
            self._node.uncommitted[script] = (floor, view)

    def _spend(self, feed: Feed, done: RoundDone) -> None:
        """What was asked for before our time is no debt of ours."""
        if feed.requests is None:
            feed.requests = done.requests - len(done.views) - len(done.unreadable) - 1
        if feed.budget is not None:
            feed.budget = feed.budget.spend(done.requests - feed.requests)
        feed.requests = done.requests

    def _put_back(self, feed: Feed, work: Round, *, failed: bool) -> None:
        """What got no view is asked again: nothing is answered by silence."""
        for script, poll in feed.asked.items():
            self._polls.setdefault(script, poll)
        feed.asked = {}
        if failed and work.show:  # at a start they are a million
            work.show.update(self._watch)
            self._watch = work.show
            for script in self._unwatch:
                self._watch.pop(script, None)

    def _schedule_next(self, feed: Feed, done: RoundDone) -> None:
        urgent = any(poll.due == 0.0 for poll in self._polls.values())
        if done.error is not None or done.more:
            self._pump()
            if any(f.busy for f in self._feeds):
                return
        elif self._nudged or (urgent and feed.spec.by_block):
            self._pump_soon()
            return
        wait_s = feed.spec.every_s
        if (self._polls or self._watch) and not feed.spec.by_block:
            wait_s = feed.budget.wait_s(3) if feed.budget is not None else 0.05
        self._tick_in(max(wait_s, 0.05))

    def _tick_in(self, delay_s: float) -> None:
        if self._tick is not None:
            self._tick.cancel()
        self._tick = self._node.clock.call_later(delay_s, self.ref, Tick())

    # -- trouble ---------------------------------------------------------------------

    def _on_failure(self, feed: Feed, work: Round, error: SourceError) -> None:
        now = self._node.clock.monotonic()
        feed.errors += 1
        self._node.counters["source.errors"] += 1
        if feed.error != error.detail:
            log.warning("source.failed source=%s detail=%s", feed.spec.name,
                        error.detail)  # fmt: skip
        feed.error = error.detail
        if isinstance(error, SourceBusy) or error.retry_after_s is not None:
            pause = BUSY_S if error.retry_after_s is None else error.retry_after_s
            feed.breaker = feed.breaker.resting(now, pause)
        else:
            rand = self._node.random.random()
            feed.breaker = feed.breaker.after_failure(now, rand)
        self._set_freshness(live=False)
        if feed.spec.by_block and work.reset:
            feed.primed = True  # the worker keeps what it was given

    def _on_worker_exit(self, ref: Ref, report: Exited) -> None:
        """A worker died: a bug, not a failing source. It starts afresh."""
        for feed in self._feeds:
            if feed.spec.worker is ref:
                log.error("source.crashed source=%s error=%r", feed.spec.name,
                          report.error)  # fmt: skip
                work, feed.busy = feed.busy, None
                feed.primed = False
                if feed is self._active:
                    self._node.complete_as_of = None
                if work is not None:
                    self._put_back(feed, work, failed=True)
                ref.start()
                failure = SourceError(f"worker crashed: {report.error!r}")
                if work is not None:
                    self._on_failure(feed, work, failure)
                    feed.primed = False
        self._tick_in(1.0)

    def _set_freshness(self, *, live: bool) -> None:
        active = self._active
        if active is None:
            return
        tip = active.tip
        fresh = Freshness(
            source=active.spec.name,
            live=live,
            since=max((f.answered_at or 0 for f in self._feeds), default=0) or None,
            tip_height=tip.height if tip is not None else None,
        )
        before = self._node.freshness
        self._node.freshness = fresh
        if fresh.live != before.live or fresh.source != before.source:
            self._node.router.tell(FreshnessChanged(fresh))

    def _save_tip(self, feed: Feed, done: RoundDone) -> None:
        """Write down where catching up would start.

        How far an earlier round had read, and not beyond what a watcher could not
        commit yet (the journal was full, or the watcher crashes). The first of all may
        be written at once, and must be: a start from it reads the very blocks again
        that were read now, a start from nowhere only the latest.
        """
        if not feed.spec.by_block or done.read is None:
            return
        now = self._node.clock.monotonic()
        at, earlier = self._saved
        if done.anew:
            self._write_tip(feed, done.read)
        elif earlier is not None and (now - at < SAVE_TIP_S or earlier == done.read):
            return
        elif earlier is not None:
            oldest = next(iter(self._node.uncommitted.values()), (earlier, None))[0]
            if oldest is not None:
                self._write_tip(feed, min(earlier, oldest, key=lambda tip: tip.height))
        self._saved = (now, done.read)

    def _write_tip(self, feed: Feed, tip: Tip) -> None:
        if feed.spec.kind == "devchain":
            return  # it ends with the process; the next one is another chain
        row = SourceTip(feed.spec.name, tip.height, tip.hash)
        self._node.append(Write(rows=(row,)), lambda _outcome: None)

    def _describe(self, feed: Feed) -> SourceState:
        return feed.describe(
            now=self._node.clock.monotonic(),
            wall=self._node.clock.now(),
            active=feed is self._active,
            watched=len(self._interest),
            waiting=len(self._polls),
        )
