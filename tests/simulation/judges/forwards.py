"""What is told of money behind its confirmation: credits, its way on, and back.

That the money really is where these say is for the judge of money; here: that they say
it of the right payment, and as the story goes.
"""

from engine.payment.model import EventType
from tests.simulation.judges.book import SETTLED
from tests.simulation.judges.case import Case

__all__ = ["credited", "forwarded", "paid_otherwise", "refunded"]


def credited(case: Case) -> str | None:
    """With the confirmation, and with what was agreed."""
    agreed, said = case.before.terms.credit, case.event.data.credits
    if agreed is None:
        return "nobody is to be credited"
    if not case.earlier or case.earlier[-1][1].type is not EventType.CONFIRMED:
        return "it does not follow a confirmation"
    return None if said == agreed.credits else f"it says {said} credits"


def forwarded(case: Case) -> str | None:
    """Of `forwarding`, `forwarded` and `failed`."""
    book, data = case.before, case.event.data
    part = data.forward
    if part is None or not book.terms.forward_to or book.terms.derived is None:
        return "it goes nowhere"
    if data.forwarding_tx_hash != part.txid or case.event.txid != part.txid:
        return "it names another transaction"
    known = book.parts.get(part.outgoing)
    if known is None and part.failed:
        return "what failed was never on its way"
    if known is not None and known.txid != part.txid:
        return "a transaction has changed"
    is_same = known is not None and (known.failed, known.completed_at is None) == (
        part.failed,
        part.completed_at is None,
    )
    if is_same and book.status in SETTLED:
        after = book.copy()
        after.enter(case.event)
        if after.status_by_parts() is book.status:
            return "it was told already"
    return None


def refunded(case: Case) -> str | None:
    """Once for each, of no more than there ever was."""
    back = case.event.data.refund
    if back is None or back.amount_sat <= 0:
        return "it names no refund"
    if back.id in case.before.refunds:
        return f"{back.id} was told already"
    return None


def paid_otherwise(case: Case) -> str | None:
    """Of a refund that was told before. Its sums are for the judge of refunds."""
    back = case.event.data.refund
    if back is None or case.event.data.changed is not None:
        return "it tells of a change and of a refund"
    if back.id not in case.before.refunds:
        return f"{back.id} was never told"
    return "all who follow learn the transaction" if case.event.txid else None
