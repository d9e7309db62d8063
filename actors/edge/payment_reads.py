"""What the way in reads of payments and of the journal, as the store answers.

Part of `actors/edge/gateway.py`. Runs in the edge's greenlet, which waits for a reader.
"""

from collections.abc import Sequence

from engine.payment.model import Payment
from engine.payment.order import MAX_PAYMENTS
from engine.store.epochs import Epochs
from engine.store.further import ALL, Further
from engine.store.port import StoreReader
from engine.store.records import Page, Pruned, StoredEvent

__all__ = ["PaymentReads"]


class PaymentReads:
    """Implements some of `engine.gateway.Gateway`."""

    _store: StoreReader
    _orders: StoreReader

    def payments_of(
        self, external_id: str, merchant: str | None = None
    ) -> list[Payment]:
        filters = {"external_id": external_id}
        if merchant is not None:
            filters["merchant"] = merchant
        return [*self._store.list_payments(filters, None, MAX_PAYMENTS).payments]

    def list_payments(
        self,
        filters: dict[str, str],
        place: int | None,
        limit: int,
        further: Further = ALL,
    ) -> Page:
        return self._store.list_payments(filters, place, limit, further)

    def counted_outpoints(
        self, addresses: Sequence[str]
    ) -> dict[str, tuple[tuple[str, int], ...]]:
        return self._orders.counted_outpoints(addresses)

    def history(self, payment_id: str, after: int, limit: int) -> list[StoredEvent]:
        return self._store.history(payment_id, after, limit)

    def events_after(
        self, offset: int, limit: int, merchant: str | None
    ) -> list[StoredEvent]:
        return self._store.events_after(offset, limit, merchant)

    def epochs(self) -> Epochs:
        return self._store.epochs()

    def pruned(self, merchant: str | None) -> Pruned:
        return self._store.pruned(merchant)
