"""Payments and events as the node's OpenAPI document has them.

What a node of a later version adds is in the dicts, too. A test holds these types
against the document (tests/clients/test_python_types.py in Paybell's repository).
"""

from typing import Any, Optional, TypedDict, Union

__all__ = [
    "Event",
    "FieldError",
    "Lightning",
    "Order",
    "Payment",
    "PaymentPage",
    "Price",
    "Receipt",
    "Refund",
    "RefundWorth",
]


class FieldError(TypedDict):
    """What is wrong with a field of a request."""

    path: str
    message: str


class _Receipt(TypedDict):
    txid: str
    vout: int
    amount_sat: int
    block_hash: Optional[str]
    block_height: Optional[int]
    confirmations: int


class Receipt(_Receipt, total=False):
    """One output, or one settled Lightning invoice, that pays a payment."""

    is_coinbase: bool
    method: str
    net_sat: int
    fee_sat: int
    credit_sat: int
    msat: int


class Lightning(TypedDict):
    """The invoice that pays a payment; `amount_msat` None: whatever comes."""

    bolt11: str
    payment_hash: str
    expires_at: str
    amount_msat: Optional[int]


class Price(TypedDict):
    """A price in a currency, as it was agreed."""

    currency: str
    amount: str
    amount_minor: int
    decimals: int
    rate: str
    rate_at: str
    providers: list[str]
    is_lone: bool


class Order(TypedDict):
    """How an order stands, by all payments with its number."""

    status: str
    paid_by: Optional[str]
    received_sat: int


class _Payment(TypedDict):
    id: str
    status: str
    flags: list[str]
    method: str
    network: str
    asset: str
    address: Optional[str]
    uri: Optional[str]
    amount_sat: Optional[int]
    tolerance_sat: int
    quorum_above_sat: Optional[int]
    received_sat: int
    confirmed_sat: int
    refunded_sat: int
    confirmations: int
    confirmations_required: int
    receipts: list[Receipt]
    external_id: Optional[str]
    merchant: str
    metadata: dict[str, Union[str, int, bool, None]]
    created_at: str
    expires_at: str
    seq: int
    checkout_url: str


class Payment(_Payment, total=False):
    """A payment as it is now. Sums are whole satoshi, times RFC 3339."""

    tx_hash: Optional[str]
    forwarding_tx_hash: Optional[str]
    confirmed_at: Optional[str]
    completed_at: Optional[str]
    decimals: int
    return_url: str
    gateway: str
    currency: str
    amount_minor: Optional[int]
    received_minor: int
    returned_minor: int
    price: Price
    account: str
    package: str
    methods: list[str]
    lightning: Lightning
    order: Order
    client_secret: str
    """Only in the answer that creates it."""


class PaymentPage(TypedDict):
    """One page of a list; `next_cursor` None: that is all."""

    data: list[Payment]
    next_cursor: Optional[str]


class _Event(TypedDict):
    id: str
    offset: int
    payment_id: str
    seq: int
    type: str
    at: str
    status: str
    flags: list[str]
    address: Optional[str]
    external_id: Optional[str]
    merchant: str
    amount_sat: Optional[int]
    received_sat: int
    confirmations: int
    confirmations_required: int
    txid: Optional[str]
    data: dict[str, Any]


class Event(_Event, total=False):
    """A fact about one payment; the same object on every channel."""

    payment_hash: str
    method: str
    gateway: str
    currency: str
    decimals: int
    amount_minor: Optional[int]


class RefundWorth(TypedDict):
    """What a refund was worth in money."""

    currency: str
    minor: int
    decimals: int
    rate: str
    rate_at: str


class _Refund(TypedDict):
    id: str
    payment_id: str
    state: str
    amount_sat: int
    rate: str
    worth: Optional[RefundWorth]
    fee_from: str
    address: Optional[str]
    reason: str
    created_at: str
    claim_expires_at: Optional[str]
    txid: Optional[str]
    fee_sat: Optional[int]
    settled_at: Optional[str]


class Refund(_Refund, total=False):
    """Money that goes back. `claim_url` is only in the answer that creates it."""

    claim_url: str
