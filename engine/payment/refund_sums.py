"""Whose coins a refund takes, and what becomes of the rest of them. Pure.

A refund is paid from coins at our addresses, its payment's own first. What a coin has
beyond the refund goes on to the owner in the same transaction, as a sweep of it would
have: of each payment that is a part of `payment.forwarding`, to the satoshi.
"""

from collections.abc import Iterable

import msgspec

from engine.bitcoin.address import parse_address
from engine.errors import CannotSpend
from engine.money.worth import at_rate, quoted_in
from engine.payment.forwarding import ForwardPart
from engine.payment.model import GivenBack
from engine.payment.refund import Refund
from engine.wallet.coin import Coin
from engine.wallet.outgoing import Outgoing
from engine.wallet.plan import Plan, PlannedOutput, split
from engine.wallet.spend import plan_payment

__all__ = [
    "PaidOut",
    "difference",
    "in_order",
    "paid_out",
    "plan_refund",
    "rests_of",
]


class PaidOut(msgspec.Struct, frozen=True, gc=False):
    """What a transaction pays of a refund, and which fee the refund bears."""

    amount_sat: int
    fee_sat: int


def in_order(coins: Iterable[Coin], payment_id: str) -> list[Coin]:
    """The payment's own first; of each, the largest first, so that few are spent."""
    return sorted(
        coins, key=lambda c: (c.payment_id != payment_id, -c.amount_sat, c.txid, c.vout)
    )


def plan_refund(
    refund: Refund,
    coins: Iterable[Coin],
    onward: str | None,
    rate_sat_kvb: int,
    tip_height: int,
    network: str,
) -> Plan:
    """The transaction that pays it, from the first of the coins; `onward`: where the
    rest of them goes, if there is such a place. Raises `CannotSpend`."""
    to = parse_address(refund.address, network).script
    rest = to if onward is None else parse_address(onward, network).script
    plan = plan_payment(
        coins,
        [PlannedOutput(to, refund.amount_sat)],
        rest,
        rate_sat_kvb,
        tip_height,
        fee_from_outputs=refund.takes_fee,
    )
    if plan.change is not None and onward is None:
        raise CannotSpend(
            "funds",
            "the coins have more than is refunded, and there is no forward_to where the"
            " rest may go",
        )
    return plan


def paid_out(refund: Refund, outgoing: Outgoing) -> PaidOut:
    """The first output is the refund. Its fee is borne by what goes on to the owner, if
    anything does (or did, before a bump took all of it) and the refund is not to bear
    it."""
    plan = outgoing.plan
    amount = plan.outputs[0].amount_sat
    bears = refund.takes_fee or (plan.change is None and not outgoing.gave_its_change)
    paid = PaidOut(amount, plan.fee_sat if bears else 0)
    assert amount + paid.fee_sat + plan.change_sat <= plan.total_sat, refund.id
    return paid


def difference(refund: Refund, told: Outgoing, there: Outgoing) -> GivenBack:
    """Of what was told as refunded, where another transaction of ours is in the chain
    in its place: sums that a higher fee took from the payer, or gave back to him."""
    then, now = paid_out(refund, told), paid_out(refund, there)
    less = now.amount_sat - then.amount_sat
    return GivenBack(
        id=refund.id,
        amount_sat=less,
        txid=there.txid,
        fee_sat=now.fee_sat - then.fee_sat,
        is_ours=True,
        worth=at_rate(less, quoted_in(refund.worth)),
    )


def rests_of(refund: Refund, outgoing: Outgoing) -> list[tuple[str, ForwardPart]]:
    """What goes on to the owner of each payment's coins, by payment. The refund takes
    from the coins in their order; what is left of them is sent on, or, by the last of
    its bumps, left to the miners."""
    plan = outgoing.plan
    if plan.change is None and not outgoing.gave_its_change:
        return []
    out = paid_out(refund, outgoing)
    left = out.amount_sat + out.fee_sat
    rests: dict[str, int] = {}
    for coin in plan.coins:
        taken = min(left, coin.amount_sat)
        left -= taken
        if coin.amount_sat > taken:
            rest = rests.get(coin.payment_id, 0) + coin.amount_sat - taken
            rests[coin.payment_id] = rest
    assert left == 0, refund.id
    fee = plan.fee_sat - out.fee_sat
    fees = split(fee, list(rests.values()))
    assert sum(rests.values()) == plan.change_sat + fee, refund.id
    return [
        (
            payment_id,
            ForwardPart(
                outgoing=outgoing.id,
                txid=outgoing.txid,
                amount_sat=rest,
                fee_sat=part,
                at=outgoing.at,
            ),
        )
        for (payment_id, rest), part in zip(rests.items(), fees, strict=True)
    ]
