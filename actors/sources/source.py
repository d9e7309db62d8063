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

from actors.facts.published import Published, SourceReport
from actors.messages import (
    AllWatched,
    Contradicted,
    CoverageEnded,
    DescribeSources,
    FreshnessChanged,
    Nudge,
    Poll,
    RefundsWatched,
    RoundDone,
    Seen,
    SourceTick,
    Unwatch,
    Watch,
)
from actors.node import Node
from actors.sources.choice import ALERTS, standing_of
from actors.sources.feed_state import Feed, FeedSpec
from actors.sources.messages import BestRead, Probe, Probed, ReadBest, SomeViews
from actors.sources.planner import Ask, RoundPlanner, Wait
from engine.chain.feed import ChainView, SourceStatus, Tip
from engine.chain.unread import Unread
from engine.chain.witness import Best
from engine.errors import SourceError, StoreDamaged
from engine.gateway import SourceState
from engine.runtime.actor import Actor
from engine.runtime.clock import Timer
from engine.runtime.ref import Exited, Ref
from engine.store.writes import (
    BEST_TIP,
    UNREAD_AFTER,
    UNREAD_BELOW,
    Committed,
    Outcome,
    SourceTip,
    Write,
)

__all__ = ["SourceActor"]

log = logging.getLogger("paybell.source")

AFTER_CRASH_S = 1.0
"""How long after a worker's crash the next round is planned."""


