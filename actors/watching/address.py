"""The address actor: one watched payment. The only one that decides about it.

It turns what it is told (a source's view, a webhook's claim, a person's command, a
deadline) into events by the pure rules, has them committed, and only then believes
them. While a commit is under way its other mail waits. It schedules its own polls:
often while somebody waits, slower as it ages, at once on a webhook.

Who need not ask waits for no timer. A source that reads whole blocks shows its
watchers every change unasked; who was shown that there is nothing, and has nothing to
lose, has his answer as long as that source goes on (`SourceReport.complete_as_of`).
When it does not, the supervisor tells all (`CoverageEnded`).
"""

from functools import partial

from actors.messages import (
    Command,
    CoverageEnded,
    Deadline,
    DescribeWatcher,
    LetGo,
    PollNow,
    Reply,
    ReviewDue,
    Seen,
    Unwatch,
    Watch,
    WatcherReport,
)
from actors.node import Node
from actors.watching.believing import as_write, note_status
from actors.watching.invoice import look_up
from actors.watching.looking import (
    LOOK_AT_CHAIN,
    RETRY_S,
    due_at,
    interest,
    interval_s,
    judged_now,
    question,
    question_by_hand,
    resumed,
    script_of,
    seen_at,
)
from actors.watching.release import let_go, release
from actors.watching.unknowns import Unknowns, not_believed, nothing_open
from engine.chain.feed import ChainView
from engine.chain.unread import seen_by
from engine.errors import Refused, StoreUnavailable, Unreadable
from engine.payment.chain_rules import known_outputs
from engine.payment.events import Event
from engine.payment.model import Payment
from engine.payment.observations import InvoiceGone, Observation
from engine.payment.review import ReviewState, next_review
from engine.payment.rules import follow, is_untouched, next_deadline
from engine.runtime.actor import Actor
from engine.runtime.clock import TimersDue
from engine.runtime.ref import Ref
from engine.store.writes import (
    Committed,
    Conflict,
    Outcome,
    Row,
    Unavailable,
)

__all__ = ["AddressActor"]


