"""Rows of Lightning accounts: parts of `engine.store.writes`.

Invoices have no rows of their own to write: they come with `payment.created`, or with
the `payment.updated` that agrees on one for what is missing, and are closed by the
events that say how they ended.
"""

import msgspec

from engine.payment.events import Event
from engine.payment.lightning_terms import Invoice
from engine.payment.model import EventType, Terms

__all__ = ["UpstreamCursor", "closed_by", "opened_by"]


class UpstreamCursor(msgspec.Struct, frozen=True):
    """All that this account was paid up to here is committed; of two the later counts.
    `cursor` is its adapter's own text."""

    name: str
    cursor: str
    at: int  # ms


def opened_by(event: Event, terms: Terms) -> Invoice | None:
    """The invoice that comes with it. `terms`: of its payment, which has one."""
    if event.type is EventType.CREATED:
        return terms.lightning
    changed = event.data.changed
    if changed is None or changed.lightning_rest is None:
        return None
    return changed.lightning_rest.new


def closed_by(event: Event, terms: Terms) -> tuple[str, ...]:
    """Hashes of the payment's invoices that cannot be paid any more after it, or were;
    a store closes them then."""
    if event.type is EventType.EXPIRED:
        return tuple(invoice.payment_hash for invoice in terms.invoices)
    receipt = event.data.receipt
    if (
        event.type is EventType.DETECTED
        and receipt is not None
        and receipt.is_lightning
    ):
        return (receipt.txid,)
    return ()
