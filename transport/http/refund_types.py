"""What the API takes and shows of refunds, as types; beside `inputs.py`, `views.py`."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from engine.bitcoin.address import MAX_ADDRESS_LENGTH
from engine.payment.events import iso
from engine.payment.refund import Refund, RefundState
from transport.http.input_values import (
    AddressText,
    AmountSat,
    AmountText,
    Currency,
    Description,
)
from transport.http.inputs import Request
from transport.http.views import iso_or_none

__all__ = [
    "CancelRefundRequest",
    "ClaimRequest",
    "PaidRefundRequest",
    "PsbtView",
    "RefundRequest",
    "RefundView",
    "RefundWorth",
    "RefundsView",
    "refund_view",
]

WEEK_S = 604_800
MAX_CLAIM_S = 31 * 86_400
TOKEN_CHARS = 35

TXID = r"^[0-9a-f]{64}$(?!\n)"


class RefundRequest(Request):
    """What is to go back. Without a sum: all that is left."""

    amount_sat: AmountSat = None
    amount: AmountText = None
    currency: Currency = None
    rate: Annotated[
        Literal["then", "now"] | None,
        Meta(
            description='"then" (the rate of the payment\'s price) or "now"; absent'
            " for then. Beside amount_sat it must be left out"
        ),
    ] = None
    address: AddressText = None
    claim_expires_in_s: Annotated[
        int,
        Meta(
            ge=60,
            le=MAX_CLAIM_S,
            description=f"a whole number of seconds between 60 and {MAX_CLAIM_S} (31"
            " days), for which the claim link holds",
        ),
    ] = WEEK_S
    fee_from: Annotated[
        Literal["merchant", "refund"],
        Meta(
            description='"merchant": the whole sum arrives; or "refund": the network\'s'
            " fee is taken off it"
        ),
    ] = "merchant"
    reason: Description = ""


class CancelRefundRequest(Request):
    """An empty object will do."""

    psbt_destroyed: Annotated[
        bool,
        Meta(
            description="true if a PSBT for it was given out and nobody will sign or"
            " send it"
        ),
    ] = False


class PaidRefundRequest(Request):
    """That it was paid by other means."""

    txid: Annotated[
        Annotated[str, Meta(pattern=TXID)] | None,
        Meta(
            description="64 hexadecimal digits: the transaction that paid it, or null"
        ),
    ] = None


class ClaimRequest(Request):
    """Where the payer wants the money. The token of the link stands for a key."""

    token: Annotated[
        str,
        Meta(min_length=1, max_length=100, description="the token of the claim link"),
    ]
    address: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_ADDRESS_LENGTH,
            description="a bitcoin address of this node's network",
        ),
    ]


class RefundWorth(msgspec.Struct, frozen=True, kw_only=True):
    """What it was worth by the rate that made its sum; `minor` in the smallest unit."""

    currency: str
    minor: int
    decimals: int
    rate: str
    rate_at: str


class RefundView(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as it is now. `claim_url` is returned only when it is created: whoever
    has it can have the money. `rate`: then, now, or given."""

    id: str
    payment_id: str
    state: RefundState
    amount_sat: int
    rate: str
    worth: RefundWorth | None
    fee_from: str
    address: str | None
    reason: str
    created_at: str
    claim_expires_at: str | None
    txid: str | None
    fee_sat: int | None
    settled_at: str | None
    claim_url: str | UnsetType = UNSET


class PsbtView(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction to be signed: `psbt` is BIP 174, in base64. `fee_sat` is its fee,
    `onward_sat` what of its coins goes on to the owner beside the refund."""

    psbt: str
    amount_sat: int
    fee_sat: int
    onward_sat: int
    inputs: list[str]


class RefundsView(msgspec.Struct, frozen=True, kw_only=True):
    """All refunds of a payment. `left_sat`: what can still be refunded."""

    data: list[RefundView]
    refunded_sat: int
    left_sat: int


def refund_view(refund: Refund, claim_url: str | None = None) -> RefundView:
    worth = refund.worth
    return RefundView(
        id=refund.id,
        payment_id=refund.payment_id,
        state=refund.state,
        amount_sat=refund.amount_sat,
        rate=refund.rate,
        worth=None
        if worth is None
        else RefundWorth(
            currency=worth.currency,
            minor=worth.minor,
            decimals=worth.decimals,
            rate=worth.rate,
            rate_at=iso(worth.rate_at),
        ),
        fee_from="refund" if refund.takes_fee else "merchant",
        address=refund.address or None,
        reason=refund.reason,
        created_at=iso(refund.created_at),
        claim_expires_at=iso_or_none(refund.expires_at or None),
        txid=refund.txid or None,
        fee_sat=refund.fee_sat or None,
        settled_at=iso_or_none(refund.settled_at or None),
        claim_url=UNSET if claim_url is None else claim_url,
    )
