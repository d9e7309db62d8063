"""A transaction as it is planned: what it spends, what it pays, and its fee.

A value that cannot be wrong: its sums are exact, and nodes relay it. Whoever keeps it
(msgspec encodes it) can sign the same one again, or bump it. Pure.
"""

from collections.abc import Sequence

import msgspec

from engine.money.amount import MAX_SAT
from engine.wallet.coin import Coin, input_weight
from engine.wallet.size import MAX_STANDARD_WEIGHT, dust_sat, tx_weight, vsize_of

__all__ = ["Plan", "PlannedOutput", "Share", "shares_of", "split"]


class PlannedOutput(msgspec.Struct, frozen=True, gc=False):
    """What is paid, to which script."""

    script: bytes
    amount_sat: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction, not signed. Coins and outputs are in the order of its inputs and
    outputs."""

    coins: tuple[Coin, ...]
    outputs: tuple[PlannedOutput, ...]
    fee_sat: int
    payers: tuple[int, ...]
    """Outputs that a higher fee is taken from, in equal parts: of a sweep its only one,
    of a refund the change, or what is refunded if that bears the fee. None: no bump."""

    change: int | None = None
    """The output that goes back to the merchant; it may be left out by a bump."""

    ceiling_sat: int = MAX_SAT
    """No bump makes the fee more than this."""

    def __post_init__(self) -> None:
        total = sum(coin.amount_sat for coin in self.coins)
        paid = sum(output.amount_sat for output in self.outputs)
        assert self.coins, "a transaction spends something"
        assert self.outputs, "a transaction pays somebody"
        assert total == paid + self.fee_sat, "sums are exact"
        assert self.fee_sat >= self.vsize, "nodes relay nothing below 1 sat/vB"
        assert self.weight <= MAX_STANDARD_WEIGHT, "nodes relay nothing so heavy"
        assert len({c.outpoint for c in self.coins}) == len(self.coins), "a coin twice"
        assert all(o.amount_sat >= dust_sat(o.script) for o in self.outputs), "dust"
        places = range(len(self.outputs))
        assert all(payer in places for payer in self.payers), "a payer that is not"
        assert self.change is None or self.change in places, "a change that is not"

    @property
    def weight(self) -> int:
        """Units of the signed transaction, at most."""
        return tx_weight(
            (coin.script for coin in self.coins),
            (output.script for output in self.outputs),
        )

    @property
    def vsize(self) -> int:
        return vsize_of(self.weight)

    @property
    def total_sat(self) -> int:
        """Of its coins."""
        return sum(coin.amount_sat for coin in self.coins)

    @property
    def change_sat(self) -> int:
        return 0 if self.change is None else self.outputs[self.change].amount_sat


class Share(msgspec.Struct, frozen=True, gc=False):
    """One payment's part of a transaction: of its coins, and of the fee."""

    payment_id: str
    merchant: str
    amount_sat: int
    fee_sat: int

    @property
    def sent_sat(self) -> int:
        return self.amount_sat - self.fee_sat


def shares_of(plan: Plan) -> tuple[Share, ...]:
    """What each payment gave and bears, in the order of the coins, to the satoshi.

    The fee is borne by the weight of each payment's inputs; nobody bears more than he
    has in it.
    """
    names: dict[tuple[str, str], list[Coin]] = {}
    for coin in plan.coins:
        names.setdefault((coin.payment_id, coin.merchant), []).append(coin)
    groups = list(names.values())
    amounts = [sum(coin.amount_sat for coin in group) for group in groups]
    weights = [sum(input_weight(coin.script) for coin in group) for group in groups]
    fees = _within(split(plan.fee_sat, weights), amounts)
    return tuple(
        Share(*name, amount, fee)
        for name, amount, fee in zip(names, amounts, fees, strict=True)
    )


def split(total: int, parts: Sequence[int]) -> list[int]:
    """`total` divided in proportion to `parts`; what is left over goes to the first."""
    whole = sum(parts)
    shares = [total * part // whole for part in parts]
    for place in range(total - sum(shares)):
        shares[place] += 1
    return shares


def _within(fees: list[int], amounts: list[int]) -> list[int]:
    """The same sum, where no fee is above its amount."""
    over = sum(max(0, f - a) for f, a in zip(fees, amounts, strict=True))
    fees = [min(f, a) for f, a in zip(fees, amounts, strict=True)]
    for place, amount in enumerate(amounts):
        more = min(over, amount - fees[place])
        fees[place] += more
        over -= more
    assert over == 0, "a fee above all that is spent"
    return fees
