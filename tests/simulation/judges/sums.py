"""Too little and too much: `underpaid` and `overpaid`."""

from __future__ import annotations

from engine.payment.events import Event
from engine.payment.model import EventType, Status
from tests.simulation.judges.book import SETTLED, Book
from tests.simulation.judges.case import Case, Decision

__all__ = ["must_tell_sums", "overpaid", "underpaid"]

_TELL_LITTLE = {Status.CONFIRMING, Status.EXPIRED}
"""Who waits, or did, is told of too little; who was told `confirmed` is not, by the
chain or by hand: the shop has its money, or has said that it wants no more."""

_TELL_MUCH = _TELL_LITTLE | SETTLED
_SUMS = {EventType.UNDERPAID, EventType.OVERPAID}


def underpaid(case: Case) -> str | None:
    book, short_sat = case.before, case.event.data.short_sat
    if book.status not in _TELL_LITTLE:
        return f"it is told of a payment that is {book.status}"
    if book.asked_sat is None or book.is_paid:
        return "enough is there"
    if short_sat != book.asked_sat - book.received_sat:
        return f"{short_sat} sat are not what is missing"
    return _is_no_news(case)


def overpaid(case: Case) -> str | None:
    book, excess_sat = case.before, case.event.data.excess_sat
    if book.status not in _TELL_MUCH:
        return f"it is told of a payment that is {book.status}"
    if not book.too_much_sat or excess_sat != book.too_much_sat:
        return f"{excess_sat} sat too much, where it is {book.too_much_sat}"
    return _is_no_news(case)


def _is_no_news(case: Case) -> str | None:
    changes = [n for n, (_, e) in enumerate(case.earlier) if _changes_sum(e)]
    if not changes:
        return "the sum is as it was"
    if any(e.type in _SUMS for _, e in case.earlier[changes[-1] :]):
        return "it is told twice"
    return None


def _changes_sum(event: Event) -> bool:
    """Something came, or is gone altogether."""
    data = event.data
    if event.type is EventType.REPLACED:
        return data.receipt is not None
    return event.type in {EventType.DETECTED, EventType.CONFIRMING} and bool(
        data.verified
    )


def must_tell_sums(decision: Decision, after: Book) -> str | None:
    """Whether the decision changes the sum and leaves out that it is a wrong one."""
    if after.asked_sat is None or not any(_changes_sum(e) for _, e in decision):
        return None
    told = [e.type for _, e in decision if e.type in _SUMS]
    last = told[-1] if told else None
    too_little = after.receipts and not after.is_paid and after.status in _TELL_LITTLE
    if too_little and last is not EventType.UNDERPAID:
        return "nobody was told that it is too little"
    too_much = after.too_much_sat and after.status in _TELL_MUCH
    if too_much and last is not EventType.OVERPAID:
        return "nobody was told that it is too much"
    return None
