"""A transaction that is stuck, again with a higher fee: the same inputs, less paid.

As BIP 125 wants of a replacement: it spends what the first one spends and nothing new
(rule 2), pays a higher absolute fee than all that it replaces (rule 3), and pays for
its own relay on top of that (rule 4). Every input of ours signals it. Pure.
"""

import msgspec

from engine.errors import CannotSpend
from engine.wallet.fees import INCREMENTAL_RATE, FeeRules
from engine.wallet.plan import Plan, PlannedOutput, split
from engine.wallet.size import dust_sat, fee_of

__all__ = ["plan_bump"]


def plan_bump(
    plan: Plan, rate_sat_kvb: int, rules: FeeRules, descendants_fee_sat: int = 0
) -> Plan:
    """The same coins to the same scripts, at this rate or what the rules ask at least.

    `descendants_fee_sat`: what unconfirmed transactions that spend its outputs pay,
    which goes with them. Raises `CannotSpend`: the fee would pass the cap, or nothing
    that may be reduced is left.
    """
    try:
        return _with_fee(plan, _least(plan, rate_sat_kvb, descendants_fee_sat), rules)
    except CannotSpend:
        if plan.change is None or plan.payers != (plan.change,):
            raise
    # All of the change goes to the fee: one output less, and a fee that pays for it.
    bare = _without_change(plan)
    least = _least(bare, rate_sat_kvb, descendants_fee_sat, plan.fee_sat)
    _check_cap(bare, bare.fee_sat, rules)
    if bare.fee_sat < least:
        raise CannotSpend("funds", "its change does not pay for a higher fee")
    return bare


def _with_fee(plan: Plan, fee_sat: int, rules: FeeRules) -> Plan:
    if not plan.payers:
        raise CannotSpend("funds", "it has no output that a higher fee can come from")
    _check_cap(plan, fee_sat, rules)
    parts = split(fee_sat - plan.fee_sat, [1] * len(plan.payers))
    outputs = list(plan.outputs)
    for payer, part in zip(plan.payers, parts, strict=True):
        output = outputs[payer]
        left = output.amount_sat - part
        if left < dust_sat(output.script):
            raise CannotSpend("dust", f"a fee of {fee_sat} sat would leave only dust")
        outputs[payer] = PlannedOutput(output.script, left)
    return msgspec.structs.replace(plan, outputs=tuple(outputs), fee_sat=fee_sat)


def _without_change(plan: Plan) -> Plan:
    assert plan.change is not None, "no change to leave out"
    rest = tuple(o for n, o in enumerate(plan.outputs) if n != plan.change)
    return msgspec.structs.replace(
        plan,
        outputs=rest,
        fee_sat=plan.fee_sat + plan.change_sat,
        payers=(),
        change=None,
    )


def _least(
    plan: Plan, rate_sat_kvb: int, descendants_fee_sat: int, old_fee_sat: int = 0
) -> int:
    """The fee wanted, or what rules 3 and 4 ask at least."""
    replaced = (old_fee_sat or plan.fee_sat) + descendants_fee_sat
    relay = fee_of(plan.weight, INCREMENTAL_RATE)
    return max(fee_of(plan.weight, rate_sat_kvb), replaced + relay)


def _check_cap(plan: Plan, fee_sat: int, rules: FeeRules) -> None:
    cap = min(fee_of(plan.weight, rules.cap_sat_kvb), plan.ceiling_sat)
    if fee_sat > cap:
        raise CannotSpend(
            "fee", f"a replacement costs {fee_sat} sat, and the cap is {cap} sat"
        )
