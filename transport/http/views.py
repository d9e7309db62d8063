"""A payment and an event as clients see them, on every wire.

The OpenAPI document is made from these types. Values only, no I/O.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from engine.chain.witness import Standing
from engine.lightning.warnings import Warned
from engine.merchants.payment_methods import LIGHTNING, ONCHAIN
from engine.money.currency import minor_text
from engine.payment.events import iso
from engine.payment.model import (
    EventType,
    Flag,
    Invoice,
    Payment,
    Receipt,
    Status,
    Terms,
)
from engine.payment.money_terms import Derived, Price
from engine.payment.order import Order
from engine.payment.rest_rules import rest_shown
from engine.payment.uri import rest_uri, uri_of
from engine.ports import Freshness

__all__ = [
    "EventPage",
    "EventView",
    "LightningView",
    "PaymentView",
    "PriceView",
    "ReceiptView",
    "RestView",
    "iso_or_none",
    "price_view",
    "public_reason",
    "view",
    "with_warnings",
]


class ReceiptView(msgspec.Struct, frozen=True, kw_only=True):
    """One output that pays a payment. `is_coinbase` is there, and true, of a miner's
    reward: it counts from 100 confirmations on.

    Or one settled Lightning invoice: then `method` is there, and `lightning`, `txid` is
    the payment hash. `amount_sat` is all that the payer sent; of it the node kept
    `fee_sat`, `credit_sat` cannot be spent (yet), `net_sat` has come to the balance;
    and `msat` thousandths of a satoshi came beyond it."""

    txid: str
    vout: int
    amount_sat: int
    block_hash: str | None
    block_height: int | None
    confirmations: int
    is_coinbase: bool | UnsetType = UNSET
    method: str | UnsetType = UNSET
    net_sat: int | UnsetType = UNSET
    fee_sat: int | UnsetType = UNSET
    credit_sat: int | UnsetType = UNSET
    msat: int | UnsetType = UNSET


class RestView(msgspec.Struct, frozen=True, kw_only=True):
    """The invoice for exactly what is missing of a payment."""

    bolt11: str
    payment_hash: str
    expires_at: str
    amount_msat: int | None


class LightningView(msgspec.Struct, frozen=True, kw_only=True):
    """The invoice that pays a payment; `amount_msat` null: whatever comes. `rest` is
    there while the payment is short and its payer has asked for an invoice for what is
    missing: that is to be shown then, and not this one, which asks for all of it."""

    bolt11: str
    payment_hash: str
    expires_at: str
    amount_msat: int | None
    rest: RestView | UnsetType = UNSET


class OwnFreshness(msgspec.Struct, frozen=True, kw_only=True):
    """Why less is known of this payment than of others: the source cannot read all of
    its address. `live` is false; what was not shown yet may be there."""

    source: str
    live: bool
    reason: str
    since_when: str


class PriceView(msgspec.Struct, frozen=True, kw_only=True):
    """A price in a currency, as it was agreed: `amount_sat` is what it was at `rate`
    (of one BTC) at `rate_at`, rounded up. `providers`: whose median the rate is;
    `is_lone`: one alone said it, held against the last median."""

    currency: str
    amount: str
    amount_minor: int
    decimals: int
    rate: str
    rate_at: str
    providers: tuple[str, ...]
    is_lone: bool


class DerivedView(msgspec.Struct, frozen=True, kw_only=True):
    """Where the address stands in the merchant's wallet; `path` is from the master key
    (m/…) if that is known, else from the key that the descriptor names."""

    wallet: str
    index: int
    path: str


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as it is now. `client_secret` is returned only when it is created.
    `order` is there where one payment with an external_id is looked at: how its order
    stands, by all payments of that number. `freshness` is there only while its own
    address cannot be read whole; else that of the sources says how far what is shown is
    present (`/health`, `source`). The fields from `gateway` to `returned_minor` are
    there only in a payment whose `method` is external: sums of it are whole numbers of
    the currency's smallest unit. `price` is there where the amount was given in a
    currency, `derived` where the address was drawn from the merchant's wallet,
    `account` and `package` where a confirmation credits somebody. `methods` and
    `lightning` are there where Lightning can pay; `warnings` in the answer that creates
    a payment, if there are any (docs/lightning.md)."""

    id: str
    status: Status
    flags: tuple[Flag, ...]
    method: str
    network: str
    asset: str
    address: str | None
    uri: str | None
    amount_sat: int | None
    tolerance_sat: int
    quorum_above_sat: int | None
    received_sat: int
    confirmed_sat: int
    refunded_sat: int
    confirmations: int
    confirmations_required: int
    receipts: tuple[ReceiptView, ...]
    external_id: str | None
    merchant: str
    metadata: dict[str, str | int | bool | None]
    created_at: str
    expires_at: str
    seq: int
    checkout_url: str
    tx_hash: str | None = None
    forwarding_tx_hash: str | None = None
    confirmed_at: str | None = None
    completed_at: str | None = None
    decimals: int = 8
    return_url: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    gateway: str | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    amount_minor: int | UnsetType | None = UNSET
    received_minor: int | UnsetType = UNSET
    returned_minor: int | UnsetType = UNSET
    price: PriceView | UnsetType = UNSET
    derived: DerivedView | UnsetType = UNSET
    account: str | UnsetType = UNSET
    package: str | UnsetType = UNSET
    methods: tuple[str, ...] | UnsetType = UNSET
    lightning: LightningView | UnsetType = UNSET
    warnings: tuple[Warned, ...] | UnsetType = UNSET
    order: Order | UnsetType = UNSET
    freshness: OwnFreshness | UnsetType = UNSET
    client_secret: str | UnsetType = UNSET


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """An event; the same object on every channel. Written here for the document:
    on the wire it is the stored bytes. The fields from `method` to `amount_minor` are
    there only in those of a payment without a chain, which has no address;
    `payment_hash`, that of the invoice, where Lightning can pay it.
    """

    id: str
    offset: int
    payment_id: str
    seq: int
    type: EventType
    at: str
    status: Status
    flags: tuple[Flag, ...]
    address: str | None
    external_id: str | None
    merchant: str
    amount_sat: int | None
    received_sat: int
    confirmations: int
    confirmations_required: int
    txid: str | None
    payment_hash: str | UnsetType = UNSET
    method: str | UnsetType = UNSET
    gateway: str | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    decimals: int | UnsetType = UNSET
    amount_minor: int | UnsetType | None = UNSET
    data: dict[str, Any]


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """`next_cursor`, `<epoch>-<seq>`, continues the reading (`next_after` is the same,
    by its older name); null: that is all. The events before `kept_from` (a
    seq) are kept no longer; as a rule it is 1."""

    data: list[EventView]
    next_cursor: str | None
    next_after: str | None
    kept_from: int


