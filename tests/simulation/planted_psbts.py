"""Bugs on purpose in what is given out to be signed: each must be found."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

import engine.payment.refund_rules
import engine.payment.refund_seen
from actors.edge.refund_psbt import RefundPsbt
from engine.payment.refund import Refund
from engine.wallet.coin import Coin
from tests.simulation.plant import Patch, Plant

__all__ = ["PLANTED_PSBTS"]


def each_psbt_takes_the_coins_of_its_moment(patch: Patch) -> None:
    def others(_self: RefundPsbt, refund: Refund, coins: list[Coin], _: Any) -> Any:
        spent = refund.anchor.partition(":")[0]
        return sorted(coins, key=lambda coin: coin.txid == spent)

    patch.setattr(RefundPsbt, "_with_anchor", others)


def what_a_small_one_takes_for_its_fee_is_not_seen(patch: Patch) -> None:
    right = engine.payment.refund_seen.paid_by

    def paid_by(refunds: Iterable[Refund], *about: Any) -> Any:
        return right([replace(r, psbt_least_sat=0) for r in refunds], *about)

    patch.setattr("actors.money.refunds.paid_by", paid_by)


def a_psbt_that_may_be_signed_may_be_withdrawn(patch: Patch) -> None:
    right = engine.payment.refund_rules.cancelled

    def cancelled(refund: Refund, now: int, by: str, **_: bool) -> Refund:
        return right(refund, now, by, is_psbt_void=True)

    patch.setattr("tests.simulation.refunds.cancelled", cancelled)


PLANTED_PSBTS: dict[Plant, int] = {
    each_psbt_takes_the_coins_of_its_moment: 3,
    what_a_small_one_takes_for_its_fee_is_not_seen: 31,
    a_psbt_that_may_be_signed_may_be_withdrawn: 66,
}
"""Each with the world that shows it: the search begins there."""
