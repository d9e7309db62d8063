"""Plans: sums to the satoshi, fees within bounds, nothing that nodes do not relay."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.errors import CannotSpend
from engine.wallet.coin import Coin, SpendKind
from engine.wallet.fees import FeeRules
from engine.wallet.plan import Plan, PlannedOutput
from engine.wallet.size import (
    MAX_STANDARD_WEIGHT,
    dust_sat,
    fee_of,
    output_weight,
    tx_weight,
)
from engine.wallet.spend import MAX_INPUTS, Sweep, plan_payment, plan_sweep
from tests.unit.engine.wallet.coins import TIP, coin
from tests.unit.engine.wallet.plans import (
    P2PKH,
    P2TR,
    P2WPKH,
    P2WSH,
    RULES,
    assert_sound,
    coins,
    funds,
    rates,
    scripts,
)


@given(coins, scripts, rates, st.integers(1, 100))
@settings(max_examples=150, deadline=None)
def test_a_sweep_is_sound_and_leaves_nothing_out_of_account(
    made: list[Coin], to: bytes, rate: int, percent: int
) -> None:
    rules = FeeRules(max_percent=percent)
    sweep = plan_sweep(made, to, rate, rules, TIP)
    gone = () if sweep.plan is None else sweep.plan.coins
    everything = [*gone, *(left.coin for left in sweep.left)]
    assert sorted(c.outpoint for c in everything) == sorted(c.outpoint for c in made)
    if sweep.plan is None:
        return
    assert_sound(sweep.plan)
    assert sweep.plan.fee_sat == fee_of(sweep.plan.weight, rate)
    assert sweep.plan.fee_sat * 100 <= funds(sweep.plan) * percent
    assert [o.script for o in sweep.plan.outputs] == [to]


def why(sweep: Sweep) -> list[str]:
    return [left.why for left in sweep.left]


def test_what_costs_too_much_waits_until_fees_fall() -> None:
    small = coin("p2wpkh", 1, 6_800)  # 68 vB: exactly a tenth at 10 sat/vB
    large = coin("p2wpkh", 2, 1_000_000)
    both = plan_sweep([small, large], P2WPKH, 10_000, RULES, TIP)
    assert both.plan is not None
    assert both.plan.coins == (large, small)
    dear = plan_sweep([small, large], P2WPKH, 10_001, RULES, TIP)
    assert dear.plan is not None
    assert (dear.plan.coins, why(dear)) == ((large,), ["uneconomic"])


def test_coins_gather_until_their_sweep_pays() -> None:
    rate = 10_000
    small = [coin("p2wpkh", n, 8_500) for n in range(4)]
    alone = plan_sweep(small[:1], P2WPKH, rate, RULES, TIP)
    assert (alone.plan, why(alone)) == (None, ["gathering"])
    some = plan_sweep(small[:2], P2WPKH, rate, RULES, TIP)
    assert (some.plan, why(some)) == (None, ["gathering"] * 2)
    enough = plan_sweep(small, P2WPKH, rate, RULES, TIP)
    assert enough.plan is not None
    assert len(enough.plan.coins) == 4


def test_a_sweep_costs_its_part_and_no_more() -> None:
    fee = fee_of(438, 10_000)
    just = plan_sweep([coin("p2wpkh", 1, fee * 10)], P2WPKH, 10_000, RULES, TIP)
    assert just.plan is not None
    assert just.plan.ceiling_sat == fee
    less = plan_sweep([coin("p2wpkh", 1, fee * 10 - 1)], P2WPKH, 10_000, RULES, TIP)
    assert (less.plan, why(less)) == (None, ["gathering"])


def test_a_sweep_that_would_pay_dust_waits() -> None:
    rules = FeeRules(max_percent=100)
    fee = fee_of(438, 1_000)
    just = plan_sweep([coin("p2wpkh", 1, fee + 294)], P2WPKH, 1_000, rules, TIP)
    assert just.plan is not None
    less = plan_sweep([coin("p2wpkh", 1, fee + 293)], P2WPKH, 1_000, rules, TIP)
    assert (less.plan, why(less)) == (None, ["gathering"])


def test_what_is_young_or_of_no_key_of_ours_stays() -> None:
    young = replace(coin("p2wpkh", 1, 10**6), is_coinbase=True, height=TIP)
    foreign = replace(coin("p2wpkh", 2, 10**7), script=P2WSH)
    sweep = plan_sweep([young, foreign], P2WPKH, 1_000, RULES, TIP)
    assert sweep.plan is None
    assert why(sweep) == ["foreign", "immature"]
    assert plan_sweep([], P2WPKH, 1_000, RULES, TIP) == Sweep(None, ())


def test_one_sweep_takes_so_many_and_the_largest_first() -> None:
    many = [coin("p2wpkh", n, 50_000 + n) for n in range(5)]
    sweep = plan_sweep(many, P2WPKH, 1_000, RULES, TIP, max_inputs=3)
    assert sweep.plan is not None
    assert [c.amount_sat for c in sweep.plan.coins] == [50_004, 50_003, 50_002]
    assert why(sweep) == ["full", "full"]
    assert MAX_INPUTS == 200


def test_no_transaction_is_heavier_than_nodes_relay() -> None:
    made = coin("p2pkh", 0, 10**6)
    many = [replace(made, vout=n) for n in range(700)]
    sweep = plan_sweep(many, P2WPKH, 1_000, RULES, TIP, max_inputs=10_000)
    assert sweep.plan is not None
    assert MAX_STANDARD_WEIGHT - 593 < sweep.plan.weight <= MAX_STANDARD_WEIGHT
    assert why(sweep) == ["full"] * (700 - len(sweep.plan.coins))


def test_a_sweep_may_be_as_heavy_as_nodes_relay_to_the_unit() -> None:
    kinds: list[tuple[SpendKind, int]] = [("p2pkh", 672), ("p2wpkh", 4), ("p2tr", 1)]
    many = [
        replace(made, vout=n)
        for kind, count in kinds
        for made in [coin(kind, 0, 10**6)]
        for n in range(count)
    ]
    sweep = plan_sweep(many, P2PKH, 1_000, RULES, TIP, max_inputs=10_000)
    assert sweep.plan is not None
    assert sweep.plan.weight == MAX_STANDARD_WEIGHT
    assert len(sweep.plan.coins) == 677


paid = st.lists(st.tuples(scripts, st.integers(1, 10**8)), min_size=1, max_size=4).map(
    lambda made: [PlannedOutput(script, amount) for script, amount in made]
)


@given(coins, paid, scripts, rates, st.booleans())
@settings(max_examples=250, deadline=None)
def test_a_payment_is_sound_and_pays_what_was_asked(
    made: list[Coin],
    outputs: list[PlannedOutput],
    change: bytes,
    rate: int,
    bears: bool,
) -> None:
    try:
        plan = plan_payment(made, outputs, change, rate, TIP, fee_from_outputs=bears)
    except CannotSpend as error:
        assert error.why in {"funds", "dust"}
        return
    assert_sound(plan)
    count = len(outputs)
    assert [o.script for o in plan.outputs[:count]] == [o.script for o in outputs]
    if bears:
        less = [a.amount_sat - b.amount_sat for a, b in zip(outputs, plan.outputs)]  # noqa: B905 - change
        assert max(less) - min(less) <= 1
        assert 0 <= sum(less) <= plan.fee_sat
    else:
        assert plan.outputs[:count] == tuple(outputs)
    if plan.change is None:
        assert len(plan.outputs) == count
        # never more than asked for, but what would be dust as change
        tail = fee_of(output_weight(change) + 8, rate) + dust_sat(change)
        assert plan.fee_sat <= fee_of(plan.weight, rate) + tail
        assert plan.fee_sat >= fee_of(plan.weight, rate)
    else:
        assert plan.change == count
        assert plan.outputs[count].script == change
        assert plan.fee_sat == fee_of(plan.weight, rate)
        assert plan.change_sat == plan.outputs[count].amount_sat
    # the last coin was needed
    assert plan.coins == tuple(c for c in made if c in plan.coins)


def test_a_payment_takes_the_first_coins_that_do() -> None:
    made = [coin("p2wpkh", n, 10_000) for n in range(4)]
    plan = plan_payment(made, [PlannedOutput(P2WPKH, 12_000)], P2TR, 1_000, TIP)
    assert plan.coins == tuple(made[:2])
    assert plan.payers == (1,)
    assert plan.change == 1


def test_a_payment_passes_over_what_cannot_or_should_not_be_spent() -> None:
    made = [
        replace(coin("p2wpkh", 1, 10**6), height=None),
        replace(coin("p2wpkh", 2, 10**6), script=P2WSH),
        coin("p2wpkh", 3, 68),  # costs just what it brings
        coin("p2wpkh", 4, 69),
        coin("p2wpkh", 5, 10**6),
    ]
    plan = plan_payment(made, [PlannedOutput(P2WPKH, 5_000)], P2TR, 1_000, TIP)
    assert plan.coins == tuple(made[3:])


def test_change_that_would_be_dust_goes_to_the_fee() -> None:
    fee = fee_of(tx_weight([P2WPKH], [P2WPKH, P2TR]), 1_000)
    bare = fee_of(tx_weight([P2WPKH], [P2WPKH]), 1_000)
    with_change = plan_payment(
        [coin("p2wpkh", 1, 5_000 + fee + 330)],
        [PlannedOutput(P2WPKH, 5_000)],
        P2TR,
        1_000,
        TIP,
    )
    assert (with_change.change_sat, with_change.fee_sat) == (330, fee)
    without = plan_payment(
        [coin("p2wpkh", 1, 5_000 + fee + 329)],
        [PlannedOutput(P2WPKH, 5_000)],
        P2TR,
        1_000,
        TIP,
    )
    assert (without.change, without.fee_sat, without.payers) == (None, fee + 329, ())
    assert without.change_sat == 0
    just = plan_payment(
        [coin("p2wpkh", 1, 5_000 + bare)],
        [PlannedOutput(P2WPKH, 5_000)],
        P2TR,
        1_000,
        TIP,
    )
    assert just.fee_sat == bare
    with pytest.raises(CannotSpend, match="have 5109 sat") as caught:
        plan_payment(
            [coin("p2wpkh", 1, 4_999 + bare)],
            [PlannedOutput(P2WPKH, 5_000)],
            P2TR,
            1_000,
            TIP,
        )
    assert caught.value.why == "funds"
    assert "5000 sat and the fee" in str(caught.value)


def test_receivers_bear_what_the_rest_does_not_pay_of_the_fee() -> None:
    two = [PlannedOutput(P2WPKH, 5_000), PlannedOutput(P2WPKH, 5_000)]

    def planned(amount_sat: int) -> Plan:
        one = [coin("p2wpkh", 1, amount_sat)]
        return plan_payment(one, two, P2TR, 1_000, TIP, fee_from_outputs=True)

    fee = planned(10_000).fee_sat
    assert sum(o.amount_sat for o in planned(10_000).outputs) == 10_000 - fee
    for rest in (1, fee - 1):
        plan = planned(10_000 + rest)
        assert plan.fee_sat == fee
        assert sum(o.amount_sat for o in plan.outputs) == 10_000 + rest - fee
    assert planned(10_000 + fee).outputs == tuple(two)


def test_who_is_paid_may_bear_the_fee() -> None:
    two = [PlannedOutput(P2WPKH, 5_000), PlannedOutput(P2TR, 5_000)]
    whole = plan_payment(
        [coin("p2wpkh", 1, 10_000)], two, P2TR, 1_000, TIP, fee_from_outputs=True
    )
    assert whole.change is None
    assert whole.payers == (0, 1)
    assert [o.amount_sat for o in whole.outputs] == [4_923, 4_924]
    part = plan_payment(
        [coin("p2wpkh", 1, 20_000)], two, P2TR, 1_000, TIP, fee_from_outputs=True
    )
    assert part.change == 2
    assert part.change_sat == 10_000
    assert part.payers == (0, 1)
    with pytest.raises(CannotSpend, match="10000 sat are wanted"):
        plan_payment(
            [coin("p2wpkh", 1, 9_999)], two, P2TR, 1_000, TIP, fee_from_outputs=True
        )
    rest = plan_payment(  # 329 are left, which pay a part of the fee
        [coin("p2wpkh", 1, 10_329)], two, P2TR, 1_000, TIP, fee_from_outputs=True
    )
    assert [o.amount_sat for o in rest.outputs] == [5_000, 5_000]
    assert rest.fee_sat == 329


def test_nobody_is_paid_dust() -> None:
    many = [coin("p2wpkh", 1, 10**6)]
    for least, script in ((294, P2WPKH), (330, P2TR)):
        plan_payment(many, [PlannedOutput(script, least)], P2TR, 1_000, TIP)
        with pytest.raises(CannotSpend, match=f"below {least} sat") as caught:
            plan_payment(many, [PlannedOutput(script, least - 1)], P2TR, 1_000, TIP)
        assert caught.value.why == "dust"
    with pytest.raises(CannotSpend, match="dust"):
        plan_payment(
            many, [PlannedOutput(P2WPKH, 400)], P2TR, 1_000, TIP, fee_from_outputs=True
        )


def test_a_payment_of_too_many_coins_is_refused() -> None:
    many = [coin("p2wpkh", n, 1_000) for n in range(4)]
    with pytest.raises(CannotSpend, match="more than 3 coins") as caught:
        plan_payment(
            many, [PlannedOutput(P2WPKH, 10**6)], P2TR, 1_000, TIP, max_inputs=3
        )
    assert caught.value.why == "weight"
