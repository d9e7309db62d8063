"""What the source actor remembers of each source: how it may be asked, how it fares.

No actor: a record that `actors/sources/planner.py` keeps and judges by.
"""

import msgspec

from actors.messages import Poll, Round, RoundDone
from engine.chain.feed import Tip
from engine.chain.witness import Assessment, Standing
from engine.gateway import Reading, SourceState
from engine.policy.breaker import Breaker, BreakerPolicy
from engine.policy.token_bucket import TokenBucket
from engine.runtime.ref import Ref

__all__ = ["Feed", "FeedSpec"]

SOURCE_BREAKER = BreakerPolicy(threshold=3, base_s=2.0, cap_s=60.0, probe_s=120.0)
"""A source is asked again soon: a shop waits. Rests of 2, 4 … 60 s."""


class FeedSpec(msgspec.Struct, frozen=True):
    """One source: its worker's ref, and how it may be asked."""

    name: str
    kind: str  # as configured: bitcoind, devchain, esplora
    worker: Ref
    by_block: bool
    every_s: float  # how often to look when nothing is urgent
    per_minute: float | None = None  # request budget; None: not limited
    operator: str = ""  # who runs it: those of one operator are one witness


class Feed:
    """What is remembered of a source."""

    __slots__ = (
        "answered_at",
        "asked",
        "assessment",
        "behind_from",
        "breaker",
        "budget",
        "busy",
        "distrust",
        "distrusted_until",
        "error",
        "errors",
        "number",
        "primed",
        "probe_at",
        "reading",
        "requests",
        "round",
        "since_when",
        "spec",
        "tip",
        "told",
        "top",
    )

    def __init__(self, number: int, spec: FeedSpec) -> None:
        self.number = number  # as its worker calls itself
        self.spec = spec
        self.breaker = Breaker(policy=SOURCE_BREAKER)
        self.budget = (
            TokenBucket.per_minute(spec.per_minute) if spec.per_minute else None
        )
        self.busy: Round | None = None  # the round under way
        self.asked: dict[bytes, Poll] = {}  # its polls that got no view yet
        self.round = 0
        self.primed = False  # its worker knows all watched scripts
        self.tip: Tip | None = None
        self.reading: Reading | None = None  # blocks, in more than one round
        self.answered_at: int | None = None  # ms
        self.requests: int | None = None  # as its worker last told
        self.errors = 0
        self.error: str | None = None  # why it failed; None once it has answered
        self.assessment: Assessment | None = None  # by its last answer
        self.distrust: str | None = None  # why it is set aside
        self.distrusted_until = 0.0  # monotonic s: set aside, it contradicts others
        self.top = -1  # the greatest height that it has shown
        self.behind_from: float | None = None  # monotonic s, if it is behind
        self.probe_at = 0.0  # monotonic s: not probed before
        self.told: Standing | None = None  # the standing that people are told
        self.since_when: int | None = None  # ms: how long it is that

    def wait_s(self, now: float) -> float:
        """Seconds until it may be asked at all; 0 if it may be now."""
        return max(self.breaker.wait_s(now), self.distrusted_until - now, 0.0)

    def poor_s(self, now: float, requests: int) -> float:
        """Seconds until the budget allows so many requests; 0 if it does now."""
        if self.budget is None:
            return 0.0
        self.budget = self.budget.at(now)
        return self.budget.wait_s(requests)

    def room(self, now: float, reserve: int, most: int) -> int:
        """How many requests the budget allows now beyond a reserve, `most` at most."""
        if self.budget is None:
            return most
        self.budget = self.budget.at(now)
        return min(max(int(self.budget.tokens) - reserve, 0), most)

    def spend(self, done: RoundDone) -> None:
        """What was asked for before our time is no debt of ours."""
        answered = {*done.views, *done.unreadable}
        self.spend_to(done.requests, len(answered) + 1)

    def spend_to(self, requests: int, newest: int) -> None:
        """So many it has been asked in all, of these so many just now."""
        if self.requests is None:
            self.requests = requests - newest
        if self.budget is not None:
            self.budget = self.budget.spend(requests - self.requests)
        self.requests = requests

    def read(self, done: RoundDone) -> None:
        """How far its blocks are read by this round, if there are more."""
        height, tip = done.height, done.tip
        if height is None or tip is None or height >= tip.height:
            self.reading = None
            return
        before = self.reading
        self.reading = Reading(
            height=height,
            to_height=tip.height,
            blocks_read=done.blocks + (0 if before is None else before.blocks_read),
            blocks_left=tip.height - height,
            since=done.asked_at if before is None else before.since,
        )

    def succeeded(
        self, asked_at: int, tip: Tip | None, assessment: Assessment, now: float
    ) -> None:
        """It has answered. `asked_at`: ms; `now`: monotonic s."""
        self.breaker = self.breaker.after_success()
        self.error = None
        self.answered_at = asked_at
        self.tip = tip
        if tip is not None:
            if tip.height < self.top:  # it fell back: that is no block on its way
                assessment = msgspec.structs.replace(assessment, is_slight=False)
            self.top = max(self.top, tip.height)
        self.assessed(assessment, now)

    def assessed(self, assessment: Assessment, now: float) -> None:
        """What it is worth, whether by an answer or by what another has shown."""
        self.assessment = assessment
        if assessment.is_current:
            self.behind_from = None
        elif self.behind_from is None:
            self.behind_from = now

    def note_standing(self, standing: Standing, wall: int) -> None:
        """People are told this standing from now (ms) on."""
        if standing is not self.told:
            self.told, self.since_when = standing, wall

    def describe(
        self,
        *,
        now: float,
        wall: int,
        active: bool,
        watched: int,
        waiting: int,
        reason: str | None = None,
    ) -> SourceState:
        """As the API shows it. `now`: monotonic s; `wall`: ms."""
        answered = self.answered_at
        budget = self.budget.at(now) if self.budget is not None else None
        return SourceState(
            name=self.spec.name,
            kind=self.spec.kind,
            state=self.breaker.state(now).value,
            active=active,
            tip_height=self.tip.height if self.tip else None,
            tip_hash=self.tip.hash if self.tip else None,
            last_answer_at=answered,
            lag_s=None if answered is None else (wall - answered) / 1000,
            requests=self.requests or 0,
            errors=self.errors,
            last_error=self.error,
            budget_per_min=self.spec.per_minute,
            budget_left=round(budget.tokens, 1) if budget is not None else None,
            watched=watched,
            waiting=waiting,
            standing=self.told,
            reason=reason,
            since_when=self.since_when,
            reading=self.reading,
        )
