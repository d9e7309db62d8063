"""An address that is showered with outputs: dust hides no money."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.chain.feed import ChainView, Output
from engine.money.amount import MAX_SAT
from engine.payment.crowd import MOST_RECEIPTS, SEATS, followed
from engine.payment.events import Event, opening
from engine.payment.model import MAX_RECEIPTS, Payment, Receipt, Status
from engine.payment.notes import LeftOut
from engine.payment.review import NEWS_PER_STEP, Judgement, ReviewState, judge
from engine.payment.rules import follow
from tests.unit.payment_cases import HOUR_MS, T0, Told, mempool, mined, terms, view

EXPIRY = T0 + HOUR_MS


def dust(count: int, amount_sat: int = 294) -> list[Output]:
    return [mempool(f"d{number}", amount_sat) for number in range(count)]


def judged_whole(
    payment: Payment, shown: ChainView, state: ReviewState | None = None
) -> Judgement:
    """As a watcher does: the same view again, as long as it has more to tell."""
    events: list[Event] = []
    while True:
        judged = judge(
            state or ReviewState(), payment, shown, EXPIRY, now=EXPIRY, now_s=5.0
        )
        payment, events = judged.payment, events + judged.events
        assert len(judged.events) <= 2 * NEWS_PER_STEP + 5
        if not judged.has_more:
            return Judgement(
                payment,
                events,
                judged.state,
                judged.look_again_s,
                notes=judged.notes,
            )


def test_money_that_comes_after_a_thousand_outputs_of_dust_is_counted() -> None:
    told = Told()
    shower = dust(MAX_RECEIPTS)
    told(view(*shower))
    assert told.payment.received_sat == 294_000, "all of it counts, to begin with"
    told = Told(terms(amount_sat=1_000_000))
    told(view(*shower))
    paid = mined("money", 998, 1_000_000)
    assert told(view(*shower, paid)) == [
        "detected",
        "overpaid",
        "confirming",
        "confirmed",
    ]


@pytest.mark.parametrize("amount_sat", [1_000_000, None])
def test_money_that_comes_with_any_number_of_them_is_counted(
    amount_sat: int | None,
) -> None:
    shown = view(*dust(5_000), mined("money", 998, 1_000_000))
    payment = opening(terms(amount_sat=amount_sat))[1]
    after = judged_whole(payment, shown).payment
    assert after.status is Status.CONFIRMED
    assert "money" in {receipt.txid for receipt in after.receipts}


def test_an_order_does_not_expire_with_the_full_sum_on_the_chain() -> None:
    """Be it in more outputs than one payment follows."""
    crumbs = dust(3_000, 400)
    shown = view(*crumbs)
    payment = opening(terms(amount_sat=1_200_000))[1]
    overdue = ReviewState().passed(EXPIRY, 5.0)
    judged = judged_whole(payment, shown, overdue)
    assert judged.payment.status is Status.CONFIRMING
    assert len(judged.payment.receipts) == MAX_RECEIPTS
    assert judged.state.overdue == EXPIRY
    assert judged.state.reason is not None
    assert "a person must see" in judged.state.reason
    (note,) = judged.notes
    assert note.why is LeftOut.TOO_MANY
    assert note.detail == "2000 outputs of 800000 sat in all are not followed"
    short = judged_whole(payment, view(*crumbs[:-1]), overdue)
    assert short.payment.status is Status.EXPIRED


def test_nothing_is_judged_before_all_that_a_view_shows_is_told() -> None:
    payment = opening(terms(amount_sat=5_000_000))[1]
    overdue = ReviewState().passed(EXPIRY, 5.0)
    judged = judge(overdue, payment, view(*dust(500)), EXPIRY, now=EXPIRY, now_s=5.0)
    assert judged.has_more
    assert {event.type.value for event in judged.events} == {"payment.detected"}
    assert judged.state.overdue == EXPIRY
    whole = judged_whole(payment, view(*dust(500)), overdue)
    types = [event.type.removeprefix("payment.") for event in whole.events]
    assert types == ["detected"] * 500 + ["underpaid", "expired"]


def test_up_to_the_bound_everything_is_followed_in_its_order() -> None:
    fresh = dust(MAX_RECEIPTS)
    assert followed((), fresh) == fresh


_amounts = st.integers(1, MAX_SAT) | st.sampled_from([1, 294, 546, 10_000, 100_000])


def _outputs(amounts: list[int]) -> list[Output]:
    return [mempool(f"o{number}", amount) for number, amount in enumerate(amounts)]


@given(
    st.lists(_amounts, max_size=60),
    st.integers(MAX_RECEIPTS - 40, MAX_RECEIPTS),
)
def test_whatever_comes_the_largest_are_followed(
    amounts: list[int], known: int
) -> None:
    """What is left out has `SEATS` of about its size that are followed."""
    receipts = [Receipt(f"d{n}", 0, 294) for n in range(known)]
    fresh = _outputs(amounts)
    chosen = followed(receipts, fresh)
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(fresh)
    assert known + len(chosen) <= MOST_RECEIPTS
    every = [receipt.amount_sat for receipt in receipts]
    every += [output.amount_sat for output in chosen]
    for output in set(fresh) - set(chosen):
        assert known + len(chosen) >= MAX_RECEIPTS
        near = [sat for sat in every if output.amount_sat / 4 < sat]
        assert len(near) >= SEATS


@given(st.lists(_amounts, max_size=30), st.integers(1, 7))
def test_told_in_steps_or_at_once_it_comes_to_the_same(
    amounts: list[int], step: int
) -> None:
    outputs, total = [], 0
    for output in _outputs(amounts):
        total += output.amount_sat
        if total <= MAX_SAT:
            outputs.append(output)
    shown = view(*outputs)
    payment = opening(terms(amount_sat=None))[1]
    at_once = follow(payment, shown, T0)
    events, in_steps = [], follow(payment, shown, T0, step)
    while in_steps.has_more:
        events += in_steps.events
        in_steps = follow(in_steps.payment, shown, T0, step)
    assert events + in_steps.events == at_once.events
    assert in_steps.payment == at_once.payment
