"""Channels and their outbox, of the store in memory: the port's rules without SQL."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from engine.store.epochs import Epochs
from engine.store.records import (
    ATTEMPTS,
    OWED,
    AttemptView,
    Backlog,
    ChannelRecord,
    DeliveryRecord,
    Owed,
    Pending,
    PendingPayment,
    StreamDelivery,
    ToldAlert,
)
from engine.store.writes import Place
from tests.tools.memory_tables import Tables

__all__ = ["MemoryDelivery"]


class MemoryDelivery:
    """Implements what `StoreReader` has of channels, deliveries and alerts."""

    _tables: Tables

    def epochs(self) -> Epochs:
        raise NotImplementedError  # the store's

    def last_offset(self) -> int:
        raise NotImplementedError  # the store's

    def channels(self, merchant: str | None = None) -> list[ChannelRecord]:
        rows = self._tables.channels.values()
        return [
            ChannelRecord(row.id, row.merchant, row.enabled, row.created_at, row.state)
            for row in sorted(rows, key=lambda row: (row.created_at, row.id))
            if merchant in {None, row.merchant}
        ]

    def channels_page(
        self, merchant: str | None, after: tuple[int, str], limit: int
    ) -> list[ChannelRecord]:
        found = self.channels(merchant)
        return [c for c in found if (c.created_at, c.id) > after][:limit]

    def channel(self, channel_id: str) -> ChannelRecord | None:
        return next((c for c in self.channels() if c.id == channel_id), None)

    def owed(self, channel_id: str, limit: int = OWED) -> Owed:
        dead = any(
            channel == channel_id and delivery.state == "dead"
            for (channel, _), delivery in self._tables.outbox.items()
        )
        payments = self.pending_payments(channel_id, "", limit)
        return Owed(self.last_offset(), payments, dead)

    def pending_payments(
        self, channel_id: str, after_id: str = "", limit: int = OWED
    ) -> list[PendingPayment]:
        heads: dict[str, int] = {}
        for _, delivery in self._pending(channel_id):
            heads.setdefault(delivery.payment_id, delivery.next_at)
        later = [PendingPayment(n, heads[n]) for n in sorted(heads) if n > after_id]
        return later[:limit]

    def next_pending(self, channel_id: str, payment_id: str) -> Pending | None:
        for offset, owed in self._pending(channel_id):
            if owed.payment_id == payment_id:
                row = self._tables.events[offset]
                wire = self._tables.wire(offset, row.event, row.terms)
                return Pending(
                    offset,
                    owed.seq,
                    owed.attempts,
                    owed.next_at,
                    wire,
                    owed.refusals,
                    owed.refused_at,
                    self._skipped(channel_id, payment_id, offset),
                )
        return None

    def _skipped(self, channel_id: str, payment_id: str, before: int) -> Any:
        found: list[int] = []
        for (channel, offset), owed in sorted(self._tables.outbox.items()):
            of_these = (channel, owed.payment_id) == (channel_id, payment_id)
            if of_these and offset < before:
                if owed.state == "delivered":
                    found.clear()
                elif owed.state == "dead":
                    found.append(owed.seq)
        return tuple(found)

    def _pending(self, channel_id: str) -> Iterator[tuple[int, Any]]:
        for (channel, offset), delivery in sorted(self._tables.outbox.items()):
            if channel == channel_id and delivery.state == "pending":
                yield offset, delivery

    def deliveries_after(
        self, channel_id: str, offset: int, limit: int
    ) -> list[StreamDelivery]:
        return [d for d, _ in self._deliveries(channel_id) if d.offset > offset][:limit]

    def pending_up_to(
        self, channel_id: str, offset: int, limit: int
    ) -> list[StreamDelivery]:
        found = self._deliveries(channel_id)
        pending = [d for d, state in found if state == "pending"]
        return [replace(d, wire=b"") for d in pending if d.offset <= offset][:limit]

    def last_deliveries_after(self, channel_id: str, count: int) -> int:
        offsets = [d.offset for d, _ in self._deliveries(channel_id)]
        return offsets[-count - 1] if len(offsets) > count else 0

    def _deliveries(self, channel_id: str) -> list[tuple[StreamDelivery, str]]:
        found = []
        for (channel, offset), owed in sorted(self._tables.outbox.items()):
            if channel == channel_id:
                row = self._tables.events[offset]
                wire = self._tables.wire(offset, row.event, row.terms)
                told = StreamDelivery(
                    offset, owed.payment_id, owed.seq, owed.attempts, wire
                )
                found.append((told, owed.state))
        return found

    def attempts(
        self, channel_id: str, before_id: int | None, limit: int
    ) -> list[AttemptView]:
        found = [
            AttemptView(
                number,
                self.epochs().event_id(row.offset),
                row.payment_id,
                row.seq,
                row.attempt,
                row.at,
                row.latency_ms,
                row.status,
                row.outcome,
                row.error,
                row.answer,
            )
            for number, row in self._tables.attempts.items()
            if row.channel_id == channel_id
            and (before_id is None or number < before_id)
        ]
        return found[::-1][:limit]

    def deliveries_of(
        self, payment_id: str, merchant: str | None, after: Place, limit: int
    ) -> list[DeliveryRecord]:
        channel_id, offset = after
        found = [
            self._record(name, place, owed)
            for (name, place), owed in self._tables.outbox.items()
            if owed.payment_id == payment_id
            and (place, name) > (offset, channel_id)
            and name in self._tables.channels
            and merchant in {None, self._tables.channels[name].merchant}
        ]
        return sorted(found, key=lambda d: (d.offset, d.channel_id))[:limit]

    def _record(self, name: str, offset: int, owed: Any) -> DeliveryRecord:
        row = self._tables.events[offset]
        event_id = self.epochs().event_id(offset)
        log = [
            attempt
            for attempt in self.attempts(name, None, 1_000_000)
            if attempt.event_id == event_id
        ]
        return DeliveryRecord(
            channel_id=name,
            offset=offset,
            event_id=event_id,
            payment_id=owed.payment_id,
            seq=owed.seq,
            type=row.event.type.value,
            state=owed.state,
            attempts=owed.attempts,
            next_at=owed.next_at,
            wire=self._tables.wire(offset, row.event, row.terms),
            skipped=self._skipped(name, owed.payment_id, offset),
            log=tuple(log[:ATTEMPTS]),
        )

    def backlog(
        self,
        channel_id: str,
        state: str,
        after: tuple[str, int],
        limit: int,
        count_up_to: int,
    ) -> Backlog:
        of_state: dict[str, list[DeliveryRecord]] = {"pending": [], "dead": []}
        for (name, offset), owed in self._tables.outbox.items():
            if name == channel_id and owed.state in of_state:
                whole = self._record(name, offset, owed)
                part = replace(whole, wire=b"", skipped=(), log=())
                of_state[owed.state].append(part)
        pending, dead = (min(len(of_state[s]), count_up_to) for s in of_state)
        found = sorted(of_state[state], key=lambda d: (d.payment_id, d.offset))
        later = [d for d in found if (d.payment_id, d.offset) > after]
        return Backlog(pending, dead, later[:limit])

    def outbox_counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for delivery in self._tables.outbox.values():
            counts[delivery.state] = counts.get(delivery.state, 0) + 1
        return counts

    def told_alerts(self, channel_id: str) -> list[ToldAlert]:
        told = self._tables.told
        return [told[key] for key in sorted(told) if key[0] == channel_id]

    def order_hours(self, merchant: str) -> dict[int, int]:
        hours = self._tables.hours
        mine = sorted(hour for name, hour in hours if name == merchant)
        return {hour: hours[merchant, hour] for hour in mine}
