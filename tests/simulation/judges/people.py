"""What people cause: `created`, `cancelled`, `updated`, and `confirmed` by hand."""

from __future__ import annotations

from engine.payment.model import Status
from tests.simulation.judges.amendments import as_it_must_be
from tests.simulation.judges.book import SETTLED
from tests.simulation.judges.case import Case
from tests.simulation.judges.forwards import paid_otherwise

__all__ = ["cancelled", "confirmed_by_hand", "created", "updated"]


def created(case: Case) -> str | None:
    """A shop asked for just this, and nothing has happened to it yet."""
    event, terms = case.event, case.before.terms
    if case.record.asked_for.get(terms.id) != terms:
        return "no shop asked for it with these terms"
    if event.seq != 1 or event.at != terms.created_at or event.data.terms != terms:
        return "it does not begin as it was asked for"
    return None


def cancelled(case: Case) -> str | None:
    """A clerk said so, and no money is there or announced."""
    book, by = case.before, case.event.data.by
    if by not in case.record.cancels.get(book.terms.id, ()):
        return f"{by!r} did not ask for it"
    if book.status not in {Status.PENDING, Status.EXPIRED}:
        return f"it was {book.status}"
    if book.receipts or book.claims:
        return "there is money, or word of it"
    return None


def updated(case: Case) -> str | None:
    """A clerk wanted just this, of a payment of which it may be; or a refund of it was
    mined in another transaction."""
    if case.event.data.refund is not None:
        return paid_otherwise(case)
    asked = case.record.amends.get(case.before.terms.id, ())
    told = case.event.data.changed
    if case.event.data.by not in {wanted.by for wanted in asked}:
        return f"{case.event.data.by!r} did not ask for it"
    fit = [as_it_must_be(case.before, wanted, case.event.at) for wanted in asked]
    return None if told in fit else f"{told} is not what was asked for: {fit}"


def confirmed_by_hand(case: Case) -> str | None:
    """A clerk said so; nothing is settled by it that could be reversed."""
    book, data = case.before, case.event.data
    if data.by not in case.record.confirms.get(book.terms.id, ()):
        return f"{data.by!r} did not ask for it"
    if book.status in SETTLED:
        return "it was confirmed already"
    if data.settled_sat:
        return f"a hand settled {data.settled_sat} sat"
    return None
