"""Shares of a fee, replacements, and plans that cannot be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.errors import CannotSpend
from engine.wallet.bump import plan_bump
from engine.wallet.coin import Coin
from engine.wallet.fees import INCREMENTAL_RATE, FeeRules
from engine.wallet.plan import Plan, PlannedOutput, Share, shares_of, split
from engine.wallet.size import fee_of, tx_weight
from engine.wallet.spend import plan_payment, plan_sweep
from tests.unit.engine.wallet.coins import TIP, coin
from tests.unit.engine.wallet.plans import (
    P2TR,
    P2WPKH,
    RULES,
    assert_sound,
    coins,
    rates,
    scripts,
)


def test_each_payment_bears_the_fee_by_the_weight_of_its_inputs() -> None:
    made = [
        coin("p2pkh", 1, 50_000, "pay_a"),
        coin("p2tr", 2, 40_000, "pay_b"),
        coin("p2tr", 3, 30_000, "pay_a"),
    ]
    plan = plan_sweep(made, P2WPKH, 10_000, RULES, TIP).plan
    assert plan is not None
    assert plan.fee_sat == 3_050
    assert shares_of(plan) == (
        Share("pay_a", "shop", 80_000, 2_384),
        Share("pay_b", "shop", 40_000, 666),
    )
    assert shares_of(plan)[1].sent_sat == 39_334


def test_nobody_bears_more_than_he_has_in_it() -> None:
    made = [coin("p2wpkh", 1, 700, "pay_a"), coin("p2wpkh", 2, 10**6, "pay_b")]
    both = Plan(
        coins=tuple(made),
        outputs=(PlannedOutput(P2WPKH, 990_700),),
        fee_sat=10_000,
        payers=(0,),
    )
    first, second = shares_of(both)
    assert (first.fee_sat, first.sent_sat) == (700, 0)
    assert second.fee_sat == 9_300


def test_a_division_leaves_nothing_over() -> None:
    assert split(10, [1, 1, 1]) == [4, 3, 3]
    assert split(11, [1, 1, 1]) == [4, 4, 3]
    assert split(0, [5]) == [0]
    assert split(100, [3, 1]) == [75, 25]


@given(coins, scripts, rates, rates, st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_a_bump_spends_the_same_coins_and_pays_as_bip125_asks(
    made: list[Coin], to: bytes, rate: int, higher: int, beside: int
) -> None:
    plan = plan_sweep(made, to, rate, FeeRules(max_percent=50), TIP).plan
    if plan is None:
        return
    try:
        bumped = plan_bump(plan, higher, RULES, beside)
    except CannotSpend as error:
        assert error.why in {"fee", "dust"}
        return
    assert_sound(bumped)
    assert bumped.coins == plan.coins
    assert [o.script for o in bumped.outputs] == [to]
    assert bumped.fee_sat >= plan.fee_sat + beside + bumped.vsize  # rules 3 and 4
    assert bumped.fee_sat >= fee_of(bumped.weight, higher)
    least = plan.fee_sat + beside + fee_of(plan.weight, INCREMENTAL_RATE)
    assert bumped.fee_sat == max(least, fee_of(plan.weight, higher))
    assert bumped.fee_sat <= min(fee_of(plan.weight, 200_000), plan.ceiling_sat)


def sweep_of(amount: int, rate: int = 1_000, percent: int = 100) -> Plan:
    made = [coin("p2wpkh", 1, amount)]
    plan = plan_sweep(made, P2WPKH, rate, FeeRules(max_percent=percent), TIP).plan
    assert plan is not None
    return plan


def test_a_bump_never_passes_the_cap_nor_its_part() -> None:
    plan = sweep_of(100_000)
    cap = FeeRules(cap_sat_kvb=5_000)
    assert plan_bump(plan, 5_000, cap).fee_sat == 550
    with pytest.raises(CannotSpend, match="the cap is 550 sat") as caught:
        plan_bump(plan, 5_001, cap)
    assert caught.value.why == "fee"
    part = sweep_of(5_500, percent=10)
    assert part.ceiling_sat == 550
    assert plan_bump(part, 5_000, RULES).fee_sat == 550
    with pytest.raises(CannotSpend, match="the cap is 550 sat"):
        plan_bump(part, 5_001, RULES)


def test_a_bump_pays_for_its_own_relay_and_no_more_than_is_asked() -> None:
    plan = sweep_of(100_000)
    assert plan_bump(plan, 1_000, RULES).fee_sat == plan.fee_sat + 110
    assert plan_bump(plan, 1_000, RULES, 7).fee_sat == plan.fee_sat + 117
    assert plan_bump(plan, 2_001, RULES).fee_sat == 221


def test_a_bump_leaves_no_dust() -> None:
    plan = sweep_of(1_000)
    assert plan_bump(plan, 706 * 1_000 // 110, RULES).outputs[0].amount_sat >= 294
    with pytest.raises(CannotSpend, match="leave only dust") as caught:
        plan_bump(plan, 6_500, RULES)
    assert caught.value.why == "dust"


def refund(change_sat: int) -> Plan:
    fee = fee_of(tx_weight([P2WPKH], [P2WPKH, P2TR]), 1_000)
    made = [coin("p2wpkh", 1, 5_000 + fee + change_sat)]
    plan = plan_payment(made, [PlannedOutput(P2WPKH, 5_000)], P2TR, 1_000, TIP)
    assert plan.change_sat == change_sat
    return plan


def test_a_bumped_refund_takes_from_its_change_then_all_of_it() -> None:
    plan = refund(10_000)
    bumped = plan_bump(plan, 10_000, RULES)
    assert bumped.outputs[0] == plan.outputs[0]
    assert bumped.change_sat == 10_000 - (bumped.fee_sat - plan.fee_sat)
    small = refund(400)
    gone = plan_bump(small, 2_000, RULES)
    assert gone.outputs == small.outputs[:1]
    assert (gone.change, gone.payers) == (None, ())
    assert gone.fee_sat == small.fee_sat + 400
    assert plan_bump(small, 5_027, RULES).fee_sat == 553  # just what is left
    with pytest.raises(CannotSpend, match="does not pay for a higher fee"):
        plan_bump(small, 5_028, RULES)
    with pytest.raises(CannotSpend, match="no output that a higher fee"):
        plan_bump(gone, 10_000, RULES)
    with pytest.raises(CannotSpend, match="does not pay for a higher fee") as caught:
        plan_bump(small, 50_000, RULES)
    assert caught.value.why == "funds"
    with pytest.raises(CannotSpend, match="the cap is"):
        plan_bump(small, 2_000, FeeRules(cap_sat_kvb=2_000))
    with pytest.raises(CannotSpend, match="does not pay for a higher fee"):
        plan_bump(small, 2_000, RULES, descendants_fee_sat=10_000)


def test_receivers_who_bear_the_fee_bear_a_higher_one() -> None:
    made = [coin("p2wpkh", 1, 10_000)]
    two = [PlannedOutput(P2WPKH, 5_000), PlannedOutput(P2TR, 5_000)]
    plan = plan_payment(made, two, P2TR, 1_000, TIP, fee_from_outputs=True)
    bumped = plan_bump(plan, 3_000, RULES)
    assert [o.amount_sat for o in bumped.outputs] == [4_770, 4_771]
    with pytest.raises(CannotSpend, match="dust"):
        plan_bump(plan, 62_000, RULES)
    rest = [coin("p2wpkh", 1, 20_000)]
    plan = plan_payment(rest, two, P2TR, 1_000, TIP, fee_from_outputs=True)
    assert plan.change == 2
    with pytest.raises(CannotSpend, match="dust"):  # their change is not theirs to pay
        plan_bump(plan, 62_000, RULES)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fee_sat": 1_001},
        {"coins": ()},
        {"outputs": ()},
        {"payers": (1,)},
        {"payers": (-1,)},
        {"change": 1},
        {"change": -1},
        {"outputs": (PlannedOutput(P2WPKH, 99_891),), "fee_sat": 109},
        {
            "outputs": (PlannedOutput(P2WPKH, 99_000), PlannedOutput(P2TR, 329)),
            "fee_sat": 671,
        },
    ],
    ids=str,
)
def test_a_plan_that_nodes_would_not_take_cannot_be(wrong: dict[str, object]) -> None:
    made = coin("p2wpkh", 1, 100_000)
    plan = Plan(
        coins=(made,),
        outputs=(PlannedOutput(P2WPKH, 99_000),),
        fee_sat=1_000,
        payers=(0,),
    )
    with pytest.raises(AssertionError):
        replace(plan, **wrong)
    with pytest.raises(AssertionError, match="twice"):
        replace(plan, coins=(made, made), fee_sat=101_000)
    coins = tuple(replace(made, vout=n) for n in range(1_500))
    with pytest.raises(AssertionError, match="heavy"):
        replace(plan, coins=coins, fee_sat=100_000 * 1_500 - 99_000)
