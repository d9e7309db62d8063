"""What phoenixd says over HTTP, as types, and what it means. Pure.

Sources: ACINQ/phoenixd, `Api.kt`, `json/JsonSerializers.kt` and
`db/sqldelight/…/PaymentsIncoming.sq` (0.6 to 0.9); ACINQ/lightning-kmp,
`db/PaymentsDb.kt`, `payment/OutgoingPaymentFailure.kt`.

Gross, net and fee of what came in. `receivedSat` is lightning-kmp's `amountReceived`,
"after applying the fees: if someone sent you 500 and the fee was 10, this amount will
be 490", cut to whole satoshi; `fees` (msat) is what the LSP kept of the payment for
liquidity that it needed. So the payer sent both together: gross = receivedSat + fees.
Where `fees` is no whole number of satoshi the cut took the rest: then up to 999 msat
are missing from that sum, and the sum that was asked for tells whether they are.

What is too small to pay for liquidity becomes fee credit. It counts in `receivedSat`,
and no answer says which payments those are: only the balance tells of it
(`feeCreditSat`), so `credit_msat` of an invoice is always 0 here.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from engine.errors.lightning import NodeGarbage, NodeRefused
from engine.lightning.node import InvoiceSeen, InvoiceStatus, Payout, PayoutStatus
from engine.money.amount import MAX_SAT

__all__ = [
    "FEE_BASE_MSAT",
    "FEE_PPM",
    "NOT_FOUND",
    "BalanceSaid",
    "Channel",
    "Generated",
    "Incoming",
    "NodeInfo",
    "Outgoing",
    "PaidAnswer",
    "Pushed",
    "paid_or_not",
    "payout_of",
    "seen_of",
]

NOT_FOUND: Final = "Not found"
"""The bare body of a 404 for a hash that there is not. Other words are of another 404:
"Unknown endpoint (check api doc)", or a proxy's."""

FEE_BASE_MSAT: Final = 4_000
FEE_PPM: Final = 4_000
"""What paying costs, whoever is paid: `conf/Lsp.kt`, one level, never more."""

Sat = Annotated[int, Meta(ge=0, le=MAX_SAT)]
Msat = Annotated[int, Meta(ge=0, le=MAX_SAT * 1000)]
Ms = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Generated(msgspec.Struct, frozen=True, rename="camel"):
    """Of `POST /createinvoice`."""

    payment_hash: Hash
    serialized: Annotated[str, Meta(min_length=1, max_length=10_000)]


class Incoming(msgspec.Struct, frozen=True, rename="camel"):
    """Of `GET /payments/incoming…`. Values that are null are left out."""

    payment_hash: Hash
    is_paid: bool
    received_sat: Sat
    fees: Msat
    is_expired: bool = False
    requested_sat: Sat | None = None
    external_id: str | None = None
    completed_at: Ms | None = None  # the moment of its last part


class Outgoing(msgspec.Struct, frozen=True, rename="camel"):
    """Of `GET /payments/outgoingbyhash/{paymentHash}`: of several attempts the one that
    came farthest. `fees` of one that is not paid is 0."""

    is_paid: bool
    fees: Msat
    payment_hash: Hash | None = None
    preimage: Hash | None = None
    completed_at: Ms | None = None


class PaidAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Of `POST /payinvoice`: it was paid (`paymentPreimage`), or not (`reason`)."""

    payment_hash: Hash | None = None
    payment_preimage: Hash | None = None
    routing_fee_sat: Sat | None = None
    reason: str | None = None


class BalanceSaid(msgspec.Struct, frozen=True, rename="camel"):
    """Of `GET /getbalance`."""

    balance_sat: Sat
    fee_credit_sat: Sat


class Channel(msgspec.Struct, frozen=True, rename="camel"):
    state: str
    inbound_liquidity_sat: Sat | None = None


class NodeInfo(msgspec.Struct, frozen=True, rename="camel"):
    """Of `GET /getinfo`."""

    channels: list[Channel]


class Pushed(msgspec.Struct, frozen=True, rename="camel"):
    """Of `/websocket`. `amountSat` is net, so it is not read: the node is asked."""

    type: str
    payment_hash: Hash | None = None


def seen_of(said: Incoming, where: str) -> InvoiceSeen:
    """Raises `NodeGarbage`."""
    if not said.is_paid:
        expired = InvoiceStatus.EXPIRED if said.is_expired else InvoiceStatus.OPEN
        return InvoiceSeen(payment_hash=said.payment_hash, status=expired)
    if said.completed_at is None:
        raise NodeGarbage(f"{where} sent a paid invoice without the moment of it")
    return InvoiceSeen(
        payment_hash=said.payment_hash,
        status=InvoiceStatus.PAID,
        received_msat=_gross_msat(said),
        fee_msat=said.fees,
        settled_at=said.completed_at,
        payment_id=said.external_id or "",
    )


def _gross_msat(said: Incoming) -> int:
    """What the payer sent; see the module."""
    at_least = said.received_sat * 1000 + said.fees
    requested = (said.requested_sat or 0) * 1000
    return requested if at_least < requested <= at_least + 999 else at_least


def payout_of(said: Outgoing, payment_hash: str, where: str) -> Payout:
    """Raises `NodeGarbage`: also where it is said of another payment."""
    if said.payment_hash != payment_hash:
        raise NodeGarbage(f"{where} told of another payment")
    if said.is_paid:
        return Payout(
            status=PayoutStatus.PAID, fee_msat=said.fees, preimage=said.preimage or ""
        )
    if said.completed_at is None:
        return Payout(status=PayoutStatus.PENDING)
    return Payout(status=PayoutStatus.FAILED, reason="phoenixd could not pay it")


_REASONS: Final = {
    "payment amount must be positive": "the invoice has no amount",
    "payment request features not supported": "phoenixd cannot pay such an invoice",
    "channel is not connected yet, please retry when connected": (
        "phoenixd's channel is not connected"
    ),
    "channel creation is in progress, please retry when ready": (
        "phoenixd's channel is being opened"
    ),
    "the recipient was offline or did not have enough liquidity to receive the payment"
    "": "the recipient cannot be reached, or cannot receive so much",
    "payment attempts exhausted without success": "no way to the recipient was found",
}
"""Failures in lightning-kmp's words, and in ours; others are not repeated."""


def paid_or_not(said: PaidAnswer, payment_hash: str, where: str) -> Payout:
    """What became of the payment with this hash. Raises `NodeRefused` where the reason
    says more, and `NodeGarbage`."""
    if said.payment_hash not in (payment_hash, None):
        raise NodeGarbage(f"{where} told of another payment")
    if said.payment_preimage is not None:
        fee_msat = (said.routing_fee_sat or 0) * 1000
        return Payout(
            status=PayoutStatus.PAID, fee_msat=fee_msat, preimage=said.payment_preimage
        )
    if said.reason is None:
        raise NodeGarbage(f"{where} does not say whether it was paid")
    if said.reason == "another payment is in progress for that invoice":
        return Payout(status=PayoutStatus.PENDING)
    if said.reason == "this invoice has already been paid":
        raise NodeRefused(f"{where} says that it has paid this before", "paid")
    if "not enough funds" in said.reason or "NotEnoughFunds" in said.reason:
        raise NodeRefused(f"{where} says that its balance is too small", "funds")
    told = _REASONS.get(said.reason, "phoenixd could not pay it")
    return Payout(status=PayoutStatus.FAILED, reason=told)
