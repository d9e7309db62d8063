"""Which coins go into a transaction, and what it pays: sweeps, and payments out.

A sweep moves the coins of many payments to one script. Coins that cost more than they
are worth to spend stay, and a sweep whose fee would be too large a part waits for more
coins; both are tried again when coins come or fees fall. A payment out (a refund) pays
given sums and gives the rest back. Everything goes in whole satoshi. Pure.

Replacing a transaction by one that pays more is in `bump.py`.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from engine.errors import CannotSpend
from engine.wallet.coin import Coin, input_weight, is_mature, spend_kind
from engine.wallet.fees import FeeRules
from engine.wallet.plan import Plan, PlannedOutput, split
from engine.wallet.size import MAX_STANDARD_WEIGHT, dust_sat, fee_of, tx_weight

__all__ = ["MAX_INPUTS", "Left", "LeftWhy", "Sweep", "plan_payment", "plan_sweep"]

MAX_INPUTS: Final = 200
"""Of one transaction of ours. Each wants the raw transaction that made it, and is
signed: some 50 ms for all. More than these go into the next one."""

LeftWhy = Literal["immature", "foreign", "uneconomic", "gathering", "full"]
"""Why a coin stays: its block is too young, no key of ours spends such a script, it
costs too much at this fee rate, too few have gathered, or the transaction is full."""


class Left(msgspec.Struct, frozen=True):
    """A coin that stays where it is, for now."""

    coin: Coin
    why: LeftWhy


class Sweep(msgspec.Struct, frozen=True):
    """`plan` None: nothing to do now. `left`: what stays, and why."""

    plan: Plan | None
    left: tuple[Left, ...]


def plan_sweep(
    coins: Iterable[Coin],
    to: bytes,
    rate_sat_kvb: int,
    rules: FeeRules,
    tip_height: int,
    max_inputs: int = MAX_INPUTS,
) -> Sweep:
    """All that pays, to the one script. The largest coins go first."""
    ready: list[Coin] = []
    left: list[Left] = []
    for coin in sorted(coins, key=lambda c: (-c.amount_sat, c.txid, c.vout)):
        why = _stays(coin, rate_sat_kvb, rules, tip_height)
        if why is None and _is_full([*ready, coin], [to], max_inputs):
            why = "full"
        if why is None:
            ready.append(coin)
        else:
            left.append(Left(coin, why))
    if not ready:
        return Sweep(None, tuple(left))
    total = sum(coin.amount_sat for coin in ready)
    fee = fee_of(_weight(ready, [to]), rate_sat_kvb)
    ceiling = total * rules.max_percent // 100
    if fee > ceiling or total - fee < dust_sat(to):
        left += [Left(coin, "gathering") for coin in ready]
        return Sweep(None, tuple(left))
    plan = Plan(
        coins=tuple(ready),
        outputs=(PlannedOutput(to, total - fee),),
        fee_sat=fee,
        payers=(0,),
        ceiling_sat=ceiling,
    )
    return Sweep(plan, tuple(left))


def plan_payment(
    coins: Iterable[Coin],
    outputs: Sequence[PlannedOutput],
    change: bytes,
    rate_sat_kvb: int,
    tip_height: int,
    *,
    fee_from_outputs: bool = False,
    max_inputs: int = MAX_INPUTS,
) -> Plan:
    """Pay these outputs from the first of the coins that do; the rest goes to `change`.

    The fee is the merchant's, out of the change; with `fee_from_outputs` the receivers
    bear it in equal parts. Change that would be dust is left to the fee. Raises
    `CannotSpend`.
    """
    assert outputs, "a payment pays somebody"
    for output in outputs:
        _no_dust(output)
    chosen: list[Coin] = []
    usable = 0
    for coin in coins:
        if not is_mature(coin, tip_height) or spend_kind(coin.script) is None:
            continue
        if coin.amount_sat <= fee_of(input_weight(coin.script), rate_sat_kvb):
            continue  # it would cost more than it brings
        scripts = [*(output.script for output in outputs), change]
        if _is_full([*chosen, coin], scripts, max_inputs):
            raise CannotSpend(
                "weight",
                f"it takes more than {max_inputs} coins, or more than nodes relay in"
                " one transaction; pay less at once",
            )
        chosen.append(coin)
        usable += coin.amount_sat
        plan = _paid(chosen, outputs, change, rate_sat_kvb, fee_from_outputs)
        if plan is not None:
            return plan
    wanted = sum(output.amount_sat for output in outputs)
    fee = "" if fee_from_outputs else " and the fee"
    raise CannotSpend(
        "funds",
        f"{wanted} sat{fee} are wanted, and the coins that can be spent now have"
        f" {usable} sat",
    )


def _paid(
    chosen: list[Coin],
    outputs: Sequence[PlannedOutput],
    change: bytes,
    rate_sat_kvb: int,
    fee_from_outputs: bool,
) -> Plan | None:
    """The plan with just these coins; None: they are too few."""
    scripts = [output.script for output in outputs]
    rest = sum(c.amount_sat for c in chosen) - sum(o.amount_sat for o in outputs)
    fee = fee_of(_weight(chosen, [*scripts, change]), rate_sat_kvb)
    back = rest if fee_from_outputs else rest - fee
    if back >= dust_sat(change):
        paid = _reduced(outputs, fee) if fee_from_outputs else tuple(outputs)
        return Plan(
            coins=tuple(chosen),
            outputs=(*paid, PlannedOutput(change, back)),
            fee_sat=fee,
            payers=tuple(range(len(paid))) if fee_from_outputs else (len(paid),),
            change=len(paid),
        )
    fee = fee_of(_weight(chosen, scripts), rate_sat_kvb)
    if rest < (0 if fee_from_outputs else fee):
        return None
    paid = tuple(outputs)
    if fee_from_outputs and fee > rest:
        paid = _reduced(outputs, fee - rest)
    return Plan(
        coins=tuple(chosen),
        outputs=paid,
        fee_sat=max(fee, rest),
        payers=tuple(range(len(paid))) if fee_from_outputs else (),
    )


def _reduced(
    outputs: Sequence[PlannedOutput], fee_sat: int
) -> tuple[PlannedOutput, ...]:
    """Each bears an equal part. Raises `CannotSpend` for what would be dust then."""
    parts = split(fee_sat, [1] * len(outputs))
    reduced = tuple(
        PlannedOutput(output.script, output.amount_sat - part)
        for output, part in zip(outputs, parts, strict=True)
    )
    for output in reduced:
        _no_dust(output)
    return reduced


def _stays(
    coin: Coin, rate_sat_kvb: int, rules: FeeRules, tip_height: int
) -> LeftWhy | None:
    if not is_mature(coin, tip_height):
        return "immature"
    if spend_kind(coin.script) is None:
        return "foreign"
    cost = fee_of(input_weight(coin.script), rate_sat_kvb)
    return "uneconomic" if cost * 100 > coin.amount_sat * rules.max_percent else None


def _is_full(coins: list[Coin], paid: Sequence[bytes], max_inputs: int) -> bool:
    return len(coins) > max_inputs or _weight(coins, paid) > MAX_STANDARD_WEIGHT


def _weight(coins: Iterable[Coin], paid: Sequence[bytes]) -> int:
    return tx_weight((coin.script for coin in coins), paid)


def _no_dust(output: PlannedOutput) -> None:
    least = dust_sat(output.script)
    if output.amount_sat < least:
        raise CannotSpend(
            "dust",
            f"{output.amount_sat} sat are dust: nodes relay no output to this address"
            f" below {least} sat",
        )
