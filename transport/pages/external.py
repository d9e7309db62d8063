"""The checkout page of a payment without a chain: what its gateway has said of it.

The gateway has a page of its own, on which the payer pays; this one says how it stands.
There is no address and no code to scan. Plain words; pure; called by `checkout.py`.
"""

from engine.payment.external_sums import short_minor
from engine.payment.model import PAID, Flag, Payment, Status
from transport.pages.language import Words
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
        is_late = Flag.LATE in payment.flags and payment.external.is_paid
        return Stage.LATE if is_late else Stage.PAID
    if payment.status in ended:
        return ended[payment.status]
    if payment.status is Status.PENDING:
        return Stage.WAITING
    return Stage.UNDERPAID if Flag.UNDERPAID in payment.flags else Stage.ANNOUNCED


def external_words(payment: Payment, stage: Stage, words: Words) -> tuple[str, str]:
    """Headline and sentence: what is, and what to do now."""
    headline, sentence = _keys_of(payment, stage)
    return words.say(headline), words.say(sentence)


def _keys_of(payment: Payment, stage: Stage) -> tuple[str, str]:
    said = payment.external
    match stage:
        case Stage.PAID if said.is_paid:
            return "paid", "paid_at_once"
        case Stage.PAID:
            return "paid", "paid_by_hand"
        case Stage.LATE:
            return "late", "late_why"
        case Stage.WAITING:
            return "waiting", "waiting_external"
        case Stage.ANNOUNCED:
            return "announced_external", "announced_external_why"
        case Stage.UNDERPAID:
            return "underpaid_external", "underpaid_external_why"
        case Stage.EXPIRED:
            return "expired", "expired_external"
        case Stage.CANCELLED:
            return "cancelled", "cancelled_why"
        case _ if said.is_paid or said.is_returned or said.returned_minor:
            return "returned", "returned_why"
        case _:
            return "declined", "declined_why"


def external_notes(payment: Payment, stage: Stage, words: Words) -> tuple[str, ...]:
    """Exceptions, a plain sentence each."""
    said, terms, notes = payment.external, payment.terms, []
    is_paid = stage in {Stage.PAID, Stage.LATE}
    if is_paid and said.returned_minor:
        back = words.money(said.returned_minor, terms.asset, terms.decimals)
        notes.append(words.say("note_given_back", sum=back))
    elif is_paid and Flag.UNDERPAID in payment.flags:
        short = words.money(short_minor(terms, said), terms.asset, terms.decimals)
        notes.append(words.say("note_missing", sum=short))
    if Flag.OVERPAID in payment.flags and terms.amount_minor is not None:
        more = said.received_minor - terms.amount_minor
        text = words.money(more, terms.asset, terms.decimals)
        notes.append(words.say("note_overpaid_external", more=text))
    if Flag.LATE in payment.flags and stage is not Stage.LATE:
        notes.append(words.say("note_late_external"))
    return tuple(notes)


def external_sum(payment: Payment, stage: Stage, words: Words) -> str | None:
    """The sum that the page is about, if one is known."""
    terms, said = payment.terms, payment.external
    minor = terms.amount_minor
    if stage in {Stage.PAID, Stage.LATE} and said.received_minor:
        minor = said.received_minor
    return None if minor is None else words.money(minor, terms.asset, terms.decimals)
