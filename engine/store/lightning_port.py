"""What may be asked of a store about Lightning invoices and accounts: part of
`StoreReader`.
"""

from typing import Protocol

import msgspec

from engine.payment.model import Payment
from engine.store.lightning_writes import UpstreamCursor

__all__ = ["LightningReader", "OpenInvoice"]


class OpenInvoice(msgspec.Struct, frozen=True):
    """An invoice of which nobody has said how it ended."""

    payment_hash: str
    payment_id: str
    expires_at: int  # ms


class LightningReader(Protocol):
    """See `StoreReader`."""

    def payment_of_invoice(self, payment_hash: str) -> Payment | None:
        """The payment whose invoice that is, watched or long over; None: it is no
        invoice of ours. Raises `StoreDamaged` if its row is not as it was written."""

    def open_invoices(
        self, node: str, after: str = "", limit: int = 100
    ) -> list[OpenInvoice]:
        """Of this account, in the order of their hashes: those that were neither told
        as paid nor as expired."""

    def has_payable_invoice(self, node: str, since: int) -> bool:
        """Whether one of those ends at `since` (ms) or later. Of a payment that ended
        otherwise an invoice stays open for ever: no node says of it that it was not
        paid."""

    def upstream_cursor(self, name: str) -> UpstreamCursor | None:
        """How far what this account was paid is known; None: it was never read."""
