"""`StoreReader` over SQLite: the named questions, and what becomes of an error.

Where a query runs is up to the subclass (`_run`): in a reader's native thread, or in
the calling one. No `sqlite3.Error` leaves here.
"""

import logging
import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, TypeVarTuple

from engine.payment.model import Payment
from engine.store.epochs import Epochs
from engine.store.further import ALL, Further
from engine.store.records import (
    OWED,
    AttemptView,
    Backlog,
    ChannelRecord,
    DamagedPayment,
    DeliveryRecord,
    FileUse,
    IdempotentAnswer,
    JournalPage,
    KeyRecord,
    MerchantRecord,
    Owed,
    Page,
    PaymentHistory,
    Pending,
    PendingPayment,
    Prunable,
    Pruned,
    StoredEvent,
    StreamDelivery,
    ToldAlert,
)
from engine.store.sqlite import (
    alerts,
    deliveries,
    moments,
    outbox,
    pruning,
    queries,
    search,
)
from engine.store.sqlite.history import HistoryReads
from engine.store.sqlite.invoices import LightningReads
from engine.store.sqlite.ledger_reads import SqliteLedgerReads
from engine.store.sqlite.outgoing import OutgoingReads
from engine.store.sqlite.refunds import RefundReads
from engine.store.sqlite.till import TillReads
from engine.store.sqlite.trouble import unreadable
from engine.store.sqlite.wallet_keys import SealedReads
from engine.store.sqlite.wallets import WalletReads
from engine.store.writes import Place, SourceTip

__all__ = ["SqliteReads"]

log = logging.getLogger("paybell.store")

Asked = TypeVarTuple("Asked")
T = TypeVar("T")


