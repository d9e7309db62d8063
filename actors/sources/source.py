"""The source actor: gathers what watchers want to know and asks the chain in rounds.

It carries messages: from watchers to the planner, from the planner to the sources'
workers, and views from them to the watchers. What is asked, when and of whom is
planned by `RoundPlanner`; where reading would start after a restart is kept by
`RestartPoint`. A failure changes nothing for any payment but the freshness that
clients are shown.

A block feed shows its watchers what changes unasked, so that one who was shown that
there is nothing need not ask again while `SourceReport.complete_as_of` goes on. An
address feed is asked address by address, the most urgent first.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from actors.messages import (
    DescribeSources,
    FreshnessChanged,
    Nudge,
    Poll,
    RoundDone,
    Seen,
    SomeViews,
    Tick,
    Unwatch,
    Watch,
)
from actors.node import Node
from actors.published import Published, SourceReport
from actors.sources.feed_state import Feed, FeedSpec
from actors.sources.planner import Ask, RoundPlanner, Wait
from engine.chain.feed import ChainView, Tip
from engine.errors import SourceError
from engine.gateway import SourceState
from engine.runtime.actor import Actor
from engine.runtime.clock import Timer
from engine.runtime.ref import Exited, Ref
from engine.store.writes import SourceTip, Write

__all__ = ["SourceActor"]

log = logging.getLogger("paybell.source")

AFTER_CRASH_S = 1.0
"""How long after a worker's crash the next round is planned."""


class SourceActor(Actor):
    """Answers `Watch`, `Unwatch`, `Poll`, `DescribeSources`; sends `Seen`."""

    __slots__ = ("_node", "_published", "_restart_point", "_tick", "planner")

    mailbox_limit = 200_000

    def __init__(
        self, node: Node, specs: list[FeedSpec], published: Published[SourceReport]
    ) -> None:
        self._node = node
        self._published = published  # this actor is its only writer
        self.planner = RoundPlanner(specs)
        self._restart_point = node.restart_point
        self._tick: Timer | None = None

    def on_start(self) -> None:
        self._restart_point.clear()
        self._publish()
        for feed in self.planner.feeds:
            feed.spec.worker.start()
        self.ref.tell(Nudge())  # after the watches that wait in the mailbox already

    def on_receive(self, message: object) -> None:
        match message:
            case Poll():
                if self.planner.poll(message):
                    self._plan_soon()
            case RoundDone():
                self._on_done(message)
            case SomeViews(number, round_number, asked_at, views):
                feed = self.planner.feed_asked(number, round_number)
                if feed is not None:
                    self._hand_out(feed, views, asked_at)
            case Watch(script, address, ref, known):
                self.planner.watch(script, address, ref, known)
            case Unwatch(script, ref):
                if self.planner.unwatch(script, ref):
                    self._restart_point.forget(script)
            case Nudge():
                self.planner.nudge()
                self._plan_soon()
            case Tick():
                now = self._node.clock.monotonic()
                self._follow(self.planner.plan(now, ready=self._is_ready))
            case DescribeSources(reply):
                reply(tuple(map(self._describe, self.planner.feeds)))
            case Exited(ref):
                self._on_worker_exit(ref, message)

    # -- rounds ------------------------------------------------------------------------

    @property
    def _is_ready(self) -> bool:
        return self._node.health.booted

    def _plan_soon(self) -> None:
        now = self._node.clock.monotonic()
        self._follow(self.planner.plan_soon(now, ready=self._is_ready))

    def _follow(self, plan: Ask | Wait | None) -> None:
        match plan:
            case Ask(feed, work, left):
                if left is not None:
                    log.warning("source.switched from=%s to=%s", left.spec.name,
                                feed.spec.name)  # fmt: skip
                    self._restart_point.source_changed()
                self._publish()
                feed.spec.worker.tell(work)
            case Wait(seconds):
                self._tick_in(seconds)

    def _tick_in(self, delay_s: float) -> None:
        if self._tick is not None:
            self._tick.cancel()
        self._tick = self._node.clock.call_later(delay_s, self.ref, Tick())

    def _on_done(self, done: RoundDone) -> None:
        feed = self.planner.feed_asked(done.feed, done.number)
        if feed is None:
            return  # a round of a worker that has been restarted since
        self._hand_out(feed, done.views, done.asked_at)
        if done.error is not None:
            self._note_failure(feed, done.error)
        now = self._node.clock.monotonic()
        rand = 0.0 if done.error is None else self._node.random.random()
        self.planner.finish(done, now, rand)
        if done.error is None:
            self._move_restart_point(feed, done, now)
        self._publish()
        self._follow(self.planner.plan_after(done, now, ready=self._is_ready))

    def _hand_out(
        self, feed: Feed, views: Mapping[bytes, ChainView], asked_at: int
    ) -> None:
        self.planner.answered(feed, views)
        seen: Seen | None = None
        for script, view in views.items():
            ref = self.planner.watchers.get(script)
            if ref is None:
                continue
            self._restart_point.shown(script, view)
            if seen is None or seen.view is not view:  # many are shown the same nothing
                seen = Seen(view, asked_at)
            if not ref.tell(seen) and ref.is_alive:
                # Its mailbox was full. What it was not shown it must be shown again.
                self.planner.show_again(script, self._node.clock.monotonic())

    def _publish(self) -> None:
        """Everybody may read the report; clients are told of what they see of it."""
        before, report = self._published.now, self.planner.report
        if report is before:
            return
        self._published.publish(report)
        was, fresh = before.freshness, report.freshness
        if (fresh.live, fresh.source) != (was.live, was.source):
            self._node.router.tell(FreshnessChanged(fresh))

    # -- trouble -----------------------------------------------------------------------

    def _note_failure(self, feed: Feed, error: SourceError) -> None:
        self._node.counters.add("source.errors")
        if feed.error != error.detail:
            log.warning("source.failed source=%s detail=%s", feed.spec.name,
                        error.detail)  # fmt: skip

    def _on_worker_exit(self, ref: Ref, report: Exited) -> None:
        """A worker died: a bug, not a failing source. It starts afresh."""
        for feed in self.planner.feeds:
            if feed.spec.worker is ref:
                log.error("source.crashed source=%s error=%r", feed.spec.name,
                          report.error)  # fmt: skip
                failure = SourceError(f"worker crashed: {report.error!r}")
                if feed.busy is not None:
                    self._note_failure(feed, failure)
                now, rand = self._node.clock.monotonic(), self._node.random.random()
                self.planner.crashed(feed, failure, now, rand)
                ref.start()
        self._publish()
        self._tick_in(AFTER_CRASH_S)

    # -- where catching up would start -------------------------------------------------

    def _move_restart_point(self, feed: Feed, done: RoundDone, now: float) -> None:
        if not feed.spec.by_block or done.read is None:
            return
        mark = self._restart_point.mark_after(done.read, now, anew=done.anew)
        if mark is not None:
            self._write_down(feed, mark)

    def _write_down(self, feed: Feed, mark: Tip) -> None:
        if feed.spec.kind == "devchain":
            return  # it ends with the process; the next one is another chain
        row = SourceTip(feed.spec.name, mark.height, mark.hash)
        self._node.append(Write(rows=(row,)), lambda _outcome: None)

    def _describe(self, feed: Feed) -> SourceState:
        return feed.describe(
            now=self._node.clock.monotonic(),
            wall=self._node.clock.now(),
            active=feed is self.planner.active,
            watched=len(self.planner.watchers),
            waiting=self.planner.waiting,
        )
