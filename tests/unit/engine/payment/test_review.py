"""What is open between two views: absences that are looked at twice, and deadlines."""

import pytest

from engine.chain.feed import ChainView
from engine.payment.events import opening
from engine.payment.model import Payment, Status
from engine.payment.observations import Cancel, ConfirmByHand, ProviderClaim
from engine.payment.review import (
    LONG_WAIT_S,
    LOOK_TWICE_S,
    REVIEW_AGAIN_MOST_S,
    REVIEW_AGAIN_S,
    AbsenceTracker,
    Judgement,
    ReviewState,
    judge,
    next_review,
    poll_interval_s,
)
from engine.payment.rules import follow
from tests.unit.payment_cases import (
    HOUR_MS,
    T0,
    confirmed,
    mempool,
    mined,
    terms,
    view,
)

EXPIRY = T0 + HOUR_MS


class Case:
    """A payment and its open state; views come at moments in ms after its creation."""

    def __init__(self, **changes: object) -> None:
        self.payment: Payment = opening(terms(**changes))[1]
        self.state = ReviewState()

    def seen(
        self, shown: ChainView, at_ms: int, *, waited_s: float = 0.0
    ) -> tuple[list[str], float | None]:
        """(types told, when to look again). `waited_s`: the monotonic clock."""
        judged: Judgement = judge(
            self.state,
            self.payment,
            shown,
            T0 + at_ms,
            now=T0 + at_ms,
            now_s=1_000.0 + waited_s,
        )
        self.payment, self.state = judged.payment, judged.state
        types = [event.type.removeprefix("payment.") for event in judged.events]
        return types, judged.look_again_s

    def deadline_passes(self) -> None:
        self.state = self.state.passed(EXPIRY, 1_000.0)


def test_the_moments_that_shops_and_docs_rely_on() -> None:
    assert LOOK_TWICE_S == 2.0
    assert REVIEW_AGAIN_S == 15.0
    assert REVIEW_AGAIN_MOST_S == 300.0
    assert LONG_WAIT_S == 600.0


# -- absence ---------------------------------------------------------------------------


def test_a_receipt_is_gone_when_a_second_look_does_not_find_it_either() -> None:
    case = Case()
    case.seen(view(mempool("t1")), 0)
    assert case.seen(view(), 1_000) == ([], LOOK_TWICE_S)
    assert case.state.is_open
    assert case.seen(view(), 2_999) == ([], LOOK_TWICE_S)
    assert case.seen(view(), 3_000) == (["replaced"], None)


def test_a_receipt_that_is_listed_again_was_never_missing() -> None:
    case = Case()
    case.seen(view(mempool("t1")), 0)
    case.seen(view(), 1_000)
    assert case.seen(view(mempool("t1")), 2_000) == ([], None)
    assert not case.state.is_open
    assert case.seen(view(), 9_000) == ([], LOOK_TWICE_S), "the first look of two"


def test_what_an_incomplete_view_leaves_out_is_not_missing() -> None:
    case = Case()
    case.seen(view(mempool("t1")), 0)
    assert case.seen(view(complete=False), 1_000) == ([], None)
    assert not case.state.is_open
    assert case.seen(view(), 9_000) == ([], LOOK_TWICE_S), "the first look of two"


def test_a_source_that_is_behind_misses_nothing() -> None:
    case = Case()
    case.seen(view(mempool("t1")), 0)
    for at_ms in (1_000, 9_000):
        assert case.seen(view(is_current=False), at_ms) == ([], None)
    assert not case.state.is_open


def test_another_source_must_lack_it_as_long_as_it_takes_to_hear_of_it() -> None:
    """It may have been asked for the first time, long after the receipt was seen."""
    case = Case()
    case.seen(view(mempool("t1")), 0)
    other = view(source="other")
    assert case.seen(other, HOUR_MS) == ([], 600.0)
    assert case.seen(other, HOUR_MS + 200_000) == ([], 400.0)
    assert case.seen(other, HOUR_MS + 599_999) == ([], LOOK_TWICE_S)
    assert case.seen(other, HOUR_MS + 600_000) == (["replaced"], None)


