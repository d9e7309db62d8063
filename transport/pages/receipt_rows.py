"""The lines of a receipt for people, in the words of a language: for the page, and for
a mail. Pure.
"""

from collections.abc import Iterator
from datetime import datetime

from msgspec import UNSET, UnsetType

from transport.pages.language import Words
from transport.pages.receipt import InMoney, Proof, ReceiptPage

__all__ = [
    "Row",
    "moment",
    "proof_line",
    "proof_of",
    "rows_of",
    "state_key",
    "whose_rows",
]

Row = tuple[str, str]
"""What it is, and what it comes to."""


def moment(text: str, words: Words) -> str:
    """A time as the receipt has it (RFC 3339), for people."""
    return words.date_time(round(datetime.fromisoformat(text).timestamp() * 1000))


def state_key(receipt: ReceiptPage) -> str:
    """Of the words that say how it stands. What came late is not said to be paid: the
    shop decides whether it delivers."""
    if receipt.is_late and receipt.state == "paid":
        return "late"
    return f"receipt_{receipt.state}"


def whose_rows(receipt: ReceiptPage, words: Words) -> Iterator[Row]:
    """What only who has the payment's link is told."""
    if receipt.order:
        yield words.say("order"), receipt.order
    yield words.say("fact_payment"), receipt.payment_id


def rows_of(receipt: ReceiptPage, words: Words) -> Iterator[Row]:
    """When, how, and how much."""
    yield words.say("receipt_ordered"), moment(receipt.created_at, words)
    if receipt.paid_at is not None:
        yield words.say("receipt_paid_at"), moment(receipt.paid_at, words)
    yield words.say("receipt_method"), words.say(f"method_{receipt.method}")
    if not isinstance(receipt.gateway, UnsetType):
        yield words.say("receipt_gateway"), receipt.gateway
    if not isinstance(receipt.price, UnsetType):
        yield words.say("receipt_price"), _money(receipt.price, words)
        if receipt.price.rate is not UNSET:
            yield words.say("receipt_rate"), _rate(receipt.price, words)
    yield from _sums(receipt, words)


def _sums(receipt: ReceiptPage, words: Words) -> Iterator[Row]:
    if receipt.amount_sat is not None:
        yield words.say("receipt_asked"), _sats(receipt.amount_sat, words)
    if not isinstance(receipt.tip, UnsetType):
        yield words.say("receipt_tip"), _money(receipt.tip, words)
    elif not isinstance(receipt.tip_sat, UnsetType):
        yield words.say("receipt_tip"), _sats(receipt.tip_sat, words)
    if not isinstance(receipt.received, UnsetType):
        yield words.say("receipt_received"), _money(receipt.received, words)
    elif receipt.received_sat:
        yield words.say("receipt_received"), _sats(receipt.received_sat, words)
    if receipt.over_sat:
        yield words.say("receipt_over"), _sats(receipt.over_sat, words)
    if receipt.short_sat:
        yield words.say("receipt_short"), _sats(receipt.short_sat, words)
    yield from _worth(receipt, words)
    if not isinstance(receipt.refunded, UnsetType):
        yield words.say("receipt_given_back"), _money(receipt.refunded, words)
    elif receipt.refunded_sat:
        left = receipt.received_sat - receipt.refunded_sat
        yield words.say("receipt_given_back"), _sats(receipt.refunded_sat, words)
        yield words.say("receipt_left"), _sats(left, words)


def _worth(receipt: ReceiptPage, words: Words) -> Iterator[Row]:
    """Where it says more than the price."""
    worth, price = receipt.worth, receipt.price
    if isinstance(worth, UnsetType):
        return
    is_priced = not isinstance(price, UnsetType)
    if isinstance(price, UnsetType) or worth.amount != price.amount:
        yield words.say("receipt_worth"), _money(worth, words)
    if not is_priced:
        yield words.say("receipt_rate"), _rate(worth, words)


def proof_line(proof: Proof, words: Words) -> str:
    """How much, when, and in which block."""
    parts = [words.bitcoin(proof.amount_sat)]
    if proof.at is not None:
        parts.append(moment(proof.at, words))
    if not isinstance(proof.block_height, UnsetType):
        height = words.number(proof.block_height)
        parts.append(words.say("receipt_block", height=height))
    return " · ".join(parts)


def proof_of(proof: Proof, words: Words) -> Row:
    """What it is called, and its id."""
    if isinstance(proof.txid, UnsetType):
        assert not isinstance(proof.payment_hash, UnsetType), "it has one of the two"
        return words.say("receipt_hash"), proof.payment_hash
    return words.say("receipt_txid"), proof.txid


def _sats(sat: int, words: Words) -> str:
    return f"{words.bitcoin(sat)} · {words.number(sat)} sat"


def _money(known: InMoney, words: Words) -> str:
    return f"{words.decimal(known.amount)} {known.currency}"


def _rate(known: InMoney, words: Words) -> str:
    assert not isinstance(known.rate, UnsetType)
    assert not isinstance(known.rate_at, UnsetType)
    rate = f"{words.decimal(known.rate)} {known.currency}"
    time = moment(known.rate_at, words)
    return words.say("receipt_rate_of", rate=rate, time=time)
