"""Every sentence that a payer reads, in one place: headlines, sentences, notes, titles.

Plain words for people who know nothing of mempools: what is, and what to do now. Pure;
called by transport/pages/checkout.py.
"""

from decimal import Decimal

from engine.money.amount import sat_to_btc
from engine.money.currency import minor_text
from engine.money.rates import minor_value
from engine.payment.model import Flag, Payment
from engine.payment.money_terms import Price
from transport.pages.stages import Stage

__all__ = ["btc", "fiat", "notes_of", "title_of", "words_of"]


def btc(sat: int) -> str:
    """BTC for people: all eight decimals are noise, two are the least."""
    whole, _, fraction = sat_to_btc(sat).partition(".")
    return f"{int(whole):,}.{fraction.ljust(2, '0')}"


def fiat(payment: Payment, sat: int | None) -> str:
    """What a sum is in the currency of the price, at the price's own rate; empty where
    there is no price."""
    price = payment.terms.price
    if price is None or sat is None:
        return ""
    is_all = sat == payment.terms.amount_sat
    minor = price.minor if is_all else _worth(sat, price)
    whole, point, part = minor_text(minor, price.decimals).partition(".")
    return f"{int(whole):,}{point}{part} {price.currency}"


def _worth(sat: int, price: Price) -> int:
    return minor_value(sat, price.currency, Decimal(price.rate))


def words_of(payment: Payment, stage: Stage) -> tuple[str, str]:
    """Headline and sentence: what is, and what to do now."""
    asked, required = payment.terms.amount_sat, payment.terms.confirmations_required
    received = f"{btc(payment.received_sat)} BTC"
    count = f"{min(payment.confirmations, required)} of {required}"
    match stage:
        case Stage.WAITING if asked is None:
            return "Waiting for your payment", "Send any amount to this address."
        case Stage.WAITING:
            return (
                "Waiting for your payment",
                "Scan the code with your wallet, or copy the address and the amount.",
            )
        case Stage.ANNOUNCED:
            return (
                "Payment announced",
                "Your payment was announced to us, but it is not on the blockchain yet."
                " We are looking for it. Please do not pay again.",
            )
        case Stage.SEEN:
            return (
                "Payment seen",
                f"{received} is on the way, with {count} confirmations. "
                + _closing(payment),
            )
        case Stage.CONFIRMING:
            return (
                "Payment is being confirmed",
                f"{received} has {count} confirmations. " + _closing(payment),
            )
        case Stage.UNDERPAID:
            assert asked is not None  # without one, any sum is enough
            return (
                "Partly paid",
                f"We received {received} of {btc(asked)} BTC. Please send the remaining"
                f" {btc(max(asked - payment.received_sat, 1))} BTC to the same"
                " address.",
            )
        case Stage.REPLACED:
            return (
                "The transaction was replaced",
                "The network replaced or dropped your transaction, so it no longer"
                " counts. We are waiting for a new one.",
            )
        case Stage.REVERSED if payment.receipts:
            return (
                "Confirmation withdrawn",
                "The network replaced the block that contained your payment. It now has"
                f" {count} confirmations. This usually resolves itself. Please do not"
                " pay again.",
            )
        case Stage.REVERSED:
            return (
                "Payment reversed",
                "The network replaced the block that contained your payment, and the"
                " payment is gone. We are waiting for it again.",
            )
        case Stage.PAID if not payment.receipts:
            return "Paid", "The shop confirmed this payment manually."
        case Stage.PAID:
            return "Paid", f"{received} was received and confirmed. Thank you."
        case Stage.EXPIRED:
            return "Expired", _expired(payment, received)
        case Stage.CANCELLED if payment.receipts:
            return (
                "Cancelled",
                f"The shop cancelled this payment, but {received} arrived afterwards."
                " Please contact the shop.",
            )
        case Stage.CANCELLED:
            return "Cancelled", "The shop cancelled this payment. Please do not pay it."
        case Stage.FAILED:
            return (
                "Something went wrong",
                "This payment could not be completed. Please contact the shop.",
            )


def _closing(payment: Payment) -> str:
    required = payment.terms.confirmations_required
    if required <= 1:
        return "A confirmation takes about ten minutes. You may close this page."
    return "Each confirmation takes about ten minutes. You may close this page."


def _expired(payment: Payment, received: str) -> str:
    if payment.receipts:
        return (
            f"Only {received} arrived before the deadline, which is not enough."
            " Please contact the shop."
        )
    if payment.claims:
        return (
            "The deadline has passed. Your payment was announced to us, but it is not"
            " on"
            " the blockchain yet. We are still looking for it. Please do not pay again."
        )
    return (
        "The deadline for this payment has passed. Please do not pay any more. Ask the"
        " shop for a new payment. If you have already paid, we are still looking for"
        " it."
    )


def notes_of(payment: Payment, stage: Stage) -> tuple[str, ...]:
    """Exceptions, a plain sentence each, beside the main one."""
    notes, flags = [], set(payment.flags)
    asked = payment.terms.amount_sat
    if Flag.OVERPAID in flags and asked is not None:
        more = btc(payment.received_sat - asked)
        notes.append(
            f"You sent {more} BTC more than requested. Please ask the shop for a"
            " refund."
        )
    if Flag.LATE in flags and stage is not Stage.CANCELLED:
        notes.append(
            "Your payment arrived after the deadline. The shop will contact you."
        )
    if Flag.REORGED in flags and stage in {Stage.SEEN, Stage.CONFIRMING}:
        notes.append(
            "The network replaced a block that contained your payment. It is being"
            " confirmed again. You do not need to do anything."
        )
    if stage in {Stage.SEEN, Stage.CONFIRMING, Stage.UNDERPAID} and payment.claims:
        notes.append(
            "A further payment was announced, but it is not on the blockchain yet."
        )
    if Flag.REPLACED in flags and stage in {Stage.SEEN, Stage.CONFIRMING}:
        notes.append("An earlier transaction was replaced. This one counts.")
    return tuple(notes)


def title_of(payment: Payment, stage: Stage) -> str:
    asked, required = payment.terms.amount_sat, payment.terms.confirmations_required
    count = f"{min(payment.confirmations, required)}/{required}"
    match stage:
        case Stage.PAID:
            return "Paid ✓"
        case Stage.WAITING | Stage.REPLACED:
            return f"Pay {btc(asked)} BTC" if asked is not None else "Pay in bitcoin"
        case Stage.UNDERPAID:
            assert asked is not None
            return f"Pay {btc(max(asked - payment.received_sat, 1))} BTC more"
        case Stage.SEEN | Stage.CONFIRMING:
            return f"{count} confirmed"
        case _:
            return words_of(payment, stage)[0]