@pytest.mark.parametrize("shown", [{"complete": False}, {"is_current": False}])
def test_what_proves_nothing_undoes_no_look_unless_it_lists_the_receipt(
    shown: dict[str, bool],
) -> None:
    """Of an address that one source cannot read whole another is asked beside it."""
    case = Case()
    both = (mempool("t1", 20_000), mempool("t2", 30_000))
    case.seen(view(*both), 0)
    case.seen(view(), 1_000)
    blind = view(source="other", **shown)  # type: ignore[arg-type]
    assert case.seen(blind, 2_000) == ([], None)
    has_one = view(both[0], source="other", **shown)  # type: ignore[arg-type]
    assert case.seen(has_one, 2_500) == ([], None)
    assert case.state.absence.absent == {("t2", 0)}
    assert case.seen(view(both[0]), 3_000)[0] == ["replaced", "underpaid"]


def test_two_sources_that_lack_it_once_each_are_no_second_look() -> None:
    case = Case()
    case.seen(view(mempool("t1")), 0)
    assert case.seen(view(), 1_000) == ([], LOOK_TWICE_S)
    assert case.seen(view(source="other"), 9_000)[0] == []
    assert case.seen(view(), 700_000) == ([], LOOK_TWICE_S), "the first look of two"
    assert case.seen(view(), 702_000) == (["replaced"], None)


def test_another_receipt_that_is_missing_begins_the_two_looks_anew() -> None:
    case = Case()
    both = (mempool("t1", 20_000), mempool("t2", 30_000))
    case.seen(view(*both), 0)
    case.seen(view(both[0]), 1_000)
    assert case.seen(view(), 5_000) == ([], LOOK_TWICE_S)
    assert case.seen(view(), 7_000)[0] == ["replaced", "replaced"]


def test_one_of_two_that_is_still_missing_needs_no_third_look() -> None:
    case = Case()
    both = (mempool("t1", 20_000), mempool("t2", 30_000))
    case.seen(view(*both), 0)
    case.seen(view(), 1_000)
    assert case.seen(view(both[0]), 3_000)[0] == ["replaced", "underpaid"]


def test_the_replacement_takes_its_place_at_the_first_look() -> None:
    """Both must never be counted."""
    case = Case()
    case.seen(view(mempool("t1")), 0)
    assert case.seen(view(mempool("t2")), 1_000) == (["replaced", "detected"], None)


def test_what_is_in_a_block_is_not_missing_by_not_being_listed() -> None:
    case = Case()
    case.seen(view(mined("t1", 1_000)), 0)
    assert case.seen(view(), 1_000) == ([], None)
    assert not case.state.is_open
    assert AbsenceTracker().look(case.payment, view(), T0)[0] == AbsenceTracker()


# -- deadlines -------------------------------------------------------------------------


def test_a_deadline_is_judged_by_a_view_asked_for_after_it() -> None:
    case = Case()
    assert case.seen(view(), HOUR_MS + 5) == ([], None), "nobody said that it passed"
    case.deadline_passes()
    assert case.state.is_open
    assert case.seen(view(), HOUR_MS - 1) == ([], REVIEW_AGAIN_S)
    assert case.seen(view(), HOUR_MS) == (["expired"], None)
    assert not case.state.is_open


def test_money_in_the_view_that_judges_the_deadline_is_in_time() -> None:
    case = Case()
    case.deadline_passes()
    assert case.seen(view(mempool("t1")), HOUR_MS)[0] == ["detected"]
    assert case.payment.status is Status.CONFIRMING


