"""What of a payment may be given back, and each step of a refund. Pure.

What may go back is what is really there: receipts in blocks, deep enough, as the
payment's watcher believes them now, and settled invoices, with what their node kept of
them. A double-spent payment has none of these; of one
that was overpaid, or paid late, all of it counts. What was given back, and what living
refunds will take, goes off. The store looks at the last part once more, in the
transaction that makes the refund (`OpenRefund`), so that a race cannot exceed it.
"""

from fractions import Fraction
from math import ceil, floor
from typing import Any

from msgspec.structs import replace

from engine.errors import Refused
from engine.money.amount import MAX_SAT, SAT_PER_BTC
from engine.payment.model import Payment
from engine.payment.money_terms import Worth
from engine.payment.quorum import needs_two
from engine.payment.refund import COUNTS, STEPS, Refund, RefundState

__all__ = [
    "LEAST_SAT",
    "cancelled",
    "claimed",
    "expired",
    "given_out",
    "paid",
    "paid_otherwise",
    "paying",
    "refundable_sat",
    "sat_of",
    "stepped",
    "taken_sat",
    "unpaid",
    "worth_of",
]

LEAST_SAT = 546
"""Less is dust to one kind of address or another (Bitcoin Core, policy.cpp: P2PKH at
3,000 sat/kvB), and no node would relay it."""


def refundable_sat(payment: Payment) -> int:
    """What came in and is there: the most that all its refunds may come to.

    Raises `Refused` for a payment that we hold no money for. What came by Lightning
    goes back on the chain, or by whatever means its owner has.
    """
    terms = payment.terms
    if terms.is_external:
        raise Refused(
            "this payment was made at a gateway; only the gateway can refund it"
        )
    required = terms.confirmations_required
    by_lightning = sum(r.amount_sat for r in payment.receipts if r.is_lightning)
    by_chain = sum(
        r.amount_sat
        for r in payment.receipts
        if r.confirmations >= max(r.depth_needed(required), 1)
    )
    if by_chain and needs_two(terms, by_chain) and not payment.counts_as_paid:
        raise Refused(
            "so much is believed only when two independent sources show it, which they"
            " have not yet"
        )
    return by_lightning + by_chain


def taken_sat(refunds: list[Refund]) -> int:
    """What these, all of one payment, have taken of it or may yet take."""
    return sum(refund.amount_sat for refund in refunds if refund.state in COUNTS)


def sat_of(minor: int, decimals: int, rate: str, left_sat: int) -> int:
    """Satoshi for a sum of money, rounded as prices are: up. Where only that rounding
    exceeds what is left, it is what is left: parts of a price come to the whole.

    `rate`: of one BTC, plain decimal text. The result may be more than is left.
    """
    price = Fraction(rate)
    assert minor > 0 < price, (minor, rate)
    exact = Fraction(minor * SAT_PER_BTC, 10**decimals) / price
    if floor(exact) <= left_sat < ceil(exact):
        return left_sat
    return min(ceil(exact), MAX_SAT + 1)


def worth_of(sat: int, currency: str, decimals: int, rate: str, rate_at: int) -> Worth:
    """The value of a sum at a rate, rounded to the nearest unit."""
    exact = Fraction(rate) * sat * 10**decimals / SAT_PER_BTC
    return Worth(
        currency=currency,
        minor=round(exact),
        decimals=decimals,
        rate=rate,
        rate_at=rate_at,
    )


# -- steps ---------------------------------------------------------------------------


def stepped(refund: Refund, after: RefundState, **changes: Any) -> Refund:
    """The refund one step further. Raises `Refused` where there is no such step."""
    if after not in STEPS[refund.state]:
        raise Refused(f"this refund is {refund.state}; it cannot become {after}")
    return replace(refund, state=after, **changes)


def claimed(refund: Refund, address: str, after_height: int, now: int) -> Refund:
    """The payer has named the address. Raises `Refused`; a link that has expired too.

    `after_height`: of the best block that is known, so that what was paid to the
    address before is not taken for the refund.
    """
    if refund.state is not RefundState.OPEN:
        raise Refused(f"this refund is {refund.state}, not open: it was claimed before")
    if now >= refund.expires_at:
        raise Refused("the time for claiming this refund is over")
    return stepped(
        refund,
        RefundState.PENDING,
        address=address,
        claimed_at=now,
        after_height=after_height,
    )


def cancelled(refund: Refund, now: int, by: str, *, is_psbt_void: bool) -> Refund:
    """Withdrawn, by a person. `is_psbt_void`: he says that the PSBT which was given out
    is destroyed. Raises `Refused`."""
    if refund.psbt_at and not is_psbt_void and refund.state is RefundState.PENDING:
        raise Refused(
            "a PSBT for this refund was given out, and whoever signs it pays: say"
            ' "psbt_destroyed": true if nobody will'
        )
    return stepped(refund, RefundState.CANCELLED, settled_at=now, by=by)


def expired(refund: Refund, now: int) -> Refund:
    """Nobody claimed it in time."""
    assert now >= refund.expires_at > 0, refund.id
    return stepped(refund, RefundState.EXPIRED, settled_at=now)


def given_out(refund: Refund, now: int, amount_sat: int) -> Refund:
    """A PSBT for it was given out, that pays so much. Raises `Refused`."""
    return stepped(
        refund,
        RefundState.PENDING,
        psbt_at=refund.psbt_at or now,
        psbt_least_sat=min(refund.psbt_least_sat or amount_sat, amount_sat),
    )


def paying(
    refund: Refund,
    outgoing_id: str,
    txid: str,
    vout: int,
    amount_sat: int,
    fee_sat: int,
) -> Refund:
    """A signed transaction is committed that pays it. `amount_sat`: what arrives; less
    than was held for it only where the fee is taken off."""
    assert amount_sat <= refund.amount_sat, (refund.id, amount_sat)
    assert refund.takes_fee or amount_sat == refund.amount_sat, refund.id
    return stepped(
        refund,
        RefundState.PAYING,
        outgoing_id=outgoing_id,
        txid=txid,
        vout=vout,
        fee_sat=fee_sat,
    )


def unpaid(refund: Refund) -> Refund:
    """No node takes its transaction: it waits for another, which must not be mined
    beside that one. So it is still known which that was."""
    return stepped(refund, RefundState.PENDING, txid="", vout=0, fee_sat=0)


def paid(refund: Refund, txid: str, vout: int, now: int, by: str = "") -> Refund:
    """The money is there. `by`: whose word that is, if it is not the chain's."""
    return stepped(
        refund, RefundState.PAID, txid=txid, vout=vout, settled_at=now, by=by
    )


def paid_otherwise(refund: Refund, txid: str, fee_sat: int) -> Refund:
    """It was told, and another transaction of ours is in the chain in place of that.
    No step: it stays paid, and nothing is told as refunded once more."""
    assert refund.state is RefundState.PAID, refund.id
    return replace(refund, txid=txid, vout=0, fee_sat=fee_sat)