def view(
    payment: Payment,
    public_url: str = "",
    *,
    client_secret: str | None = None,
    unread: Freshness | None = None,
    order: Order | None = None,
    now: int = 0,
) -> PaymentView:
    """The JSON form of a payment; what its fields mean: README.md.

    `public_url`: where clients reach this node, if it knows. `unread`: why the
    payment's address cannot be read whole, if so. `order`: of one that has an order
    number, how that stands. `now`: ms; an invoice for what is missing that is over by
    then is not shown, as no node takes it; 0: nothing is over.
    """
    terms, forward = payment.terms, payment.forward
    rest = rest_shown(payment, now)
    return PaymentView(
        id=terms.id,
        status=payment.status,
        flags=payment.flags,
        method=terms.method,
        network=terms.network,
        asset=terms.asset,
        address=terms.shown_address,
        uri=uri_of(terms) if rest is None else rest_uri(terms, rest),
        amount_sat=terms.amount_sat,
        tolerance_sat=terms.tolerance_sat,
        quorum_above_sat=terms.quorum_above_sat,
        received_sat=payment.received_sat,
        confirmed_sat=payment.confirmed_sat,
        refunded_sat=payment.refunded_sat,
        confirmations=payment.confirmations,
        confirmations_required=terms.confirmations_required,
        receipts=tuple([_receipt(receipt) for receipt in payment.receipts]),
        external_id=terms.external_id,
        merchant=terms.merchant,
        metadata=terms.metadata,
        created_at=iso(terms.created_at),
        expires_at=iso(terms.expires_at),
        seq=payment.seq,
        checkout_url=f"{public_url}/pay/{terms.id}",
        tx_hash=payment.tx_hash,
        forwarding_tx_hash=None if forward is None else forward.txid,
        confirmed_at=iso_or_none(payment.confirmed_at),
        completed_at=iso_or_none(None if forward is None else forward.completed_at),
        decimals=terms.decimals,
        return_url=terms.return_url or UNSET,
        description=terms.description or UNSET,
        gateway=terms.gateway if terms.is_external else UNSET,
        currency=terms.asset if terms.is_external else UNSET,
        amount_minor=terms.amount_minor if terms.is_external else UNSET,
        received_minor=payment.external.received_minor if terms.is_external else UNSET,
        returned_minor=payment.external.returned_minor if terms.is_external else UNSET,
        price=UNSET if terms.price is None else price_view(terms.price),
        derived=UNSET if terms.derived is None else _derived(terms.derived),
        account=terms.credit.account if terms.credit else UNSET,
        package=(terms.credit.package or UNSET) if terms.credit else UNSET,
        methods=_methods(terms),
        lightning=_lightning(terms, rest),
        order=UNSET if order is None else order,
        freshness=UNSET if unread is None else _own_freshness(unread),
        client_secret=UNSET if client_secret is None else client_secret,
    )