@pytest.mark.parametrize("shown", [{"complete": False}, {"is_current": False}])
def test_a_view_that_proves_nothing_judges_no_deadline_however_long_it_takes(
    shown: dict[str, bool],
) -> None:
    case = Case()
    case.deadline_passes()
    blind = view(**shown)  # type: ignore[arg-type]
    assert case.seen(blind, HOUR_MS - 1) == ([], REVIEW_AGAIN_S)
    for waited_s in (7.0, 3_607.0, 1e6):
        told, again_s = case.seen(blind, 99 * HOUR_MS, waited_s=waited_s)
        assert told == []
        assert again_s is not None
        assert REVIEW_AGAIN_S <= again_s <= REVIEW_AGAIN_MOST_S
    assert case.seen(view(), 99 * HOUR_MS)[0] == ["expired"]


def test_who_waits_long_looks_less_often() -> None:
    case = Case()
    case.deadline_passes()
    blind = view(complete=False)
    looks = [case.seen(blind, HOUR_MS, waited_s=s)[1] for s in (0, 120, 800, 9_000)]
    assert looks == [15.0, 15.0, 100.0, 300.0]


def test_a_deadline_that_waits_says_why() -> None:
    case = Case()
    assert case.seen(view(is_current=False), 5) == ([], None)
    assert case.state.reason is None, "no deadline has passed"
    case.deadline_passes()
    assert case.state.reason is None
    assert case.state.waited_s(1_060.0) == 60.0
    for shown, why in (
        (view(is_current=False), "node is behind"),
        (view(complete=False, source="esplora"), "esplora cannot tell"),
    ):
        case.seen(shown, HOUR_MS)
        assert case.state.reason is not None
        assert case.state.reason.startswith(why)
    case.seen(view(), HOUR_MS - 1)
    assert case.state.reason == "node was asked before the deadline"
    case.seen(view(), HOUR_MS)
    assert case.state == ReviewState()
    assert case.state.waited_s(9_999.0) == 0.0


def test_money_that_comes_while_a_deadline_waits_ends_the_wait() -> None:
    """Shown by a source that is behind: it expires no more, and nothing is open."""
    case = Case()
    case.deadline_passes()
    told, again_s = case.seen(view(mempool("t1"), is_current=False), 9 * HOUR_MS)
    assert (told, again_s) == (["detected"], None)
    assert not case.state.is_open


def test_of_two_deadlines_the_first_is_waited_for_and_judged() -> None:
    """The second may be the same one, told again by a clock that is put back later: a
    view that was asked for after the first must be enough then."""
    state = ReviewState().passed(EXPIRY, 7.0).passed(EXPIRY + 4 * HOUR_MS, 99.0)
    assert (state.overdue, state.waits_since) == (EXPIRY, 7.0)
    assert state.may_judge(view(), EXPIRY + 1)
    assert ReviewState().passed(EXPIRY + 5, 7.0).passed(EXPIRY, 9.0).overdue == EXPIRY


def test_a_receipt_missing_for_the_first_time_proves_no_absence_at_a_deadline() -> None:
    case = Case()
    case.seen(view(mempool("t1", 20_000)), 0)
    case.deadline_passes()
    assert case.seen(view(), HOUR_MS) == ([], LOOK_TWICE_S)
    told, _ = case.seen(view(), HOUR_MS + 2_000)
    assert told == ["replaced", "expired"]


def test_a_verdict_that_could_not_be_written_is_given_once_more() -> None:
    payment = Case().payment
    before = ReviewState().after_commit_failed(payment, EXPIRY - 1, 5.0)
    assert before == ReviewState(), "nothing was due"
    after = ReviewState().after_commit_failed(payment, EXPIRY, 5.0)
    assert (after.overdue, after.waits_since) == (EXPIRY, 5.0)
    waiting = ReviewState(overdue=7).after_commit_failed(payment, EXPIRY, 5.0)
    assert waiting.overdue == 7


# -- when to look ----------------------------------------------------------------------


def test_the_next_review_is_the_next_deadline_or_a_recheck_of_what_is_late() -> None:
    payment = Case().payment
    assert next_review(payment, T0, 60) == EXPIRY
    assert next_review(payment, EXPIRY - 1, 60) == EXPIRY
    paid = follow(payment, view(mempool("t1")), T0).payment
    end = payment.terms.monitor_until
    assert next_review(paid, EXPIRY, 60) == end
    assert next_review(paid, end, 60) == end + 60_000, "money is on its way"
    claimed = follow(payment, ProviderClaim("p", "t", 1), T0).payment
    assert next_review(claimed, T0, 60) == T0 + 600_000


