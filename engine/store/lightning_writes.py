"""Rows of Lightning accounts: parts of `engine.store.writes`.

Invoices have no rows of their own to write: they come with `payment.created`, and are
closed by the events that say how they ended.
"""

import msgspec

from engine.payment.events import Event
from engine.payment.model import EventType

__all__ = ["UpstreamCursor", "closes_invoice"]


class UpstreamCursor(msgspec.Struct, frozen=True):
    """All that this account was paid up to here is committed; of two the later counts.
    `cursor` is its adapter's own text."""

    name: str
    cursor: str
    at: int  # ms


def closes_invoice(event: Event) -> bool:
    """Whether the payment's invoice cannot be paid any more, or was. Of a payment that
    has one; a store closes it then."""
    if event.type is EventType.EXPIRED:
        return True
    receipt = event.data.receipt
    return (
        event.type is EventType.DETECTED
        and receipt is not None
        and receipt.is_lightning
    )
