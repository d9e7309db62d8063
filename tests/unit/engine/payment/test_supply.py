"""No more money than there is: what a source says beyond that proves nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.chain.feed import ChainView
from engine.money.amount import MAX_SAT
from engine.payment.model import Payment, Status
from engine.payment.review import (
    LOOK_TWICE_S,
    REVIEW_AGAIN_S,
    Judgement,
    ReviewState,
    judge,
)
from engine.payment.rules import follow
from tests.unit.payment_cases import (
    HOUR_MS,
    T0,
    Told,
    block,
    confirmed,
    mempool,
    mined,
    view,
)

TOO_MUCH = (mempool("x1", MAX_SAT), mempool("x2", 1))
EXPIRY = T0 + HOUR_MS


def _judged(state: ReviewState, payment: Payment, shown: ChainView) -> Judgement:
    return judge(state, payment, shown, EXPIRY, now=EXPIRY, now_s=1_000.0)


def test_all_bitcoin_there_will_be_is_received_and_one_more_satoshi_is_not() -> None:
    told = Told()
    assert told(view(*TOO_MUCH)) == []
    assert told.status() is Status.PENDING
    assert told(view(TOO_MUCH[0])) == ["detected", "overpaid"]
    assert told.payment.received_sat == MAX_SAT


def test_one_output_of_more_than_there_is_is_not_believed() -> None:
    told = Told()
    assert told(view(mined("t1", 998, MAX_SAT + 1))) == []


@pytest.mark.parametrize("off_chain", [(), (block(998),)])
def test_such_a_view_takes_nothing_away_either(off_chain: tuple[str, ...]) -> None:
    told = confirmed()
    before = told.payment
    assert told(view(*TOO_MUCH, off_chain=off_chain), after_ms=HOUR_MS) == []
    assert told.payment == before


@pytest.mark.parametrize("more", [1, 50_000, MAX_SAT])
def test_two_sources_together_cannot_show_more_than_there_is(more: int) -> None:
    told = Told()
    told(view(mined("t1", 998, MAX_SAT), source="liar"))
    before = told.payment
    assert told(view(mined("t2", 998, more))) == []
    assert told.payment == before


def test_what_an_honest_source_shows_is_believed_when_the_liars_block_is_gone() -> None:
    told = Told()
    told(view(mined("t1", 998, MAX_SAT), source="liar"))
    assert told(view(mined("t2", 998))) == []
    shown = view(mined("t2", 998), off_chain=(block(998),), tip=999)
    assert told(shown, after_ms=HOUR_MS)[:2] == ["reorged", "replaced"]
    assert [r.txid for r in told.payment.receipts] == ["t2"]


def test_what_pays_something_else_is_not_added_up() -> None:
    told = Told()
    old = mined("old", 10, MAX_SAT, time_s=T0 // 1000 - 100_000)
    assert told(view(old, mempool("t1"))) == ["detected"]


def test_it_is_no_answer_to_a_deadline() -> None:
    payment, state = Told().payment, ReviewState().passed(EXPIRY, 1_000.0)
    judged = _judged(state, payment, view(*TOO_MUCH))
    assert (judged.events, judged.state, judged.payment) == ([], state, payment)
    assert (judged.is_believed, judged.look_again_s) == (False, REVIEW_AGAIN_S)
    assert _judged(state, payment, view()).payment.status is Status.EXPIRED


def test_it_is_no_second_look_and_does_not_undo_the_first() -> None:
    told = Told()
    told(view(mempool("t1")))
    first = _judged(ReviewState(), told.payment, view())
    assert first.look_again_s == LOOK_TWICE_S
    judged = _judged(first.state, told.payment, view(mempool("t1"), *TOO_MUCH))
    assert (judged.events, judged.state) == ([], first.state)
    idle = _judged(ReviewState(), told.payment, view(*TOO_MUCH))
    assert (idle.state, idle.look_again_s) == (ReviewState(), None)


_amounts = st.integers(0, 2 * MAX_SAT) | st.sampled_from([1, MAX_SAT - 1, MAX_SAT])
_outputs = st.lists(
    st.builds(mempool, st.sampled_from("abcd"), _amounts)
    | st.builds(mined, st.sampled_from("abcd"), st.integers(995, 1_000), _amounts),
    max_size=4,
    unique_by=lambda output: output.txid,
)
_views = st.builds(
    lambda outputs, source, off: view(*outputs, source=source, off_chain=tuple(off)),
    _outputs,
    st.sampled_from(["node", "liar"]),
    st.lists(st.builds(block, st.integers(995, 1_000)), max_size=2),
)


@given(st.lists(_views, max_size=6))
def test_no_event_ever_tells_of_more_than_there_is(views: list[ChainView]) -> None:
    told = Told()
    for shown in views:
        before = told.payment
        told(shown, after_ms=HOUR_MS // 10)
        if not follow(before, shown, told.now).is_believed:
            assert told.payment == before
    assert all(0 <= event.received_sat <= MAX_SAT for event in told.events)
    assert told.payment.received_sat <= MAX_SAT
