"""What is still open between two views of a payment: the state of a review.

A view may leave something open. It does not list a receipt any more: one answer is not
enough to take it away, so it is looked for a second time. Or a deadline has passed, and
the view cannot say that nothing came. `ReviewState` remembers what is open until a view
settles it; nearly no payment has any. `judge` reads a view with it. Pure.

Moments: `asked_at`, deadlines and `now` are ms of the wall clock; `now_s` is monotonic
seconds, in which waiting is measured.
"""

import msgspec
from msgspec.structs import replace

from engine.chain.feed import ChainView
from engine.payment.chain_rules import merely_absent
from engine.payment.events import Event
from engine.payment.model import WAITED_FOR, Payment
from engine.payment.observations import Reviewed
from engine.payment.rules import follow, is_settled, next_deadline

__all__ = [
    "ABSENCE_PATIENCE_S",
    "LOOK_TWICE_S",
    "REVIEW_AGAIN_S",
    "AbsenceTracker",
    "Judgement",
    "ReviewState",
    "judge",
    "next_review",
    "poll_interval_s",
]

LOOK_TWICE_S = 2.0
"""A receipt that a view does not list any more is looked for again so much later."""

REVIEW_AGAIN_S = 15.0
"""After a deadline, while no answer proves that nothing came: look again by then."""

ABSENCE_PATIENCE_S = 3_600.0
"""How long a passed deadline waits for a complete view: 1 h. A source with a gap in its
history may never have one; what turns up later is told as late."""

MAX_DOUBLINGS = 6
"""The wait between two polls doubles with age, so often at most: 64 times."""


class AbsenceTracker(msgspec.Struct, frozen=True, gc=False):
    """Receipts that a view did not list, and when its source was asked for it."""

    absent: frozenset[tuple[str, int]] = frozenset()
    absent_at: int = 0  # ms

    def look(
        self, payment: Payment, view: ChainView, asked_at: int
    ) -> tuple["AbsenceTracker", ChainView]:
        """The view; not `complete` if it is the first in which a receipt is missing."""
        absent = merely_absent(payment, view)
        if not absent:
            return AbsenceTracker(), view
        if not absent <= self.absent:
            return AbsenceTracker(absent, asked_at), replace(view, complete=False)
        if asked_at < self.absent_at + LOOK_TWICE_S * 1000:
            return self, replace(view, complete=False)
        return self, view


class ReviewState(msgspec.Struct, frozen=True, gc=False):
    """What is open; see the module docstring."""

    overdue: int | None = None
    """A deadline (ms) that has passed: it is judged by a view asked for after it."""

    unproven_since: float | None = None
    """When (monotonic s) the first view of that kind proved nothing."""

    absence: AbsenceTracker = AbsenceTracker()

    @property
    def is_open(self) -> bool:
        return self.overdue is not None or bool(self.absence.absent)

    def passed(self, deadline: int) -> "ReviewState":
        """This deadline (ms) has come."""
        return replace(self, overdue=deadline)

    def after_commit_failed(self, payment: Payment, now: int) -> "ReviewState":
        """What followed from a deadline was not written: it is still to be judged."""
        deadline = next_deadline(payment)
        if self.overdue is None and deadline <= now:
            return self.passed(deadline)
        return self

    def waits_for_proof(
        self, view: ChainView, asked_at: int, now_s: float
    ) -> "ReviewState":
        """Since the first view from after the deadline that is not complete.

        It is time that was waited, not what the clocks say: after a long absence, or a
        jump of the clock, the deadline is far behind and not one block has been read.
        """
        due = self.overdue is not None and asked_at >= self.overdue
        if due and not view.complete and self.unproven_since is None:
            return replace(self, unproven_since=now_s)
        return self

    def may_judge(self, view: ChainView, asked_at: int, now_s: float) -> bool:
        """Whether what this view does not show was not there at the deadline."""
        if self.overdue is None or asked_at < self.overdue:
            return False
        since = now_s if self.unproven_since is None else self.unproven_since
        return view.complete or now_s - since >= ABSENCE_PATIENCE_S


class Judgement(msgspec.Struct, frozen=True):
    """What follows from a view: events to commit, and what stays open."""

    payment: Payment  # after the events
    events: list[Event]
    state: ReviewState
    look_again_s: float | None
    """The view should have proved something and did not: look again by then."""

    is_believed: bool = True
    """False: the view is as good as no answer. Nothing follows, what is open stays."""


def judge(
    state: ReviewState,
    payment: Payment,
    view: ChainView,
    asked_at: int,
    *,
    now: int,
    now_s: float,
) -> Judgement:
    """Read a view, and judge a deadline by it if it may."""
    absence, view = state.absence.look(payment, view, asked_at)
    seen = follow(payment, view, now)
    if not seen.is_believed:
        again_s = REVIEW_AGAIN_S if state.is_open else None
        return Judgement(payment, [], state, again_s, is_believed=False)
    state = replace(state, absence=absence).waits_for_proof(view, asked_at, now_s)
    payment, events = seen.payment, seen.events
    if state.may_judge(view, asked_at, now_s):
        state = ReviewState(absence=absence)
        reviewed = follow(payment, Reviewed(asked_at), now)
        payment, events = reviewed.payment, events + reviewed.events
    look_again_s = None
    if absence.absent and not view.complete:
        look_again_s = LOOK_TWICE_S
    elif state.overdue is not None:
        look_again_s = REVIEW_AGAIN_S
    return Judgement(payment, events, state, look_again_s)


def next_review(payment: Payment, now: int, recheck_s: int) -> int | None:
    """When (ms) to review a payment of which nothing is open; None: it is over.

    One whose deadline is behind, with money still on its way, is looked at again after
    `recheck_s`.
    """
    if is_settled(payment, now):
        return None
    deadline = next_deadline(payment)
    return deadline if deadline > now else now + recheck_s * 1000


def poll_interval_s(
    payment: Payment, now: int, *, slow_s: float, ageing_s: float
) -> float:
    """Often while somebody waits; doubled for every `ageing_s` of age; else slowly."""
    base = float(payment.terms.poll_interval_s)
    slow = max(base, slow_s)
    if payment.status not in WAITED_FOR:
        return slow
    age_s = max(now - payment.terms.created_at, 0) / 1000
    doublings = min(int(age_s / ageing_s), MAX_DOUBLINGS)
    return min(base * float(2**doublings), slow)
