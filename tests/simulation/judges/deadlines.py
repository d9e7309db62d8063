"""What time causes: `expired`, and that a payment is let go."""

from __future__ import annotations

from engine.payment.model import Status
from tests.simulation.judges.book import WAITING, Book
from tests.simulation.judges.case import Case
from tests.simulation.record import Shown

__all__ = ["expired", "let_go"]


def expired(case: Case) -> str | None:
    """A witness that was asked after the deadline really had too little then.

    However long it takes until there is one.
    """
    book, terms = case.before, case.before.terms
    if book.status not in WAITING:
        return f"it was {book.status}"
    if book.claims:
        return "a webhook had announced money"
    if book.receipts and book.is_paid:
        return "enough is on its way"
    asked = [shown for shown in case.views if shown.asked_at >= terms.expires_at]
    if case.event.at < terms.expires_at or not asked:
        return "no source was asked since its time was over"
    if any(_had_too_little(case, shown) for shown in asked):
        return None
    return case.no_witness() or "every source that was asked had the money"


def _had_too_little(case: Case, shown: Shown) -> bool:
    enough_sat = case.before.enough_sat
    return any(
        answers.left_out
        or enough_sat
        > sum(
            output.amount_sat
            for key, output in outputs.items()
            if key not in case.before.terms.ignore and not case.is_old(output)
        )
        for answers in case.witnessed(shown)
        for _, outputs in case.outputs_in(answers)
    )


def let_go(book: Book, latest: int) -> str | None:
    """Whether nobody waits any more. `latest`: ms, as late as the node's clock was."""
    if latest < book.terms.monitor_until:
        return "it was let go before its time"
    if book.claims or book.status is Status.PENDING:
        return "it was let go and nobody was told of its end"
    if book.status is Status.CONFIRMING and book.is_paid:
        return "it was let go while money was on its way"
    return None
