"""The sources as witnesses: how each fares, the best tip, and what is told of them.

Rounds and probes end here, whatever came of them; `actors/sources/choice.py` reads from
it who is asked next. It sends nothing and knows no clock: moments are monotonic
seconds, `asked_at` is ms, `rand` a number in [0, 1).
"""

import msgspec

from actors.facts.published import SourceReport
from actors.messages import RoundDone
from actors.sources.choice import PROBE_S, due_probes, standing_of
from actors.sources.feed_state import Feed, FeedSpec
from actors.sources.messages import Probed
from engine.chain.feed import SourceStatus
from engine.chain.witness import (
    Assessment,
    Best,
    Standing,
    assess,
    best_after,
    is_lower,
)
from engine.errors import SourceBehind, SourceBusy, SourceError
from engine.ports import Freshness

__all__ = ["BUSY_S", "Witnesses"]

BUSY_S = 30.0
"""How long to leave a source alone that answered 429 without saying how long."""


SET_ASIDE_S = 600.0
"""How long a source is left alone that contradicts two others: 10 min. Then it is asked
again, and named again if it still does."""


class Witnesses:
    """See the module docstring. The planner's; only it touches this."""

    __slots__ = ("_network", "_wall", "active", "best", "feeds", "report")

    def __init__(self, specs: list[FeedSpec], best: Best | None, network: str) -> None:
        """`best`: the best tip that was known before, by this node or its last run."""
        self.feeds = tuple(Feed(number, spec) for number, spec in enumerate(specs))
        self.active: Feed | None = None  # who was asked last
        self.best = best
        made_anew = any(spec.kind == "devchain" for spec in specs)
        # What is to be published now.
        self.report = SourceReport(best=best, is_made_anew=made_anew)
        self._network = network
        self._wall = 0  # ms, of the newest answer

    # -- a round is over ---------------------------------------------------------------

    def answered(self, feed: Feed, done: RoundDone, now: float) -> None:
        self._wall = done.asked_at
        feed.succeeded(done.asked_at, done.tip, done.assessment, now)
        feed.read(done)
        self._report(now)
        if feed is self.active and done.assessment.is_current:
            # Else it has told nothing for certain, or not everybody.
            self.covers(done.asked_at if feed.spec.by_block else None)
        self.report = msgspec.structs.replace(self.report, look=done.look)

    def fail(
        self,
        feed: Feed,
        error: SourceError,
        now: float,
        rand: float,
        done: RoundDone | None = None,
    ) -> None:
        """It gave no answer, or one of which nothing can be read yet."""
        if done is not None and done.status is not None:
            self._wall = done.asked_at
        if isinstance(error, SourceBehind) and done is not None and done.status:
            worth = Assessment(Standing.BEHIND, error.detail)
            feed.succeeded(done.asked_at, done.status.tip, worth, now)
        else:
            _failed(feed, error, now, rand)
        self._report(now)

    def set_aside(self, name: str, detail: str, now: float) -> None:
        """It contradicts the others: for a while it is not asked at all."""
        for feed in self.feeds:
            if feed.spec.name == name:
                feed.distrust = f"set aside: {detail}"
                feed.distrusted_until = now + SET_ASIDE_S
        self._report(now)

    # -- who is not asked --------------------------------------------------------------

    def probes(self, now: float, reserve: int) -> list[Feed]:
        """Whose workers are to be asked now how their sources are."""
        feeds = due_probes(self.feeds, self.active, now, reserve)
        for feed in feeds:
            feed.probe_at = now + PROBE_S
            feed.breaker = feed.breaker.taking(now)
        return feeds

    def probed(self, answer: Probed, now: float, rand: float) -> None:
        feed, at = self.feeds[answer.feed], answer.asked_at
        self._wall = at
        feed.spend_to(answer.requests, 1)
        if answer.status is not None:
            worth = assess(answer.status, self.best, at, self._network)
            feed.succeeded(at, answer.status.tip, worth, now)
        elif answer.error is not None:
            _failed(feed, answer.error, now, rand)
        self._report(now)

    def believe(self, best: Best) -> None:
        """As it was known before; this planner has asked nobody yet. What one before it
        had asked for may have been heard since, and be better."""
        assert self.active is None, "a round was held against nothing"
        if self.best is None or is_lower(self.best.tip, None, best):
            self.best = best
            self.report = msgspec.structs.replace(self.report, best=best)

    def heard(self, asked_at: int, *told: SourceStatus | None) -> None:
        """What a source said of itself, in its order: a tip of these may be the best.

        Of every answer, before all else that is made of it: also of one for which
        nobody waits any more, or after which the source failed.
        """
        for status in told:
            if status is not None:
                self.best = best_after(self.best, status, asked_at, self._network)
        if self.best is not self.report.best:
            self.report = msgspec.structs.replace(self.report, best=self.best)

    # -- what is told ------------------------------------------------------------------

    def covers(self, complete_as_of: int | None) -> None:
        """Up to when (ms) silence is an answer: see `SourceReport`."""
        self.report = msgspec.structs.replace(
            self.report, complete_as_of=complete_as_of
        )

    def left(self) -> None:
        """Another source is asked from now on, or this one begins anew."""
        self.report = msgspec.structs.replace(
            self.report, complete_as_of=None, look=None
        )

    def _report(self, now: float) -> None:
        for feed in self.feeds:
            if feed.assessment is not None or feed.error is not None:
                feed.note_standing(standing_of(feed, now)[0], self._wall)
        active = self.active
        if active is None:
            return
        standing, reason = standing_of(active, now)
        heard = active.assessment is not None or active.error is not None
        fresh = Freshness(
            source=active.spec.name,
            live=heard and standing is Standing.CURRENT,
            since=max((f.answered_at or 0 for f in self.feeds), default=0) or None,
            tip_height=None if active.tip is None else active.tip.height,
            standing=standing if heard else None,
            reason=reason,
            since_when=active.since_when,
        )
        self.report = msgspec.structs.replace(self.report, freshness=fresh)


def _failed(feed: Feed, error: SourceError, now: float, rand: float) -> None:
    feed.errors += 1
    feed.error = error.detail
    if isinstance(error, SourceBusy) or error.retry_after_s is not None:
        pause = BUSY_S if error.retry_after_s is None else error.retry_after_s
        feed.breaker = feed.breaker.resting(now, pause)
    else:
        feed.breaker = feed.breaker.after_failure(now, rand)
