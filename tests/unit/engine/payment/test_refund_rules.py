"""What may be given back, at which sum, and which steps a refund can take."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.errors import Refused
from engine.money.amount import MAX_SAT, SAT_PER_BTC
from engine.payment.model import Payment, Receipt, Status
from engine.payment.refund import STEPS, Refund, RefundState
from engine.payment.refund_rules import (
    LEAST_SAT,
    cancelled,
    claimed,
    expired,
    given_out,
    paid,
    paying,
    refundable_sat,
    sat_of,
    stepped,
    taken_sat,
    unpaid,
    worth_of,
)
from engine.wallet.size import dust_sat
from tests.unit.payment_cases import (
    T0,
    Told,
    both_terms,
    lightning_terms,
    mined,
    settled,
    terms,
    view,
)

S = RefundState
RATES = st.decimals("0.01", "99999999", places=2).map(str)


def refund(state: RefundState = S.PENDING, sat: int = 10_000, **more: object) -> Refund:
    values: dict[str, object] = {
        "id": "ref_1", "payment_id": "pay_1", "merchant": "default", "rate": "given",
        "created_at": T0, **more,
    }  # fmt: skip
    return Refund(state=state, amount_sat=sat, **values)  # type: ignore[arg-type]


def received(*receipts: tuple[int, int], **more: object) -> Payment:
    """A payment with receipts of (sat, confirmations)."""
    found = tuple(
        Receipt(f"{n:064x}", 0, sat, confirmations=depth)
        for n, (sat, depth) in enumerate(receipts)
    )
    return Payment(terms(**more), receipts=found)


def test_only_what_is_deep_enough_may_go_back() -> None:
    payment = received((700, 3), (400, 2), (90, 0), confirmations_required=3)
    assert refundable_sat(payment) == 700


def test_a_payment_that_needs_no_depth_is_refunded_from_a_block_only() -> None:
    payment = received((700, 1), (400, 0), confirmations_required=0)
    assert refundable_sat(payment) == 700, "it may yet be double-spent"


def test_of_a_double_spent_payment_nothing_is_there() -> None:
    assert refundable_sat(received()) == 0


def test_a_large_sum_that_one_source_shows_is_not_believed() -> None:
    payment = received((70_000, 3), confirmations_required=3, quorum_above_sat=50_000)
    with pytest.raises(Refused, match="two independent"):
        refundable_sat(payment)
    by_two = Payment(payment.terms, Status.CONFIRMED, receipts=payment.receipts)
    assert refundable_sat(by_two) == 70_000


def test_what_came_by_lightning_may_go_back_at_once_and_whole() -> None:
    told = Told(lightning_terms())
    told(settled(50_000, fee_msat=1_000_000, credit_msat=2_000_000))
    assert refundable_sat(told.payment) == 50_000


def test_of_a_mixed_payment_each_half_goes_back_by_its_own_depth() -> None:
    told = Told(both_terms(quorum_above_sat=10_000))
    told(settled(9_000))
    assert refundable_sat(told.payment) == 9_000
    told(view(mined("t1", 1000, 10_000)))
    assert refundable_sat(told.payment) == 9_000, "not deep enough"
    told(view(mined("t1", 1000, 10_000), tip=1002))
    assert refundable_sat(told.payment) == 19_000, "two sources for the chain's alone"


def test_a_card_is_refunded_at_its_gateway() -> None:
    with pytest.raises(Refused, match="gateway"):
        refundable_sat(received(method="external"))


def test_what_living_and_paid_refunds_take_is_taken() -> None:
    all_states = [refund(state, 1) for state in S]
    assert taken_sat(all_states) == 4, "open, pending, paying, paid"


@given(minor=st.integers(1, 10**9), decimals=st.integers(0, 3), rate=RATES)
def test_the_sum_is_rounded_up_by_less_than_a_satoshi(
    minor: int, decimals: int, rate: str
) -> None:
    sat = sat_of(minor, decimals, rate, 0)
    exact = Fraction(minor * SAT_PER_BTC, 10**decimals) / Fraction(rate)
    if sat <= 21 * 10**14:
        assert 0 <= sat - exact < 1 or exact < 1


@given(
    parts=st.lists(st.integers(1, 100_000), min_size=1, max_size=8),
    rate=RATES,
)
def test_parts_of_a_price_at_its_own_rate_come_to_the_whole_and_no_more(
    parts: list[int], rate: str
) -> None:
    """The payer paid the price, rounded up. Each part is rounded up too, so the last
    may find a few satoshi less than its own rounding, and is refused or cut to that."""
    whole = sat_of(sum(parts), 2, rate, 0)
    left = whole
    for minor in parts:
        sat = sat_of(minor, 2, rate, left)
        if sat > left:
            break  # refused
        left -= sat
    assert left >= 0
    assert sat_of(sum(parts), 2, rate, whole) == whole


def test_the_last_part_of_a_price_takes_what_rounding_left_of_it() -> None:
    """A cent is 31.25 sat, half the price 3,156.25: the first half has 3,157 of 6,313,
    the second the 3,156 that are left. One satoshi less, and that is too much."""
    half, rate = 101, "32000"
    assert sat_of(2 * half, 2, rate, 10_000) == 6_313
    assert sat_of(half, 2, rate, 6_313) == 3_157
    assert sat_of(half, 2, rate, 3_156) == 3_156
    assert sat_of(half, 2, rate, 3_155) == 3_157
    assert sat_of(10**18, 0, "0.01", 6_313) == MAX_SAT + 1, "more than there are"


def test_the_least_is_dust_to_no_kind_of_address() -> None:
    p2pkh = bytes.fromhex("76a914") + bytes(20) + bytes.fromhex("88ac")
    assert dust_sat(p2pkh) == LEAST_SAT


@given(sat=st.integers(546, 10**12), rate=RATES)
def test_a_worth_is_the_nearest_unit(sat: int, rate: str) -> None:
    worth = worth_of(sat, "EUR", 2, rate, T0)
    exact = Fraction(rate) * sat * 100 / SAT_PER_BTC
    assert abs(worth.minor - exact) <= Fraction(1, 2)


@pytest.mark.parametrize(("before", "after"), list(product(S, S)))
def test_only_the_steps_of_the_table_are_taken(
    before: RefundState, after: RefundState
) -> None:
    one = refund(before)
    if after in STEPS[before]:
        assert stepped(one, after).state is after
    else:
        with pytest.raises(Refused):
            stepped(one, after)


def test_a_link_is_claimed_once_and_in_time() -> None:
    one = refund(S.OPEN, expires_at=T0 + 1_000)
    mine = claimed(one, "bcrt1q", 7, T0 + 999)
    assert (mine.state, mine.address, mine.after_height) == (S.PENDING, "bcrt1q", 7)
    with pytest.raises(Refused, match="claimed before"):
        claimed(mine, "bcrt1p", 7, T0)
    with pytest.raises(Refused, match="over"):
        claimed(one, "bcrt1q", 7, T0 + 1_000)
    assert expired(one, T0 + 1_000).state is S.EXPIRED


def test_who_signs_a_psbt_pays_so_its_refund_is_not_just_withdrawn() -> None:
    out = given_out(refund(), T0, 9_000)
    with pytest.raises(Refused, match="psbt_destroyed"):
        cancelled(out, T0, "api", is_psbt_void=False)
    assert cancelled(out, T0, "api", is_psbt_void=True).state is S.CANCELLED
    again = given_out(out, T0 + 5, 9_500)
    assert (again.psbt_at, again.psbt_least_sat) == (T0, 9_000)
    assert given_out(again, T0 + 6, 8_000).psbt_least_sat == 8_000


def test_a_transaction_that_can_never_be_mined_leaves_it_to_be_paid_again() -> None:
    under_way = paying(refund(), "out_1", "ab" * 32, 1, 10_000, 250)
    again = unpaid(under_way)
    assert again == replace(refund(), outgoing_id="out_1"), "it may yet be mined"
    done = paid(under_way, "ab" * 32, 1, T0)
    assert (done.state, done.settled_at) == (S.PAID, T0)
    with pytest.raises(Refused):
        unpaid(done)


def test_less_arrives_only_where_the_fee_is_taken_off() -> None:
    with pytest.raises(AssertionError):
        paying(refund(), "out_1", "ab" * 32, 0, 9_000, 1_000)
    less = paying(refund(takes_fee=True), "out_1", "ab" * 32, 0, 9_000, 1_000)
    assert less.amount_sat == 10_000, "so much is taken of the payment"
