"""What a receipt says of a paid payment: as `/pay/<id>/receipt.json` has it. Pure.

Its sums are those of the books: `received_sat` is what is booked as sold
(`engine/payment/booked.py`), so that it equals the ledger's postings to the satoshi,
and `refunded_sat` what went back. It is open to whoever has the payment's link, as the
checkout page is; so it says neither where a refund went nor what a Lightning node kept.

`receipt_page.py` writes it for people. Amounts are satoshi, or whole numbers of the
smallest unit of a currency; times are RFC 3339.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from engine.merchants.profile import Profile
from engine.money.currency import minor_text
from engine.payment.booked import booked_of
from engine.payment.events import iso
from engine.payment.model import Flag, Payment
from engine.payment.model import Receipt as Came
from engine.payment.money_terms import Price, Worth
from engine.payment.refund import Refund, RefundState
from engine.payment.tip import Gratuity, tip_of

__all__ = ["Given", "InMoney", "Proof", "ReceiptPage", "receipt_of"]

Method = Literal["onchain", "lightning", "both", "external", "by_hand"]


class InMoney(msgspec.Struct, frozen=True, kw_only=True):
    """A sum in a currency, and the rate that it was made or valued by."""

    currency: str
    amount: str  # plain decimal text
    rate: str | UnsetType = UNSET  # of one BTC
    rate_at: str | UnsetType = UNSET


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What shows that the money came: an output in a block, or a settled invoice."""

    method: Literal["onchain", "lightning"]
    amount_sat: int
    at: str | None  # when it was first seen
    txid: str | UnsetType = UNSET
    vout: int | UnsetType = UNSET
    block_height: int | UnsetType = UNSET
    payment_hash: str | UnsetType = UNSET


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that was paid; not to whom."""

    amount_sat: int
    at: str


class ReceiptPage(msgspec.Struct, frozen=True, kw_only=True):
    """See the module docstring. `state`: how much of it was given back."""

    payment_id: str
    state: Literal["paid", "refunded_in_part", "refunded"]
    shop: str
    order: str | None
    description: str  # what it was for, in the shop's words
    network: str
    method: Method
    gateway: str | UnsetType = UNSET
    asset: str
    created_at: str
    paid_at: str | None
    amount_sat: int | None  # asked; None: any, or a payment without satoshi
    received_sat: int
    over_sat: int  # more than was asked for
    short_sat: int  # less, within what the shop lets pass
    refunded_sat: int
    is_late: bool  # it came after the deadline, and no person has said that it counts
    price: InMoney | UnsetType = UNSET  # what was asked for
    tip: InMoney | UnsetType = UNSET  # what of that was a tip
    tip_sat: int | UnsetType = UNSET  # likewise, of a price in satoshi
    worth: InMoney | UnsetType = UNSET  # what the received sum was worth
    received: InMoney | UnsetType = UNSET  # of a payment without a chain
    refunded: InMoney | UnsetType = UNSET  # likewise, what was given back of it
    proofs: tuple[Proof, ...]
    refunds: tuple[Given, ...]


def receipt_of(
    payment: Payment, shop: Profile, refunds: Sequence[Refund] = ()
) -> ReceiptPage | None:
    """The receipt; None: the payment is not paid. `refunds`: all that were ever made of
    it."""
    if not payment.counts_as_paid:
        return None
    terms = payment.terms
    booked = booked_of(payment)
    asked = terms.amount_sat
    got = booked.sold_sat
    receipt = ReceiptPage(
        payment_id=payment.id,
        state=_state(payment, got),
        shop=shop.display_name,
        order=terms.external_id,
        description=terms.description,
        network=terms.network,
        method=_method(payment),
        gateway=terms.gateway or UNSET,
        asset=terms.asset,
        created_at=iso(terms.created_at),
        paid_at=None if payment.confirmed_at is None else iso(payment.confirmed_at),
        amount_sat=asked,
        received_sat=got,
        over_sat=0 if asked is None else max(got - asked, 0),
        short_sat=0 if asked is None or not got else max(asked - got, 0),
        refunded_sat=payment.refunded_sat,
        is_late=Flag.LATE in payment.flags and not payment.is_by_hand,
        price=_in_money(terms.price),
        worth=_in_money(payment.worth),
        proofs=_proofs(payment),
        refunds=tuple(
            Given(amount_sat=one.amount_sat, at=iso(one.settled_at))
            for one in refunds
            if one.state is RefundState.PAID
        ),
    )
    if terms.is_external:
        return _external(receipt, payment)
    tip = tip_of(terms)
    return receipt if tip is None else _with_tip(receipt, tip)


def _with_tip(receipt: ReceiptPage, tip: Gratuity) -> ReceiptPage:
    if not tip.currency:
        return msgspec.structs.replace(receipt, tip_sat=tip.minor)
    text = minor_text(tip.minor, tip.decimals)
    told = InMoney(currency=tip.currency, amount=text)
    return msgspec.structs.replace(receipt, tip=told)


def _external(receipt: ReceiptPage, payment: Payment) -> ReceiptPage:
    """With the sums that its gateway spoke of."""
    terms, said = payment.terms, payment.external

    def sum_of(minor: int | None) -> InMoney | UnsetType:
        if minor is None:
            return UNSET
        text = minor_text(minor, terms.decimals)
        return InMoney(currency=terms.asset, amount=text)

    back = said.received_minor if said.is_returned else said.returned_minor
    return msgspec.structs.replace(
        receipt,
        price=sum_of(terms.amount_minor),
        received=sum_of(said.received_minor),
        refunded=sum_of(back or None),
    )


def _state(
    payment: Payment, got: int
) -> Literal["paid", "refunded_in_part", "refunded"]:
    if payment.terms.is_external:
        said = payment.external
        back, all_of_it = said.returned_minor, said.received_minor
        back = all_of_it if said.is_returned else back
    else:
        back, all_of_it = payment.refunded_sat, got
    if not back:
        return "paid"
    return "refunded" if back >= all_of_it else "refunded_in_part"


def _method(payment: Payment) -> Method:
    if payment.terms.is_external:
        return "external" if payment.external.is_paid else "by_hand"
    ways = {receipt.is_lightning for receipt in _counted(payment)}
    if not ways:
        return "by_hand"
    if len(ways) == 2:
        return "both"
    return "lightning" if ways.pop() else "onchain"


def _counted(payment: Payment) -> list[Came]:
    """Those that are booked: deep enough."""
    required = payment.terms.confirmations_required
    return [
        came
        for came in payment.receipts
        if came.confirmations >= came.depth_needed(required)
    ]


def _proofs(payment: Payment) -> tuple[Proof, ...]:
    return tuple(
        Proof(
            method="lightning" if came.is_lightning else "onchain",
            amount_sat=came.amount_sat,
            at=iso(came.seen_at) if came.seen_at else None,
            txid=UNSET if came.is_lightning else came.txid,
            vout=UNSET if came.is_lightning else came.vout,
            block_height=UNSET if came.block_height is None else came.block_height,
            payment_hash=came.txid if came.is_lightning else UNSET,
        )
        for came in _counted(payment)
    )


def _in_money(known: Price | Worth | None) -> InMoney | UnsetType:
    if known is None:
        return UNSET
    return InMoney(
        currency=known.currency,
        amount=minor_text(known.minor, known.decimals),
        rate=known.rate,
        rate_at=iso(known.rate_at),
    )
