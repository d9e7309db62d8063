"""What is still open between two views of a payment: the state of a review.

A view may leave something open. It does not list a receipt any more: one answer is not
enough to take it away, so it is looked for a second time. Or a deadline has passed, and
the view cannot say that nothing came. `ReviewState` remembers what is open until a view
settles it; nearly no payment has any. `judge` reads a view with it. Pure.

Moments: `asked_at`, deadlines and `now` are ms of the wall clock; `now_s` is monotonic
seconds, in which waiting is measured.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from engine.chain.feed import ChainView
from engine.payment.booked import RateFor
from engine.payment.events import Event
from engine.payment.fold import EventBuilder, outpoint
from engine.payment.lightning_rules import open_invoices
from engine.payment.losses import ABSENCE_GRACE_MS, merely_absent
from engine.payment.model import WAITED_FOR, Payment
from engine.payment.notes import Note
from engine.payment.observations import InvoiceGone, Reviewed
from engine.payment.rules import (
    follow,
    is_settled,
    next_deadline,
    waits_for_node,
)

__all__ = [
    "LONG_WAIT_S",
    "LOOK_TWICE_S",
    "NODE_IS_SILENT",
    "NEWS_PER_STEP",
    "REVIEW_AGAIN_MOST_S",
    "REVIEW_AGAIN_S",
    "AbsenceTracker",
    "Judgement",
    "ReviewState",
    "again_s",
    "judge",
    "next_review",
    "poll_interval_s",
]

LOOK_TWICE_S = 2.0
"""A receipt that a view does not list any more is looked for again so much later."""

REVIEW_AGAIN_S = 15.0
"""After a deadline, while no answer proves that nothing came: look again by then."""

REVIEW_AGAIN_MOST_S = 300.0
"""The longer a deadline waits, the less often it is looked at: every 5 min at least."""

LONG_WAIT_S = 600.0
"""A deadline that has waited so long for a proof is worth an alert: 10 min."""

NODE_IS_SILENT = (
    "its Lightning node has not said since its invoice expired that it was not paid"
)

NEWS_PER_STEP = 200
"""New receipts told in one turn, some 5 ms: an address may be showered with outputs."""

ANNOUNCED_S = 60.0
"""No oftener than this is a payment looked at, unasked, whose money a webhook told of
and the chain shows: the pace of one that wanted none of its own."""

MAX_DOUBLINGS = 6
"""The wait between two polls doubles with age, so often at most: 64 times."""


class AbsenceTracker(msgspec.Struct, frozen=True, gc=False):
    """Receipts that a view did not list, and when its source was asked for it.

    Looked for twice it must be, and of the same source: soon again of the one that
    showed it to us; of another, which may never have had it, only when that has not
    heard of it for `ABSENCE_GRACE_MS` of our asking.
    """

    absent: frozenset[tuple[str, int]] = frozenset()
    absent_at: int = 0  # ms
    source: str = ""

    def look(
        self, payment: Payment, view: ChainView, asked_at: int
    ) -> tuple["AbsenceTracker", ChainView]:
        """The view; not `complete` while a receipt that is missing may be there.

        One that proves no absence is no look, and does not undo an earlier one, unless
        it lists what was missing: one source may be asked beside another.
        """
        if not (view.is_current and view.complete):
            listed = {(output.txid, output.vout) for output in view.outputs}
            left = self.absent - listed
            return replace(self, absent=left) if left else AbsenceTracker(), view
        absent = merely_absent(payment, view, asked_at)
        if not absent:
            return AbsenceTracker(), view
        if view.source != self.source or not absent <= self.absent:
            first = AbsenceTracker(absent, asked_at, view.source)
            return first, replace(view, complete=False)
        if asked_at < self.absent_at + self._wait_ms(payment):
            return self, replace(view, complete=False)
        return self, view

    def look_again_s(self, payment: Payment, asked_at: int) -> float:
        """How long after a question of that moment the next may tell more."""
        left_ms = self.absent_at + self._wait_ms(payment) - asked_at
        return max(left_ms / 1000, LOOK_TWICE_S)

    def _wait_ms(self, payment: Payment) -> int:
        is_its_own = all(
            receipt.source == self.source
            for receipt in payment.receipts
            if outpoint(receipt) in self.absent
        )
        return round(LOOK_TWICE_S * 1000) if is_its_own else ABSENCE_GRACE_MS


class ReviewState(msgspec.Struct, frozen=True, gc=False):
    """What is open; see the module docstring."""

    overdue: int | None = None
    """A deadline (ms) that has passed: it is judged by a view asked for after it."""

    waits_since: float | None = None
    """When (monotonic s) that began. It is time that was waited, not what the clocks
    say: after a long absence, or a jump of the clock, the deadline is far behind."""

    reason: str | None = None
    """Why what came since proved nothing, for people; None: nothing came."""

    absence: AbsenceTracker = AbsenceTracker()

    invoices_gone: tuple[tuple[str, int], ...] = ()
    """Of which invoices the payment's Lightning node said that they were not paid; and
    when (ms) it was asked that said so last."""

    @property
    def is_open(self) -> bool:
        return self.overdue is not None or bool(self.absence.absent)

    def passed(self, deadline: int, now_s: float) -> "ReviewState":
        """This deadline (ms) has come. It may be told twice, and the clock be put back
        meanwhile: the earliest counts, and a view that was asked for after it."""
        since = now_s if self.waits_since is None else self.waits_since
        first = deadline if self.overdue is None else min(self.overdue, deadline)
        return replace(self, overdue=first, waits_since=since)

    def node_said(self, gone: InvoiceGone) -> "ReviewState":
        """This invoice of the payment's is not paid. It is told of the payment's own
        alone: they are few."""
        known, name = dict(self.invoices_gone), gone.payment_hash
        known[name] = max(gone.asked_at, known.get(name, 0))
        return replace(self, invoices_gone=tuple(known.items()))

    def node_asked_at(self, payment: Payment) -> int:
        """When (ms) its node was asked that said of each invoice that may be paid that
        it is not: of the one that was asked about first. 0: it has not said so of all,
        or none is concerned."""
        known = dict(self.invoices_gone)
        hashes = (one.payment_hash for one in open_invoices(payment))
        return min((known.get(name, 0) for name in hashes), default=0)

    def after_commit_failed(
        self, payment: Payment, now: int, now_s: float
    ) -> "ReviewState":
        """What followed from a deadline was not written: it is still to be judged."""
        deadline = next_deadline(payment)
        if self.overdue is None and deadline <= now:
            return self.passed(deadline, now_s)
        return self

    def waited_s(self, now_s: float) -> float:
        """How long a deadline has waited for a proof; 0 if none does."""
        return 0.0 if self.waits_since is None else max(now_s - self.waits_since, 0.0)

    def may_judge(self, view: ChainView, asked_at: int) -> bool:
        """Whether what this view does not show was not there at the deadline.

        However long that takes: nothing expires because nobody could tell.
        """
        due = self.overdue is not None and asked_at >= self.overdue
        return due and view.is_current and view.complete

    def unproven(self, view: ChainView) -> "ReviewState":
        """What this view does not show may be there all the same."""
        if self.overdue is None:
            return self
        if not view.is_current:
            reason = f"{view.source} is behind: what it does not show proves nothing"
        elif self.absence.absent:
            reason = f"{view.source} does not list what it did: it is looked for again"
        elif not view.complete:
            what = view.gap or "its blocks or its mempool are not read whole"
            reason = f"{view.source} cannot tell what is not there: {what}"
        else:
            reason = f"{view.source} was asked before the deadline"
        return replace(self, reason=reason)

    def look_again_s(self, now_s: float) -> float:
        """When to look again for a proof."""
        return again_s(self.waited_s(now_s))


def again_s(waited_s: float) -> float:
    """When to ask again who was asked in vain since then."""
    return min(max(waited_s / 8, REVIEW_AGAIN_S), REVIEW_AGAIN_MOST_S)


class Judgement(msgspec.Struct, frozen=True):
    """What follows from a view: events to commit, and what stays open."""

    payment: Payment  # after the events
    events: list[Event]
    state: ReviewState
    look_again_s: float | None
    """The view should have proved something and did not: look again by then."""

    is_believed: bool = True
    """False: the view is as good as no answer. Nothing follows, what is open stays."""

    notes: Sequence[Note] = ()
    """What the view shows and is not counted."""

    wants_second: bool = False
    """All that it takes to confirm is another, independent source that shows it too."""

    holds_back: bool = False
    """The view has money that may not be counted yet: all of it is not read."""

    has_more: bool = False
    """Judge the same view once more when these events are committed."""


def judge(
    state: ReviewState,
    payment: Payment,
    view: ChainView,
    asked_at: int,
    *,
    now: int,
    now_s: float,
    rate_for: RateFor | None = None,
) -> Judgement:
    """Read a view, and judge a deadline by it if it may."""
    is_look = view.is_current and view.complete
    absence, view = state.absence.look(payment, view, asked_at)
    seen = follow(payment, view, now, NEWS_PER_STEP, rate_for)
    if not seen.is_believed:
        again_s = state.look_again_s(now_s) if state.is_open else None
        return Judgement(payment, [], state, again_s, is_believed=False)
    state = replace(state, absence=absence)
    payment, events = seen.payment, seen.events
    if seen.has_more:
        return Judgement(payment, events, state, None, notes=seen.notes, has_more=True)
    if state.overdue is not None and next_deadline(payment) > state.overdue:
        state = ReviewState(absence=absence)  # nothing follows from it any more
    elif state.may_judge(view, asked_at) and _is_enough(seen):
        why = "it shows enough, in more outputs than are followed: a person must see"
        state = replace(state, reason=f"{view.source}: {why}")
    elif state.may_judge(view, asked_at):
        node_at = state.node_asked_at(payment)
        review = Reviewed(asked_at, node_at)
        reviewed = follow(payment, review, now, rate_for=rate_for)
        payment, events = reviewed.payment, events + reviewed.events
        if waits_for_node(payment, asked_at, node_at):
            state = replace(state, reason=NODE_IS_SILENT)
        else:
            state = ReviewState(absence=absence)
    else:
        state = state.unproven(view)
    look_again_s = None
    if is_look and absence.absent and not view.complete:
        look_again_s = absence.look_again_s(payment, asked_at)
    elif state.overdue is not None:
        look_again_s = state.look_again_s(now_s)
    if seen.wants_second:
        look_again_s = min(look_again_s or REVIEW_AGAIN_S, REVIEW_AGAIN_S)
    return Judgement(
        payment, events, state, look_again_s,
        notes=seen.notes, wants_second=seen.wants_second, holds_back=seen.holds_back,
    )  # fmt: skip


def _is_enough(seen: EventBuilder) -> bool:
    """Whether all that the view shows is enough, though not all of it is followed."""
    if not seen.left_out_sat or seen.payment.status not in WAITED_FOR:
        return False
    return seen.received_sat + seen.left_out_sat >= seen.payment.threshold_sat


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
    """Often while somebody waits; doubled for every `ageing_s` of age; else slowly.

    Fast looks are for money that is to come. Of what a webhook announced and the chain
    shows in full only blocks are waited for, and the provider tells of these, too.
    """
    base = float(payment.terms.poll_interval_s)
    if _was_announced(payment):
        base = max(base, ANNOUNCED_S)
    slow = max(base, slow_s)
    if payment.status not in WAITED_FOR:
        return slow
    age_s = max(now - payment.terms.created_at, 0) / 1000
    doublings = min(int(age_s / ageing_s), MAX_DOUBLINGS)
    return min(base * float(2**doublings), slow)


def _was_announced(payment: Payment) -> bool:
    """Whether a webhook told of it, and the chain shows all of the money. A claim that
    nothing proves ends no fast looks: a payment would be slowed by a word."""
    return payment.claimed.taken > 0 and not payment.claims and payment.is_paid
