"""The checkout page of a payment without a chain: what its gateway has said of it.

The gateway has a page of its own, on which the payer pays; this one says how it stands.
There is no address and no code to scan. Plain words; pure; called by `checkout.py`.
"""

from engine.money.currency import money_text
from engine.payment.external_sums import short_minor
from engine.payment.model import PAID, Flag, Payment, Status
from transport.pages.stages import Stage

__all__ = ["external_notes", "external_stage", "external_sum", "external_words"]


def external_stage(payment: Payment) -> Stage:
    """The stage; there is none of depth."""
    ended = {
        Status.EXPIRED: Stage.EXPIRED,
        Status.CANCELLED: Stage.CANCELLED,
        Status.FAILED: Stage.FAILED,
    }
    if payment.status in PAID:
        return Stage.PAID
    if payment.status in ended:
        return ended[payment.status]
    if payment.status is Status.PENDING:
        return Stage.WAITING
    return Stage.UNDERPAID if Flag.UNDERPAID in payment.flags else Stage.ANNOUNCED


def external_words(payment: Payment, stage: Stage) -> tuple[str, str]:
    """Headline and sentence: what is, and what to do now."""
    said = payment.external
    match stage:
        case Stage.PAID if said.is_paid:
            return "Paid", "Your payment was received. Thank you."
        case Stage.PAID:
            return "Paid", "The shop confirmed this payment manually."
        case Stage.WAITING:
            return (
                "Waiting for your payment",
                "Please pay on the page of the payment provider. This page will say"
                " when it is done.",
            )
        case Stage.ANNOUNCED:
            return (
                "Payment in progress",
                "The payment provider is working on it. Please do not pay again.",
            )
        case Stage.UNDERPAID:
            return (
                "Not paid in full",
                "The payment provider reports another sum than was asked for. Please"
                " contact the shop.",
            )
        case Stage.EXPIRED:
            return (
                "Expired",
                "The deadline for this payment has passed. Ask the shop for a new"
                " payment.",
            )
        case Stage.CANCELLED:
            return "Cancelled", "The shop cancelled this payment. Please do not pay it."
        case _ if said.is_paid or said.is_returned or said.returned_minor:
            return "Payment returned", "The payment was given back to you."
        case _:
            return (
                "Payment failed",
                "The payment provider declined it. You were not charged by the shop;"
                " you may try again on the provider's page.",
            )


def external_notes(payment: Payment, stage: Stage) -> tuple[str, ...]:
    """Exceptions, a plain sentence each."""
    said, terms, notes = payment.external, payment.terms, []
    if stage is Stage.PAID and said.returned_minor:
        back = money_text(said.returned_minor, terms.asset, terms.decimals)
        notes.append(f"{back} of it were given back to you.")
    elif stage is Stage.PAID and Flag.UNDERPAID in payment.flags:
        short = money_text(short_minor(terms, said), terms.asset, terms.decimals)
        notes.append(f"{short} of it are missing.")
    if Flag.OVERPAID in payment.flags and terms.amount_minor is not None:
        more = said.received_minor - terms.amount_minor
        text = money_text(more, terms.asset, terms.decimals)
        notes.append(f"You paid {text} more than requested. Please ask the shop.")
    if Flag.LATE in payment.flags:
        notes.append("Your payment arrived after the deadline.")
    return tuple(notes)


def external_sum(payment: Payment, stage: Stage) -> str | None:
    """The sum that the page is about, if one is known."""
    terms, said = payment.terms, payment.external
    minor = terms.amount_minor
    if stage is Stage.PAID and said.received_minor:
        minor = said.received_minor
    return None if minor is None else money_text(minor, terms.asset, terms.decimals)