def with_warnings(shown: PaymentView, warned: tuple[Warned, ...]) -> PaymentView:
    """As the answer to its creation shows it."""
    return msgspec.structs.replace(shown, warnings=warned) if warned else shown


def _receipt(receipt: Receipt) -> ReceiptView:
    shown = ReceiptView(
        txid=receipt.txid,
        vout=receipt.vout,
        amount_sat=receipt.amount_sat,
        block_hash=receipt.block_hash,
        block_height=receipt.block_height,
        confirmations=receipt.confirmations,
        is_coinbase=True if receipt.is_coinbase else UNSET,
    )
    settled = receipt.settled
    if settled is UNSET:
        return shown
    return msgspec.structs.replace(
        shown,
        method=LIGHTNING,
        net_sat=settled.net_sat,
        fee_sat=settled.fee_sat,
        credit_sat=settled.credit_sat,
        msat=settled.msat,
    )


def _methods(terms: Terms) -> tuple[str, ...] | UnsetType:
    if terms.lightning is None:
        return UNSET
    return (ONCHAIN, LIGHTNING) if terms.has_chain else (LIGHTNING,)


def _lightning(terms: Terms, rest: Invoice | None) -> LightningView | UnsetType:
    invoice = terms.lightning
    if invoice is None:
        return UNSET
    return LightningView(
        bolt11=invoice.bolt11,
        payment_hash=invoice.payment_hash,
        expires_at=iso(invoice.expires_at),
        amount_msat=invoice.amount_msat,
        rest=UNSET if rest is None else _rest(rest),
    )


def _rest(invoice: Invoice) -> RestView:
    return RestView(
        bolt11=invoice.bolt11,
        payment_hash=invoice.payment_hash,
        expires_at=iso(invoice.expires_at),
        amount_msat=invoice.amount_msat,
    )


def _derived(derived: Derived) -> DerivedView:
    return DerivedView(wallet=derived.wallet, index=derived.index, path=derived.path)


def price_view(price: Price) -> PriceView:
    """The price as clients see it."""
    return PriceView(
        currency=price.currency,
        amount=minor_text(price.minor, price.decimals),
        amount_minor=price.minor,
        decimals=price.decimals,
        rate=price.rate,
        rate_at=iso(price.rate_at),
        providers=price.providers,
        is_lone=price.is_lone,
    )


def _own_freshness(unread: Freshness) -> OwnFreshness:
    return OwnFreshness(
        source=unread.source,
        live=unread.live,
        reason=unread.reason or "",
        since_when=iso(unread.since_when or 0),
    )


def iso_or_none(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)


def public_reason(freshness: Freshness) -> str | None:
    """Why the source is behind, for anybody. Why one fails is for those with a key: it
    may be about credentials."""
    return freshness.reason if freshness.standing is Standing.BEHIND else None
