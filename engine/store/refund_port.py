"""What may be asked of a store about refunds; part of `engine.store.port.StoreReader`.

All raise as the other questions do, and every answer is bounded. Of what is to be
looked after, one damaged row keeps no other waiting: it is there by its name.
"""

from collections.abc import Sequence
from typing import Protocol

from engine.payment.refund import Refund, RefundState
from engine.store.records import DamagedRow

__all__ = ["REFUNDS_PER_PAGE", "RefundReader"]

REFUNDS_PER_PAGE = 100


class RefundReader(Protocol):
    """Port; see the module docstring."""

    def refund(self, refund_id: str) -> Refund | None: ...

    def refunds_of(
        self, payment_id: str, limit: int = REFUNDS_PER_PAGE
    ) -> list[Refund]:
        """All of a payment, in the order of their ids, as they were made."""

    def refunds_page(
        self, merchant: str | None, before_id: str | None, limit: int
    ) -> list[Refund]:
        """Of a merchant, or of all, the highest ids first, below `before_id`: as they
        were made, the newest first."""

    def refunds_in(
        self, state: RefundState, after_id: str = "", limit: int = REFUNDS_PER_PAGE
    ) -> Sequence[Refund | DamagedRow]:
        """Living ones in this state, of all merchants, in the order of their ids."""

    def refunds_due(
        self, before: int, limit: int = REFUNDS_PER_PAGE
    ) -> Sequence[Refund | DamagedRow]:
        """Open ones whose link is over by then (ms), the oldest first."""
