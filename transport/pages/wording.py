"""Which sentence a payer reads in which case: headlines, sentences, notes, titles.

Plain words for people who know nothing of mempools: what is, and what to do now. The
words themselves are `transport/web/words/*.toml`. Pure; called by
transport/pages/checkout.py.
"""

from decimal import Decimal

from engine.money.rates import minor_value
from engine.payment.model import Flag, Payment
from engine.payment.money_terms import Price
from engine.payment.rest_rules import DUST_SAT
from transport.pages.language import Words
from transport.pages.stages import Stage

__all__ = [
    "DUST_SAT",
    "can_be_sent",
    "fiat",
    "notes_of",
    "rest_sat",
    "title_of",
    "words_of",
]


def fiat(payment: Payment, sat: int | None, words: Words) -> str:
    """What a sum is in the currency of the price, at the price's own rate; empty where
    there is no price."""
    price = payment.terms.price
    if price is None or sat is None:
        return ""
    is_all = sat == payment.terms.amount_sat
    minor = price.minor if is_all else _worth(sat, price)
    return words.money(minor, price.currency, price.decimals)


def rest_sat(payment: Payment) -> int:
    """What is missing of the sum that was asked for; at least 1."""
    assert payment.terms.amount_sat is not None
    return max(payment.terms.amount_sat - payment.received_sat, 1)


def can_be_sent(sat: int) -> bool:
    """Whether a payer's wallet can make an output of it: nodes relay no dust. Of less
    nobody is asked; whether it is missed the tolerance decides, or the shop."""
    return sat >= DUST_SAT


def _worth(sat: int, price: Price) -> int:
    return minor_value(sat, price.currency, Decimal(price.rate))


def words_of(payment: Payment, stage: Stage, words: Words) -> tuple[str, str]:
    """Headline and sentence: what is, and what to do now."""
    say, asked = words.say, payment.terms.amount_sat
    required = payment.terms.confirmations_required
    received = words.bitcoin(payment.received_sat)
    depth = {"count": min(payment.confirmations, required), "required": required}
    match stage:
        case Stage.WAITING if asked is None:
            return say("waiting"), say("waiting_any")
        case Stage.WAITING:
            return say("waiting"), say("waiting_why")
        case Stage.ANNOUNCED:
            return say("announced"), say("announced_why")
        case Stage.SEEN:
            why = say("seen_why", received=received, **depth)
            return say("seen"), f"{why} {words.count('closing', required)}"
        case Stage.CONFIRMING:
            why = say("confirming_why", received=received, **depth)
            return say("confirming"), f"{why} {words.count('closing', required)}"
        case Stage.UNDERPAID:
            assert asked is not None  # without one, any sum is enough
            rest = rest_sat(payment)
            return say("underpaid"), say(
                "underpaid_why" if can_be_sent(rest) else "underpaid_dust",
                received=received,
                asked=words.bitcoin(asked),
                rest=words.bitcoin(rest),
            )
        case Stage.REPLACED:
            return say("replaced"), say("replaced_why")
        case Stage.REVERSED if payment.receipts:
            return say("withdrawn"), say("withdrawn_why", **depth)
        case Stage.REVERSED:
            return say("reversed"), say("reversed_why")
        case Stage.PAID if not payment.receipts:
            return say("paid"), say("paid_by_hand")
        case Stage.PAID:
            return say("paid"), say("paid_why", received=received)
        case Stage.LATE:
            return say("late"), say("late_why")
        case Stage.EXPIRED:
            return say("expired"), _expired(payment, received, words)
        case Stage.CANCELLED if payment.receipts:
            return say("cancelled"), say("cancelled_but_paid", received=received)
        case Stage.CANCELLED:
            return say("cancelled"), say("cancelled_why")
        case Stage.FAILED:
            return say("failed"), say("failed_why")


def _expired(payment: Payment, received: str, words: Words) -> str:
    if payment.receipts:
        is_late = Flag.LATE in payment.flags
        key = "expired_short_late" if is_late else "expired_short"
        return words.say(key, received=received)
    return words.say("expired_announced" if payment.claims else "expired_why")


def notes_of(payment: Payment, stage: Stage, words: Words) -> tuple[str, ...]:
    """Exceptions, a plain sentence each, beside the main one."""
    say, notes, flags = words.say, [], set(payment.flags)
    asked = payment.terms.amount_sat
    if Flag.OVERPAID in flags and asked is not None:
        more = words.bitcoin(payment.received_sat - asked)
        notes.append(say("note_overpaid", more=more))
    if Flag.LATE in flags and stage in {Stage.SEEN, Stage.CONFIRMING, Stage.REVERSED}:
        notes.append(say("note_late"))
    if Flag.REORGED in flags and stage in {Stage.SEEN, Stage.CONFIRMING}:
        notes.append(say("note_reorged"))
    if stage in {Stage.SEEN, Stage.CONFIRMING, Stage.UNDERPAID} and payment.claims:
        notes.append(say("note_announced"))
    if Flag.REPLACED in flags and stage in {Stage.SEEN, Stage.CONFIRMING}:
        notes.append(say("note_replaced"))
    return tuple(notes)


def title_of(
    payment: Payment, stage: Stage, words: Words, *, by_lightning: bool = False
) -> str:
    """Of the document: how it stands, short. `by_lightning`: what is missing can be
    paid so, however little."""
    say, asked = words.say, payment.terms.amount_sat
    required = payment.terms.confirmations_required
    match stage:
        case Stage.PAID:
            return say("title_paid")
        case Stage.WAITING | Stage.REPLACED if asked is None:
            return say("title_pay_any")
        case Stage.WAITING | Stage.REPLACED:
            assert asked is not None
            return say("title_pay", sum=words.bitcoin(asked))
        case Stage.UNDERPAID if by_lightning or can_be_sent(rest_sat(payment)):
            return say("title_pay_more", sum=words.bitcoin(rest_sat(payment)))
        case Stage.SEEN | Stage.CONFIRMING:
            count = min(payment.confirmations, required)
            return say("title_confirming", count=count, required=required)
        case _:
            return words_of(payment, stage, words)[0]