class SourceActor(Actor):
    """Answers `Watch`, `Unwatch`, `Poll`, `DescribeSources`; sends `Seen`."""

    __slots__ = (
        "_is_best_known",
        "_node",
        "_published",
        "_restart_point",
        "_tick",
        "_told_by",
        "_unread_over",
        "_unread_written",
        "_written",
        "planner",
    )

    mailbox_limit = 200_000

    def __init__(
        self, node: Node, specs: list[FeedSpec], published: Published[SourceReport]
    ) -> None:
        self._node = node
        self._published = published  # this actor is its only writer
        settings = node.settings
        self.planner = RoundPlanner(
            specs, published.now.best, settings.network, settings.poll_by_hand_s
        )
        self._restart_point = node.restart_point
        self._tick: Timer | None = None
        best = published.now.best
        # The best tip that the journal was given. That an earlier life of this actor
        # has published one says nothing: the journal may have crashed with it.
        self._written: Tip | None = None
        self._unread_written: Unread | None = None  # what of the chain nobody has read
        self._unread_over: Unread | None = None  # what was, and was read since
        # Of the last run; until it is known nobody is held against it. The dev chain
        # ends with the process: another run of it is another chain.
        self._is_best_known = best is not None or self.planner.report.is_made_anew
        # Who has said that he told all scripts, by his word: timers overtake them.
        self._told_by: dict[type, int] = {}

    def on_start(self) -> None:
        self._restart_point.clear()
        self._publish()
        if not self._is_best_known:
            self._read_best()
        for feed in self.planner.feeds:
            feed.spec.worker.start()
        if self._node.booted.now:
            # After the watches: they wait in the mailbox already.
            self.ref.tell_system(AllWatched(self._node.supervisor.incarnation))

    def on_receive(self, message: object) -> None:
        match message:
            case Poll():
                if self.planner.poll(message):
                    self._plan_soon()
                elif message.heard:
                    self._ask_others()
            case Contradicted(source, detail):
                now = self._node.clock.monotonic()
                self.planner.set_aside(source, detail, now)
                self._publish()
            case RoundDone():
                self._hear(message.asked_at, message.first, message.status)
                self._on_done(message)
            case ReadBest():
                self._read_best()
            case BestRead(answer):
                self._on_best_read(answer)
            case Probed():
                self._hear(message.asked_at, message.status)
                self._on_probed(message)
            case SomeViews(number, round_number, asked_at, views, first):
                self._hear(asked_at, first)
                feed = self.planner.feed_asked(number, round_number)
                if feed is not None:
                    self._hand_out(feed, views, asked_at)
            case Watch(script, address, ref, known, merchant, since):
                self.planner.watch(script, address, ref, known, merchant, since)
            case Unwatch(script, ref):
                if self.planner.unwatch(script, ref):
                    self._restart_point.forget(script)
            case AllWatched(by) | RefundsWatched(by):
                self._told_by[type(message)] = by
                self._plan_soon()
            case Nudge():
                self.planner.nudge()
                self._plan_soon()
            case SourceTick():
                now = self._node.clock.monotonic()
                self._follow(self.planner.plan(now, ready=self._is_ready))
            case DescribeSources(reply):
                reply(tuple(map(self._describe, self.planner.feeds)))
            case Exited(ref):
                self._on_worker_exit(ref, message)

    # -- rounds ------------------------------------------------------------------------

    @property
    def _is_ready(self) -> bool:
        """A block that was read before a script is known is not read again for it."""
        node = self._node
        wanted: dict[type, int] = {AllWatched: node.supervisor.incarnation}
        if node.watches_refunds:
            wanted[RefundsWatched] = node.refunds.incarnation
        is_told = wanted.items() <= self._told_by.items()
        return is_told and node.booted.now and self._is_best_known

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
        self._ask_others()

    def _ask_others(self) -> None:
        """Those that are not read now: how they are, and what the other cannot read."""
        now = self._node.clock.monotonic()
        aside = self.planner.plan_aside(now, ready=self._is_ready)
        if aside is not None:
            aside.feed.spec.worker.tell(aside.round)
        for feed in self.planner.probes(now, ready=self._is_ready):
            feed.spec.worker.tell(Probe())

    def _tick_in(self, delay_s: float) -> None:
        if self._tick is not None:
            self._tick.cancel()
        self._tick = self._node.clock.call_later(delay_s, self.ref, SourceTick())

    def _on_done(self, done: RoundDone) -> None:
        feed = self.planner.feed_asked(done.feed, done.number)
        if feed is None:
            return  # a round of a worker that has been restarted since
        aside = feed.busy is not None and feed.busy.aside
        now = self._node.clock.monotonic()
        if done.disappeared:
            self._node.counters.add("source.mempool_lost")
            log.warning("source.mempool_lost source=%s disappeared=%d", feed.spec.name,
                        done.disappeared)  # fmt: skip
        self._hand_out(feed, done.views, done.asked_at)
        if done.error is not None:
            self._note_failure(feed, done.error)
        rand = 0.0 if done.error is None else self._node.random.random()
        self.planner.finish(done, now, rand)
        if done.error is None and not aside:
            self._move_restart_point(feed, done, now)
        self._publish()
        if aside:
            self._ask_others()
        else:
            self._follow(self.planner.plan_after(done, now, ready=self._is_ready))

    def _on_probed(self, answer: Probed) -> None:
        feed = self.planner.feeds[answer.feed]
        if answer.error is not None:
            self._note_failure(feed, answer.error)
        rand = 0.0 if answer.error is None else self._node.random.random()
        self.planner.probed(answer, self._node.clock.monotonic(), rand)
        self._publish()

    def _hand_out(
        self, feed: Feed, views: Mapping[bytes, ChainView], asked_at: int
    ) -> None:
        self.planner.answered(feed, views)
        work = feed.busy
        if work is not None and work.aside:  # it is to speak of these, of no others
            views = {p.script: views[p.script] for p in work.polls if p.script in views}
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
        self._write_best()
        if report is before:
            return
        self._published.publish(report)
        if before.complete_as_of is not None and report.complete_as_of is None:
            self._node.supervisor.tell_system(CoverageEnded())
        was, fresh = before.freshness, report.freshness
        if (fresh.live, fresh.source, fresh.standing) != (
            was.live, was.source, was.standing
        ):  # fmt: skip
            self._node.router.tell(FreshnessChanged(fresh))
        self._raise_alerts()

    def _raise_alerts(self) -> None:
        alerts, now = self._node.alerts, self._node.clock.monotonic()
        raised = self.planner.alerts(now)
        for alert in raised:
            alerts.raise_(alert.kind, alert.subject, alert.detail, alert.since)
        if len(alerts) > len(raised):
            still = {(alert.kind, alert.subject) for alert in raised}
            for alert in alerts.standing():
                if alert.kind in ALERTS and (alert.kind, alert.subject) not in still:
                    alerts.clear(alert.kind, alert.subject)

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

    # -- the best tip ------------------------------------------------------------------

    def _hear(self, asked_at: int, *told: SourceStatus | None) -> None:
        """Before all else of an answer, whoever waits for it: the next life of an actor
        that crashes on the rest must not believe less than those who were shown it."""
        self.planner.heard(asked_at, *told)
        published = self._published
        published.publish(published.now.with_best(self.planner.report.best))
        self._write_best()

    def _read_best(self) -> None:
        ref = self.ref
        self._node.read(
            lambda store: store.source_tip(BEST_TIP),
            lambda answer: ref.tell_system(BestRead(answer)),
        )

    def _on_best_read(self, answer: SourceTip | Exception | None) -> None:
        if self._is_best_known:
            return  # asked for by an earlier life of this actor
        match answer:
            case SourceTip(_, height, block):
                self._written = Tip(height, block)
                self.planner.believe(Best(self._written, self._node.clock.now()))
            case None:
                pass
            case StoreDamaged():  # that does not pass; the next one is written anew
                log.error("source.best_tip_lost error=%s", answer)
            case _:
                self._node.clock.call_later(AFTER_CRASH_S, self.ref, ReadBest())
                return
        self._is_best_known = True
        self._plan_soon()

    def _write_best(self) -> None:
        """Before what follows from it: else a process that crashed would be followed by
        one that calls a source current which lacks blocks that were counted."""
        report, best = self.planner.report, self.planner.report.best
        if best is None or best.tip == self._written or report.is_made_anew:
            return
        tip = self._written = best.tip
        self._node.write_first(SourceTip(BEST_TIP, tip.height, tip.hash))

    # -- where catching up would start -------------------------------------------------

    def _move_restart_point(self, feed: Feed, done: RoundDone, now: float) -> None:
        if not feed.spec.by_block or done.read is None:
            return
        if done.unread is not None and done.unread != self._unread_written:
            self._write_unread(feed, done.unread)  # before reading may go on behind it
            return
        mark = self._restart_point.mark_after(done.read, now, anew=done.anew)
        if mark is not None:
            self._write_down(feed, mark)
            self._note_read(feed, done, mark)

    def _note_read(self, feed: Feed, done: RoundDone, mark: Tip) -> None:
        """What others had skipped is read, and what follows from it committed."""
        read = done.unread_read
        if read is None or read == self._unread_over or done.unread is not None:
            return
        if mark.height >= read.below.height:
            self._unread_over = read
            self._write_unread(feed, read.all_read)

    def _write_unread(self, feed: Feed, unread: Unread) -> None:
        if feed.spec.kind == "devchain":
            return
        after, below = unread.after, unread.below
        rows = (
            SourceTip(UNREAD_AFTER, after.height, after.hash),
            SourceTip(UNREAD_BELOW, below.height, below.hash),
        )

        def written(outcome: Outcome) -> None:
            if isinstance(outcome, Committed):
                self._unread_written = None if after == below else unread

        self._node.append(Write(rows=rows), written)

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
            reason=standing_of(feed, self._node.clock.monotonic())[1],
        )
