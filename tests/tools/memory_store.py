"""A store in memory: the port, implemented without any database.

It is the double for whoever needs a store and no disk, and the second store that the
conformance suite runs on. Tables are dicts; every change of one is noted, so that a
conflict takes back its own write. A batch is written when it is submitted, and
answered at once.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

from engine.payment.model import Payment, Terms
from engine.payment.order import MAX_PAYMENTS
from engine.store.epochs import Epochs, EpochStart
from engine.store.further import ALL, Further
from engine.store.orders import in_turn, refused_speakers, speakers, speaks, told
from engine.store.records import (
    DamagedPayment,
    FileUse,
    IdempotentAnswer,
    JournalPage,
    KeyRecord,
    MerchantRecord,
    Page,
    PaymentHistory,
    Prunable,
    Pruned,
    StoredEvent,
)
from engine.store.writes import (
    NO_PLACE,
    KeptAnswer,
    Outcome,
    Prune,
    SourceTip,
    Unavailable,
    Write,
)
from tests.tools.memory_delivery import MemoryDelivery
from tests.tools.memory_history import MemoryHistory
from tests.tools.memory_ledger import MemoryLedger
from tests.tools.memory_lightning import MemoryLightning
from tests.tools.memory_listing import listed
from tests.tools.memory_outgoing import MemoryOutgoing
from tests.tools.memory_refunds import MemoryRefunds
from tests.tools.memory_sealed import MemorySealed
from tests.tools.memory_tables import Tables, written
from tests.tools.memory_till import MemoryTill
from tests.tools.memory_wallets import WalletTables

__all__ = ["MemoryStore"]


class MemoryStore(
    MemoryDelivery,
    MemoryLedger,
    MemoryRefunds,
    MemorySealed,
    WalletTables,
    MemoryOutgoing,
    MemoryTill,
    MemoryHistory,
    MemoryLightning,
):
    """Implements `StoreReader` and `StoreWriter` of `engine.store.port`."""

    def __init__(self) -> None:
        self._tables = Tables()
        self.refuses: str | None = None  # why nothing can be written now

    # -- writing ---------------------------------------------------------------------

    def submit(
        self, batch: Sequence[Write], done: Callable[[list[Outcome]], None]
    ) -> None:
        if self.refuses is not None:
            done([Unavailable(self.refuses)] * len(batch))
            return
        ahead = speakers(batch)
        if len(ahead) > 1:  # one that is refused has paid nothing
            trial = deepcopy(self._tables)
            found = {n: written(trial, batch[n]) for n in in_turn(batch)}
            refused = refused_speakers(batch, found)
            ahead = speakers([w for n, w in enumerate(batch) if n not in refused])
        outcomes = {}
        for number in in_turn(batch):
            write = batch[number]
            if speaks(write):
                write = told(write, ahead, self._payments_of_order)
            outcomes[number] = written(self._tables, write)
        done([outcomes[number] for number in range(len(batch))])

    def _payments_of_order(self, terms: Terms) -> list[Payment]:
        filters = {"external_id": terms.external_id or "", "merchant": terms.merchant}
        return [*self.list_payments(filters, limit=MAX_PAYMENTS).payments]

    # -- payments --------------------------------------------------------------------

    def payment(self, payment_id: str) -> Payment | None:
        row = self._tables.payments.get(payment_id)
        return None if row is None else row.payment

    def payment_at(self, address: str) -> Payment | None:
        found = [row for row in self._newest() if row.terms.address == address]
        found.sort(key=lambda row: not row.watched)  # stable: the newest first
        return found[0].payment if found else None

    def customer_email(self, payment_id: str) -> str | None:
        row = self._tables.customers.get(payment_id)
        return None if row is None else row.email

    def list_payments(
        self,
        filters: dict[str, str],
        place: int | None = None,
        limit: int = 50,
        further: Further = ALL,
    ) -> Page:
        return listed(self._tables, filters, place, limit, further)

    def search_left(self) -> int:
        return 0

    def counted_outpoints(
        self, addresses: Sequence[str]
    ) -> dict[str, tuple[tuple[str, int], ...]]:
        found: dict[str, tuple[tuple[str, int], ...]] = {}
        for address in addresses:
            rows = [r for r in self._newest() if r.terms.address == address][:50]
            counted = {(c.txid, c.vout) for r in rows for c in r.payment.receipts}
            if counted:
                found[address] = tuple(sorted(counted)[:1_000])
        return found

    def watched(
        self, after_id: str = "", limit: int = 1_000
    ) -> list[Payment | DamagedPayment]:
        after = self._tables.payments.get(after_id)
        rows = [
            row
            for row in self._newest()
            if row.watched and (after is None or row.rank > after.rank)
        ]
        return [row.payment for row in rows[::-1][:limit]]

    def oldest_watched(self) -> int | None:
        rows = [row for row in self._newest() if row.watched]
        made = (r.terms.created_at for r in rows if not r.terms.is_external)
        return min(made, default=None)

    def _newest(self) -> list[Any]:
        rows = self._tables.payments.values()
        return sorted(rows, key=lambda row: row.rank, reverse=True)

    # -- events ----------------------------------------------------------------------

    def history(
        self, payment_id: str, after_seq: int = 0, limit: int = 1_000
    ) -> list[StoredEvent]:
        events = [e for e in self._events() if e.payment_id == payment_id]
        return [e for e in events if e.seq > after_seq][:limit]

    def payment_history(
        self, payment_id: str, after_seq: int | None, limit: int
    ) -> PaymentHistory | None:
        payment = self.payment(payment_id)
        if payment is None:
            return None
        if after_seq is None:
            return PaymentHistory(payment, [])
        return PaymentHistory(payment, self.history(payment_id, after_seq, limit))

    def events_after(
        self, offset: int, limit: int = 1_000, merchant: str | None = None
    ) -> list[StoredEvent]:
        later = (e for e in self._events() if e.offset > offset)
        return [e for e in later if merchant in {None, e.merchant}][:limit]

    def journal_page(
        self, offset: int, limit: int, merchant: str | None = None
    ) -> JournalPage:
        events = self.events_after(offset, limit, merchant)
        return JournalPage(events, self.last_offset())

    def last_offset(self) -> int:
        return max(self._tables.events, default=0)

    def epochs(self) -> Epochs:
        return Epochs(self._tables.epochs)

    def settle_epoch(self, epoch: str) -> None:
        self._tables.epochs = [EpochStart(1, epoch, 1)]

    def begin_epoch(self, epoch: str) -> None:
        number = len(self._tables.epochs) + 1
        start = EpochStart(self.last_offset() + 1, epoch, number)
        self._tables.epochs.append(start)

    def _events(self) -> Iterator[StoredEvent]:
        for offset, row in self._tables.events.items():
            wire = self._tables.wire(offset, row.event, row.terms)
            event = row.event
            yield StoredEvent(
                offset, event.payment_id, event.seq, row.terms.merchant, wire
            )

    # -- edges and sources -----------------------------------------------------------

    def api_keys(self) -> list[KeyRecord]:
        keys = self._tables.keys.values()
        return sorted(keys, key=lambda key: (key.created_at, key.id))

    def merchants(self) -> list[MerchantRecord]:
        kept = self._tables.merchants
        return [kept[name] for name in sorted(kept)]

    def idempotent_answer(
        self, scope: str, key: str, since: int, former: str | None = None
    ) -> IdempotentAnswer | None:
        rows = (self._tables.answers.get((s, key)) for s in (scope, former or scope))
        kept = (row for row in rows if row is not None and row.at >= since)
        row: KeptAnswer | None = next(kept, None)
        if row is None:
            return None
        return IdempotentAnswer(row.request_hash, row.status, row.body)

    def source_tip(self, source: str) -> SourceTip | None:
        tips = self._tables.tips
        if source in tips or source in NO_PLACE:
            return tips.get(source)
        others = [tip for name, tip in tips.items() if name not in NO_PLACE]
        return max(others, key=lambda tip: tip.height, default=None)

    # -- retention -------------------------------------------------------------------

    def prunable(self, before: int, after: int, limit: int) -> Prunable:
        events = self._tables.events
        found = [o for o in events if o > after][:limit]
        old = [o for o in found if events[o].event.at < before]
        names = dict.fromkeys(events[offset].terms.id for offset in old)
        prunes = [self._may_go(name, before) for name in names]
        return Prunable(
            tuple(prune for prune in prunes if prune is not None),
            old[-1] if len(old) == limit else None,
        )

    def _may_go(self, name: str, before: int) -> Prune | None:
        tables, row = self._tables, self._tables.payments[name]
        mine = {o: e.event for o, e in tables.events.items() if e.terms.id == name}
        enabled = {c.id for c in tables.channels.values() if c.enabled}
        is_owed = any(
            channel in enabled and offset in mine and owed.state == "pending"
            for (channel, offset), owed in tables.outbox.items()
        )
        is_newest = max(tables.events) in mine
        last = mine[max(mine)]
        if row.watched or is_owed or is_newest or last.at >= before:
            return None
        return Prune(name, row.payment.seq)

    def pruned(self, merchant: str | None = None) -> Pruned:
        rows = self._tables.pruned.items()
        gone = [o for o, row in rows if merchant in {None, row.terms.merchant}]
        return Pruned(len(gone), max(gone, default=0))

    def offset_before(self, at: int) -> int:
        events = self._tables.events
        return max((o for o, e in events.items() if e.event.at < at), default=0)

    def deliveries_up_to(
        self, channel_id: str, after: int, up_to: int, limit: int
    ) -> int | None:
        mine = sorted(o for c, o in self._tables.outbox if c == channel_id)
        found = [offset for offset in mine if after < offset <= up_to][:limit]
        return found[-1] if found else None

    def file_use(self) -> FileUse:
        return FileUse(page_bytes=1, pages=0, free_pages=0, can_shrink=False)
