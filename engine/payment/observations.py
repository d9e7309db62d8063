"""Observations: what somebody claims to have seen, or asks for. Not yet believed.

They are the input of `decide`. `ChainView` (a source's word on one address) is defined
in `engine/chain/feed.py`, `Amend` in `changed.py`; the others are here.
"""

from enum import StrEnum

import msgspec

from engine.chain.feed import ChainView
from engine.lightning.agreed import Invoice
from engine.payment.changed import Amend
from engine.payment.forwarding import ForwardPart
from engine.payment.model import GivenBack, SavedToken
from engine.policy.defaults import CLAIM_WINDOW_S, CLAIMS_PER_PAYMENT, CLAIMS_TOTAL_S

__all__ = [
    "AgreeRest",
    "Amend",
    "Cancel",
    "ConfirmByHand",
    "Forward",
    "GatewayWord",
    "InvoiceGone",
    "InvoicePaid",
    "GatewayMeaning",
    "Observation",
    "ProviderClaim",
    "PaidOtherwise",
    "RefundPaid",
    "ReleasedByHand",
    "Reviewed",
]


class ProviderClaim(msgspec.Struct, frozen=True):
    """A provider's webhook says that something was paid. Authenticated, not proven."""

    provider: str
    txid: str | None
    amount_sat: int | None
    window_s: int = CLAIM_WINDOW_S  # without proof on the chain by then: withdrawn
    replaceable: bool = False
    most: int = CLAIMS_PER_PAYMENT  # claims of one payment in all its life
    total_s: int = CLAIMS_TOTAL_S  # unproven ones may hold a payment open, in all


class Reviewed(msgspec.Struct, frozen=True):
    """A deadline passed, and a source was successfully asked after it passed.

    Without a fresh answer nobody may conclude that nothing was paid, nor from one that
    is not complete (`engine.payment.review.ReviewState`).
    """

    asked_at: int  # ms; when the answer that we judge by was asked for
    # ms; when a Lightning node was asked that said of the payment's invoice that it is
    # not paid; 0: none said so, or none is concerned
    invoice_asked_at: int = 0


class Cancel(msgspec.Struct, frozen=True):
    """Somebody entitled to it cancels the payment."""

    by: str


class ConfirmByHand(msgspec.Struct, frozen=True):
    """Somebody entitled to it declares the payment paid."""

    by: str


class ReleasedByHand(msgspec.Struct, frozen=True):
    """An operator takes the payment's address from it: another merchant's payment may
    have it. The payment is watched no more, whatever comes in."""

    by: str


class Forward(msgspec.Struct, frozen=True):
    """The forwarder's word: so it stands with one outgoing transaction's part of the
    payment's money. It may say so again."""

    part: ForwardPart


class GatewayMeaning(StrEnum):
    """What a gateway can say of a payment, whatever its own words are."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    REVERSED = "REVERSED"  # money that was paid is taken back: a refund, a chargeback
    TOKEN = "TOKEN"  # noqa: S105 - nothing of money: only that a card was saved


class GatewayWord(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway's notification, its signature checked: for an `external` payment this
    is what money is counted by (`engine/payment/external_rules.py`)."""

    gateway: str
    word: GatewayMeaning
    amount_minor: int | None = None  # None: it names none
    currency: str = ""  # empty: it names none
    decimals: int = 2  # of the currency, as the gateway counts
    reference: str | None = None  # its own name of the transaction
    token: SavedToken | None = None


class RefundPaid(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of the payment is in the chain, or a person says that it is paid.

    What its refunds may come to is the store's to see to (`OpenRefund`): that this one
    was paid is told whatever became of the payment meanwhile.
    """

    refund: GivenBack
    by: str | None = None  # whose hand


class PaidOtherwise(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that was told is in the chain by another transaction of ours: its block
    was lost, and one that bumps it, or that it bumped, was mined."""

    before: str  # id of the transaction that was to have paid it until then
    refund: GivenBack  # by which one now; sums are differences from what was told


class InvoicePaid(msgspec.Struct, frozen=True, kw_only=True):
    """A Lightning node's word on an invoice of its own: it was paid. Final; said as
    often as one likes. What the sums are, `InvoiceSeen` of the node's port says."""

    node: str  # name of the account
    payment_hash: str
    received_msat: int
    fee_msat: int = 0
    credit_msat: int = 0


class InvoiceGone(msgspec.Struct, frozen=True, kw_only=True):
    """A Lightning node's word: asked then (ms, our clock), it had not been paid for
    that invoice. Once the invoice has expired, it will not be."""

    payment_hash: str
    asked_at: int


class AgreeRest(msgspec.Struct, frozen=True, kw_only=True):
    """A Lightning node made this invoice for what is missing of a short payment, as its
    payer wants to pay that by Lightning. Nobody was shown it yet."""

    invoice: Invoice
    by: str


Observation = (
    ChainView
    | ProviderClaim
    | Reviewed
    | Cancel
    | ConfirmByHand
    | ReleasedByHand
    | GatewayWord
    | RefundPaid
    | PaidOtherwise
    | Forward
    | InvoicePaid
    | InvoiceGone
    | AgreeRest
    | Amend
)
