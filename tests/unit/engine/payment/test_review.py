"""What is open between two views: absences that are looked at twice, and deadlines."""

import pytest

from engine.chain.feed import ChainView
from engine.payment.events import opening
from engine.payment.model import Payment, Status
from engine.payment.observations import Cancel, ConfirmByHand, ProviderClaim
from engine.payment.review import (
    ABSENCE_PATIENCE_S,
    LOOK_TWICE_S,
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
        self.state = self.state.passed(EXPIRY)


def test_the_moments_that_shops_and_docs_rely_on() -> None:
    assert LOOK_TWICE_S == 2.0
    assert REVIEW_AGAIN_S == 15.0
    assert ABSENCE_PATIENCE_S == 3_600.0


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


def test_an_incomplete_view_judges_only_after_long_patience() -> None:
    case = Case()
    case.deadline_passes()
    blind = view(complete=False)
    assert case.seen(blind, HOUR_MS - 1) == ([], REVIEW_AGAIN_S)
    for waited_s in (7.0, 3_606.0):  # of the wait, not of the clock, an hour
        assert case.seen(blind, HOUR_MS + 9, waited_s=waited_s) == ([], REVIEW_AGAIN_S)
    assert case.seen(blind, HOUR_MS + 9, waited_s=3_607.0) == (["expired"], None)


def test_a_jump_of_the_clock_is_no_patience() -> None:
    case = Case()
    case.deadline_passes()
    assert case.seen(view(complete=False), 99 * HOUR_MS)[0] == []


def test_patience_is_for_one_deadline() -> None:
    case = Case()
    case.deadline_passes()
    case.seen(view(complete=False), HOUR_MS, waited_s=0.0)
    case.seen(view(), HOUR_MS, waited_s=1.0)
    assert case.state == ReviewState()


def test_a_receipt_missing_for_the_first_time_proves_no_absence_at_a_deadline() -> None:
    case = Case()
    case.seen(view(mempool("t1", 20_000)), 0)
    case.deadline_passes()
    assert case.seen(view(), HOUR_MS) == ([], LOOK_TWICE_S)
    told, _ = case.seen(view(), HOUR_MS + 2_000)
    assert told == ["replaced", "expired"]


def test_a_verdict_that_could_not_be_written_is_given_once_more() -> None:
    payment = Case().payment
    before = ReviewState().after_commit_failed(payment, EXPIRY - 1)
    assert before == ReviewState(), "nothing was due"
    after = ReviewState().after_commit_failed(payment, EXPIRY)
    assert after.overdue == EXPIRY
    waiting = ReviewState(overdue=7).after_commit_failed(payment, EXPIRY)
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
