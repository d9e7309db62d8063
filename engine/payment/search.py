"""What a payment is found by: what a person has in his hand, and how it is looked up.

A person has an order number, an address, a transaction id, a payment hash, a payment's
id, or a sum. The first few have indexes of their own; transactions and sums are found
by keys of 48 bits, made here: that two things share one is not to be expected, and
would show a merchant another of his own payments. Pure.
"""

import hashlib
import re
from collections.abc import Collection
from decimal import Decimal

import msgspec

from engine.bitcoin.address import parse_address
from engine.errors import InvalidAddress
from engine.money.amount import MAX_SAT, SAT_PER_BTC
from engine.payment.events import Event
from engine.payment.model import EventType, Flag, Payment, Terms

__all__ = [
    "MAX_SEARCH",
    "Sought",
    "flag_bits",
    "new_sum",
    "new_txid",
    "sought",
    "sum_key",
    "sum_keys",
    "txid_key",
    "txid_keys",
]

MAX_SEARCH = 200
"""Characters of a search: as many as an order number has."""

_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_SAT = re.compile(r"([0-9]{1,16})(?: *sats?)?", re.IGNORECASE)
_BTC = re.compile(
    r"([0-9]{1,8}(?:\.[0-9]{1,8})?) *BTC|([0-9]{1,8}\.[0-9]{1,8})", re.IGNORECASE
)

_BITS = {flag: 1 << number for number, flag in enumerate(Flag)}


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """What a text may mean; each that it may mean is looked for."""

    text: str  # an order number, or a payment's id
    address: str | None = None  # in its normal form
    txid: str | None = None  # or a payment hash
    sum_sat: int | None = None


def sought(text: str, network: str) -> Sought:
    """What a person may mean by a text. A `bitcoin:` URI means its address."""
    text = text.strip()
    address = text.removeprefix("bitcoin:").partition("?")[0]
    return Sought(
        text=text,
        address=_address(address, network),
        txid=text.lower() if _HASH.fullmatch(text) else None,
        sum_sat=_sum_sat(text),
    )


def _address(text: str, network: str) -> str | None:
    try:
        return parse_address(text, network).text
    except InvalidAddress:
        return None


def _sum_sat(text: str) -> int | None:
    """A whole number is satoshi, one with a point or the unit is bitcoin."""
    if (found := _BTC.fullmatch(text)) is not None:
        sat = int(Decimal(found[1] or found[2]) * SAT_PER_BTC)
    elif (found := _SAT.fullmatch(text)) is not None:
        sat = int(found[1])
    else:
        return None
    return sat if 0 < sat <= MAX_SAT else None


# -- keys ------------------------------------------------------------------------------


def txid_key(txid: str) -> int:
    return _key(f"txid {txid}")


def sum_key(merchant: str | None, sum_sat: int) -> int:
    """Of one merchant, or of all: many have the same sums."""
    return _key(f"sum {sum_sat}" if merchant is None else f"{sum_sat} of {merchant}")


def _key(said: str) -> int:
    digest = hashlib.blake2b(said.encode(), digest_size=6).digest()
    return int.from_bytes(digest, signed=True)


def new_sum(event: Event, terms: Terms) -> int | None:
    """The sum by which an event makes its payment findable, in satoshi."""
    if event.type is EventType.CREATED:
        return terms.amount_sat
    receipt = event.data.receipt
    if event.type is not EventType.DETECTED or receipt is None:
        return None
    return None if receipt.amount_sat == terms.amount_sat else receipt.amount_sat


def new_txid(event: Event, terms: Terms) -> str | None:
    """The transaction, or the payment hash, by which it does."""
    if event.type is EventType.DETECTED:
        return event.txid
    if event.type is EventType.CREATED:
        return None if terms.lightning is None else terms.lightning.payment_hash
    if event.data.changed is not None:
        moved = event.data.changed.lightning_rest
        return None if moved is None else moved.new.payment_hash
    if event.data.refund is not None:
        return event.data.refund.txid or None
    if event.type is EventType.FORWARDING and event.data.forward is not None:
        return event.data.forward.txid
    return None


def sum_keys(payment: Payment) -> set[int]:
    """The keys of a payment's sums, as far as its state tells them."""
    sums = {receipt.amount_sat for receipt in payment.receipts}
    if payment.terms.amount_sat is not None:
        sums.add(payment.terms.amount_sat)
    merchants = (payment.terms.merchant, None)
    return {sum_key(merchant, one) for one in sums for merchant in merchants}


def txid_keys(payment: Payment) -> set[int]:
    """The same of its transactions."""
    terms, forward = payment.terms, payment.forward
    txids = {receipt.txid for receipt in payment.receipts}
    txids.update(claim.txid for claim in payment.claims if claim.txid is not None)
    if forward is not None:
        txids.update(part.txid for part in forward.parts)
    txids.update(invoice.payment_hash for invoice in terms.invoices)
    return {txid_key(txid) for txid in txids}


def flag_bits(flags: Collection[Flag]) -> int:
    """Flags as one number, a bit for each; 0: none."""
    return 0 if not flags else sum(_BITS[flag] for flag in flags)