def test_a_payment_nobody_waits_for_is_let_go_when_its_watch_ends() -> None:
    paid = confirmed().payment
    end = paid.terms.monitor_until
    assert next_review(paid, end - 1, 60) == end
    assert next_review(paid, end, 60) is None


@pytest.mark.parametrize(
    ("age_s", "every_s"),
    [
        (0, 60.0),
        (3_599, 60.0),
        (3_600, 120.0),
        (2 * 3_600, 240.0),
        (5 * 3_600, 600.0),
        (90 * 3_600, 600.0),
    ],
)
def test_a_payment_is_looked_at_less_often_with_age(age_s: int, every_s: float) -> None:
    found = poll_interval_s(
        Case().payment, T0 + age_s * 1000, slow_s=600, ageing_s=3_600
    )
    assert found == every_s


def every_s(payment: Payment, at: int = T0) -> float:
    return poll_interval_s(payment, at, slow_s=600, ageing_s=3_600)


@pytest.mark.parametrize(("wanted_s", "then_s"), [(15, 60), (60, 60), (300, 300)])
def test_a_webhook_that_the_chain_bears_out_ends_fast_looks(
    wanted_s: int, then_s: float
) -> None:
    payment = Case(poll_interval_s=wanted_s).payment
    told = follow(payment, ProviderClaim("btc", "t1", 50_000), T0).payment
    assert every_s(told) == wanted_s, "so far it is a claim, and the chain is asked"
    shown = follow(told, view(mempool("t1")), T0).payment
    assert (shown.status, every_s(shown)) == (Status.CONFIRMING, then_s)
    assert every_s(shown, T0 + HOUR_MS) == 2 * then_s, "and ages as any does"


def test_a_webhook_that_the_chain_does_not_bear_out_in_full_slows_nothing() -> None:
    """A second one that is a claim only; a part of the money; none at all."""
    payment = Case(poll_interval_s=15).payment
    first = follow(payment, ProviderClaim("btc", "t1", 50_000), T0).payment
    shown = follow(first, view(mempool("t1")), T0).payment
    again = follow(shown, ProviderClaim("btc", "t2", 50_000), T0).payment
    assert len(again.claims) == 1
    assert every_s(again) == 15
    part = follow(first, view(mempool("t1", 1_000)), T0).payment
    assert (part.received_sat, part.claims, every_s(part)) == (1_000, (), 15)
    seen_by_us = follow(payment, view(mempool("t1")), T0).payment
    assert every_s(seen_by_us) == 15, "polling is the way to know when no webhook comes"


def test_ageing_ends_after_six_doublings() -> None:
    old = T0 + 90 * HOUR_MS
    assert poll_interval_s(Case().payment, old, slow_s=9e9, ageing_s=3_600) == 64 * 60
    assert poll_interval_s(Case().payment, T0 - 5, slow_s=600, ageing_s=3_600) == 60


def test_nobody_waits_for_what_is_paid_or_over() -> None:
    payment = Case(poll_interval_s=15).payment
    paid = follow(payment, ConfirmByHand("ann"), T0).payment
    cancelled = follow(payment, Cancel("ann"), T0).payment
    for over in (paid, cancelled):
        assert poll_interval_s(over, T0, slow_s=600, ageing_s=3_600) == 600
    confirming = follow(payment, view(mempool("t1")), T0).payment
    assert poll_interval_s(confirming, T0, slow_s=600, ageing_s=3_600) == 15
    slow = Case(poll_interval_s=900).payment
    assert poll_interval_s(slow, T0, slow_s=600, ageing_s=3_600) == 900
    cancelled = follow(slow, Cancel("ann"), T0).payment
    assert poll_interval_s(cancelled, T0, slow_s=600, ageing_s=3_600) == 900