class SqliteReads(
    SqliteLedgerReads,
    RefundReads,
    SealedReads,
    WalletReads,
    OutgoingReads,
    TillReads,
    HistoryReads,
    LightningReads,
):
    """Implements `engine.store.port.StoreReader`."""

    _is_failing = False  # that the database cannot be read is logged once

    _epochs: Epochs | None = None  # they do not change while it is open

    @abstractmethod
    def _run(self, query: Callable[..., Any], *args: Any) -> Any:
        """`query(connection, *args)`; raises what it raises."""

    def _ask(
        self,
        query: Callable[[sqlite3.Connection, *Asked], T],
        *args: *Asked,
    ) -> T:
        try:
            answer: T = self._run(query, *args)
        except sqlite3.Error as error:
            trouble = unreadable(error)
            if not self._is_failing:
                log.error("database.unreadable detail=%s", trouble)
            self._is_failing = True
            raise trouble from error
        if self._is_failing:
            log.warning("database.readable")
            self._is_failing = False
        return answer

    # -- payments --------------------------------------------------------------------

    def payment(self, payment_id: str) -> Payment | None:
        return self._ask(queries.payment, payment_id)

    def payment_at(self, address: str) -> Payment | None:
        return self._ask(queries.payment_at, address)

    def customer_email(self, payment_id: str) -> str | None:
        return self._ask(queries.customer_email, payment_id)

    def list_payments(
        self,
        filters: dict[str, str],
        place: int | None = None,
        limit: int = 50,
        further: Further = ALL,
    ) -> Page:
        return self._ask(queries.list_payments, filters, place, limit, further)

    def search_left(self) -> int:
        return max(self._ask(search.left) - 1, 0)

    def counted_outpoints(
        self, addresses: Sequence[str]
    ) -> dict[str, tuple[tuple[str, int], ...]]:
        return self._ask(queries.counted_outpoints, addresses)

    def watched(
        self, after_id: str = "", limit: int = 1_000
    ) -> list[Payment | DamagedPayment]:
        return self._ask(queries.watched, after_id, limit)

    def oldest_watched(self) -> int | None:
        return self._ask(queries.oldest_watched)

    # -- events ----------------------------------------------------------------------

    def history(
        self, payment_id: str, after_seq: int = 0, limit: int = 1_000
    ) -> list[StoredEvent]:
        return self._ask(queries.history, payment_id, after_seq, limit)

    def payment_history(
        self, payment_id: str, after_seq: int | None, limit: int
    ) -> PaymentHistory | None:
        return self._ask(queries.payment_history, payment_id, after_seq, limit)

    def events_after(
        self, offset: int, limit: int = 1_000, merchant: str | None = None
    ) -> list[StoredEvent]:
        return self._ask(queries.events_after, offset, limit, merchant)

    def journal_page(
        self, offset: int, limit: int, merchant: str | None = None
    ) -> JournalPage:
        return self._ask(queries.journal_page, offset, limit, merchant)

    def last_offset(self) -> int:
        return self._ask(queries.last_offset)

    def epochs(self) -> Epochs:
        if self._epochs is None:
            self._epochs = self._ask(queries.epochs)
        return self._epochs

    # -- edges and sources -----------------------------------------------------------

    def api_keys(self) -> list[KeyRecord]:
        return self._ask(queries.api_keys)

    def merchants(self) -> list[MerchantRecord]:
        return self._ask(queries.merchants)

    def idempotent_answer(
        self, scope: str, key: str, since: int, former: str | None = None
    ) -> IdempotentAnswer | None:
        return self._ask(queries.idempotent_answer, scope, key, since, former)

    def source_tip(self, source: str) -> SourceTip | None:
        return self._ask(queries.source_tip, source)

    # -- delivery --------------------------------------------------------------------

    def channels(self, merchant: str | None = None) -> list[ChannelRecord]:
        if merchant is None:  # at a start, and when notifiers begin anew
            for name in self._ask(outbox.damaged_channels):
                log.error("channel.damaged channel=%s detail=its row is not as it was"
                          " written; it is told nothing", name)  # fmt: skip
        return self._ask(outbox.channels, merchant)

    def channels_page(
        self, merchant: str | None, after: tuple[int, str], limit: int
    ) -> list[ChannelRecord]:
        return self._ask(outbox.channels_page, merchant, after, limit)

    def channel(self, channel_id: str) -> ChannelRecord | None:
        return self._ask(outbox.channel, channel_id)

    def owed(self, channel_id: str, limit: int = OWED) -> Owed:
        return self._ask(outbox.owed, channel_id, limit)

    def pending_payments(
        self, channel_id: str, after_id: str = "", limit: int = OWED
    ) -> list[PendingPayment]:
        return self._ask(outbox.pending_payments, channel_id, after_id, limit)

    def next_pending(self, channel_id: str, payment_id: str) -> Pending | None:
        return self._ask(outbox.next_pending, channel_id, payment_id)

    def deliveries_after(
        self, channel_id: str, offset: int, limit: int
    ) -> list[StreamDelivery]:
        return self._ask(outbox.deliveries_after, channel_id, offset, limit)

    def pending_up_to(
        self, channel_id: str, offset: int, limit: int
    ) -> list[StreamDelivery]:
        return self._ask(outbox.pending_up_to, channel_id, offset, limit)

    def last_deliveries_after(self, channel_id: str, count: int) -> int:
        return self._ask(outbox.last_deliveries_after, channel_id, count)

    def attempts(
        self, channel_id: str, before_id: int | None, limit: int
    ) -> list[AttemptView]:
        return self._ask(outbox.attempts, channel_id, before_id, limit)

    def deliveries_of(
        self, payment_id: str, merchant: str | None, after: Place, limit: int
    ) -> list[DeliveryRecord]:
        return self._ask(deliveries.deliveries_of, payment_id, merchant, after, limit)

    def backlog(
        self,
        channel_id: str,
        state: str,
        after: tuple[str, int],
        limit: int,
        count_up_to: int,
    ) -> Backlog:
        return self._ask(
            deliveries.backlog, channel_id, state, after, limit, count_up_to
        )

    def outbox_counts(self) -> dict[str, int]:
        return self._ask(outbox.outbox_counts)

    def told_alerts(self, channel_id: str) -> list[ToldAlert]:
        return self._ask(alerts.told_alerts, channel_id)

    def order_hours(self, merchant: str) -> dict[int, int]:
        return self._ask(alerts.order_hours, merchant)

    # -- retention -------------------------------------------------------------------

    def prunable(self, before: int, after: int, limit: int) -> Prunable:
        return self._ask(pruning.prunable, before, after, limit)

    def pruned(self, merchant: str | None = None) -> Pruned:
        return self._ask(pruning.pruned, merchant)

    def offset_before(self, at: int) -> int:
        return self._ask(moments.offset_before, at)

    def deliveries_up_to(
        self, channel_id: str, after: int, up_to: int, limit: int
    ) -> int | None:
        return self._ask(pruning.deliveries_up_to, channel_id, after, up_to, limit)

    def file_use(self) -> FileUse:
        return self._ask(pruning.file_use)