class AddressActor(Actor):
    """Watches one payment; see the module docstring."""

    __slots__ = (
        "_deadline",
        "_is_shown_nothing",
        "_node",
        "_payment",
        "_poll",
        "_review",
        "_script",
        "_seen_at",
        "_unknowns",
    )

    mailbox_limit = 100

    def __init__(
        self, node: Node, payment: Payment | None = None, deadline: int | None = None
    ) -> None:
        """`deadline` (ms): when the supervisor will have it reviewed, if it knows."""
        self._node = node
        self._payment = payment
        self._script = b"" if payment is None else script_of(payment)
        self._poll: int | None = None  # number of the timer that it waits for, if any
        self._deadline = deadline  # ms, that the supervisor will tell of
        self._review: ReviewState | None = None  # what views left open; mostly nothing
        self._unknowns: Unknowns | None = None  # of those that have any; few
        self._seen_at: int | None = None  # ms, when the source was asked that answered
        self._is_shown_nothing = False  # in the newest view of a current source

    @property
    def payment(self) -> Payment:
        """The payment as last committed."""
        assert self._payment is not None
        return self._payment

    @property
    def seen_at(self) -> int | None:
        """When (ms) a source was asked whose answer, if only by silence, is known."""
        covered_by = self._node.source_report.now if self._is_covered else None
        return seen_at(self._seen_at, covered_by)

    @property
    def next_poll_at(self) -> int | None:
        """When (ms) it looks at the chain next by itself; None: it need not."""
        return None if self._poll is None else due_at(self._node, self._poll)

    def on_start(self) -> None:
        if self._payment is not None:
            self.ref.shown = self._payment
            self._begin()
            return
        name = self.ref.name
        self.await_reply(
            lambda reply: self._node.read_written(lambda s: s.payment(name), reply),
            self._loaded,
        )

    def on_receive(self, message: object) -> None:
        match message:
            case Seen(view, asked_at):
                self._on_seen(view, asked_at)
            case TimersDue(number):
                if number == self._poll:
                    self._on_poll_due()
            case PollNow():
                by_hand = question_by_hand(self._node, self.payment, self._script)
                self._node.source.tell(by_hand)
            case Command(observation, reply, beside):
                rows = () if beside is None else (beside,)
                self._obey(observation, rows, reply)
            case LetGo():
                ask = let_go(self._node, self.payment, message)
                if ask is not None:
                    self.await_reply(ask, self._released)
            case ReviewDue():
                self._on_review_due()
            case CoverageEnded():
                if self._poll is None:
                    self._poll_at_random()
            case DescribeWatcher(reply):
                why = (self._unknowns or Unknowns()).why(self._review)
                seen, next_at = self.seen_at, self.next_poll_at
                reply(WatcherReport(self.payment, seen, next_at, why))
        self._keep_looking()

    def on_stop(self) -> None:
        """Not after a crash: another takes its place, and what is known of the script
        beyond the last blocks must be there for it."""
        if self._payment is not None:
            self._node.source.tell_system(Unwatch(self._script, self.ref))
            nothing_open(self._node, self._payment.id)

    # -- life ----------------------------------------------------------------------

    def _loaded(self, answer: object) -> None:
        if isinstance(answer, StoreUnavailable):  # not: damaged for good
            raise Unreadable(f"cannot load {self.ref.name}: {answer!r}")
        if not isinstance(answer, Payment):
            raise RuntimeError(f"cannot load {self.ref.name}: {answer!r}")
        self._payment = self.ref.shown = answer
        self._script = script_of(answer)
        self._node.source.tell_system(self.interest(self.ref))
        self._begin()

    def interest(self, ref: Ref) -> Watch:
        """What to tell the source: the supervisor does, before the watcher starts."""
        return interest(self.payment, self._script, ref)

    def _begin(self) -> None:
        """The source was told of the script: it shows it as it is, for a start."""
        if self._deadline is None:
            self._arm_deadline()
        self._poll_at_random()

    def _arm_deadline(self) -> None:
        deadline = next_deadline(self.payment)
        if deadline != self._deadline:
            self._wait_until(deadline)

    @property
    def _kept_unknowns(self) -> Unknowns:
        if self._unknowns is None:
            self._unknowns = Unknowns()
        return self._unknowns

    # -- looking at the chain ------------------------------------------------------

    @property
    def _is_covered(self) -> bool:
        """Whether silence of a source that covers all scripts is an answer."""
        waits = self._is_shown_nothing and self._review is None
        return waits and is_untouched(self.payment)

    def _on_poll_due(self) -> None:
        self._poll = None
        complete_as_of = self._node.source_report.now.complete_as_of
        if complete_as_of is not None and self._is_covered:
            return  # it looks no more by itself until it must
        self._ask_source(urgent=self._review is not None)
        if self._is_overdue:
            self._kept_unknowns.alert(self._node, self.payment, self._review)
            look_up(self._node, self.payment)
        self._poll_in(self._interval_s())

    def _keep_looking(self) -> None:
        """If its waiting has become more than an answer of the source."""
        if self._poll is None and not self._is_covered:
            self._poll_in(self._interval_s())

    def _poll_at_random(self) -> None:
        """Those that begin at one moment do not ask at one moment for ever."""
        self._poll_in(self._interval_s() * self._node.random.random())

    def _ask_source(self, *, urgent: bool) -> None:
        due = 0.0 if urgent else self._node.clock.monotonic()
        self._node.source.tell(question(self.payment, self._script, due))

    def _poll_in(self, delay_s: float) -> None:
        """What it waited for before comes to nothing."""
        self._poll = self._node.clock.call_later_coalesced(delay_s, self.ref)

    def _interval_s(self) -> float:
        return interval_s(self._node, self.payment, self._review)

    def _on_seen(self, shown: ChainView, asked_at: int) -> None:
        view = seen_by(shown, self.payment.terms.tip_height)
        self._is_shown_nothing = view.is_current and not view.outputs
        if self._is_covered:  # nothing can follow: spare the million that wait
            self._seen_at = asked_at
            self._node.restart_point.committed(self._script, shown)
            self._tell_doubts(view)
            self._after_review()
            return
        if self.payment.terms.quorum_above_sat is not None:
            view = self._kept_unknowns.hear(self._node, self.payment, view, asked_at)
        judged = judged_now(self._node, self.payment, self._review, view, asked_at)
        self._review = judged.state if judged.state.is_open else None
        if not judged.is_believed:
            not_believed(view.source, self.payment.id)
        elif view.is_current:
            self._seen_at = asked_at
        if judged.is_believed:
            self._tell_doubts(view)
        if judged.notes:
            self._kept_unknowns.take_notes(self._node, self.payment, judged.notes)
        if self.payment.terms.quorum_above_sat is not None:
            now_s = self._node.clock.monotonic()
            self._kept_unknowns.heard(judged, self._script, now_s)
        if judged.look_again_s is not None:
            self._poll_in(min(self._interval_s(), judged.look_again_s))
        if judged.has_more:
            self._persist(judged.payment, judged.events, (), None, (shown, asked_at))
        elif judged.events:
            self._persist(judged.payment, judged.events, (), None)
        else:
            if not judged.holds_back:
                self._read_whole(shown)
            self._after_review()

    def _tell_doubts(self, view: ChainView) -> None:
        if self._unknowns is not None or view.gap is not None:
            self._kept_unknowns.seen(self._node, self.payment.id, view)
            self._kept_unknowns.alert(self._node, self.payment, self._review)

    def _read_whole(self, view: ChainView) -> None:
        """All that follows from the view is committed. Of one that is not current
        more follows when its source is: its blocks must be read again for that."""
        if view.is_current:
            self._node.restart_point.committed(self._script, view)

    # -- deadlines -----------------------------------------------------------------

    def _on_review_due(self) -> None:
        now, now_s = self._node.clock.now(), self._node.clock.monotonic()
        passed = min(self._deadline or now, now)  # it may have moved on since
        self._review = (self._review or ReviewState()).passed(passed, now_s)
        self._deadline = None
        look_up(self._node, self.payment)
        self._ask_source(urgent=True)

    def _after_review(self) -> None:
        """Nothing more to tell now: let go of a payment that is over, or wait on."""
        if self._is_overdue or self._deadline is not None:
            return
        settings, now = self._node.settings, self._node.clock.now()
        deadline = next_review(self.payment, now, settings.recheck_s)
        if deadline is None:
            ask = release(self._node, self.payment.terms)
            self.await_reply(ask, self._released)
        else:
            self._wait_until(deadline)

    @property
    def _is_overdue(self) -> bool:
        return self._review is not None and self._review.overdue is not None

    def _wait_until(self, deadline: int) -> None:
        self._deadline = deadline
        self._node.supervisor.tell_system(Deadline(self.payment.id, deadline))

    def _released(self, outcome: Outcome) -> None:
        if isinstance(outcome, Committed):
            # What came meanwhile is read no more: nobody would watch the payment that
            # it makes. A source's views go; an edge that asked hears `NotWatched`.
            self.ref.stop()
        else:
            self._look_again()

    # -- deciding and believing ----------------------------------------------------

    def _obey(
        self, observation: Observation, rows: tuple[Row, ...], reply: Reply
    ) -> None:
        try:
            now, rate_for = self._node.clock.now(), self._node.rate_for
            decided = follow(self.payment, observation, now, rate_for=rate_for)
        except Refused as refusal:
            reply(refusal)
            return
        events, payment = decided.events, decided.payment
        if decided.notes:
            self._kept_unknowns.take_notes(self._node, payment, decided.notes)
        if isinstance(observation, InvoiceGone) and self._review is not None:
            self._review = self._review.node_said(observation)
        if not events and not rows:
            reply(payment)
        else:
            self._persist(payment, events, rows, reply)
        if isinstance(observation, LOOK_AT_CHAIN):
            self._ask_source(urgent=True)

    def _persist(
        self,
        after: Payment,
        events: list[Event],
        rows: tuple[Row, ...],
        reply: Reply | None,
        again: tuple[ChainView, int] | None = None,
    ) -> None:
        """`again`: a view, asked for then, that tells more once this is committed."""
        write = as_write(self.payment, after, events, rows)
        # No closure: it would be twice as many objects, and ten thousand may wait.
        believe = partial(self._believe, after, reply, again)
        self.await_reply(lambda answer: self._node.append(write, answer), believe)

    def _believe(
        self,
        after: Payment,
        reply: Reply | None,
        again: tuple[ChainView, int] | None,
        outcome: Outcome,
    ) -> None:
        if isinstance(outcome, Committed):
            before, self._payment = self.payment, after
            assert after.id == before.id, after.id
            assert after.seq >= before.seq, (before.seq, after.seq)
            self.ref.shown = after
            if known_outputs(before) != known_outputs(after):
                # A source that begins anew must believe in no receipt that is gone.
                self._node.source.tell_system(self.interest(self.ref))
            note_status(self._node, before, after)
            if reply is not None:
                reply(after)
            self._arm_deadline()
            self._after_review()
            if again is not None:
                self._on_seen(*again)
            self._keep_looking()
            return
        if reply is not None:
            reply(outcome)
        if isinstance(outcome, Conflict) and outcome.what in {"seq", "other"}:
            # Another hand wrote to it, or it cannot be written at all.
            raise RuntimeError(f"cannot write {self.payment.id}: {outcome}")
        if isinstance(outcome, Unavailable):
            self._resume_review()
            self._look_again()

    def _look_again(self) -> None:
        """Something could not be written: it follows from the next view once more."""
        self._is_shown_nothing = False
        self._poll_in(RETRY_S)

    def _resume_review(self) -> None:
        """What followed from a deadline was not written: it is still to be judged."""
        if self._deadline is None:
            self._review = resumed(self._node, self.payment, self._review)
