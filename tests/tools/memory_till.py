"""Forwards of tills, of the store in memory: the port's rules, said without SQL."""

from engine.lightning.till import NEVER, TillForward, TillState
from engine.payment.till_rules import concerns_till
from engine.store.outgoing_port import Queued
from engine.store.till_writes import MoveTill, NewTill, UnqueueTill
from engine.store.writes import Entry
from tests.tools.memory_rows import Refused, Tables

__all__ = ["MemoryTill", "queue_for_till", "write_till"]


class MemoryTill:
    """Implements `TillReader`."""

    _tables: Tables

    def till_forward(self, forward_id: str) -> TillForward | None:
        return self._tables.till_forwards.get(forward_id)

    def till_forward_of(self, payment_id: str) -> TillForward | None:
        kept = self._tables.till_forwards.values()
        return next((f for f in kept if f.payment_id == payment_id), None)

    def till_due(
        self, source: str, at: int, within: int, limit: int = 100
    ) -> list[TillForward]:
        found = [
            f
            for f in self._open_of(source)
            if f.next_at <= at or at + within < f.next_at < NEVER
        ]
        return sorted(found, key=lambda f: (f.next_at, f.id))[:limit]

    def till_troubled(self, source: str, limit: int = 100) -> list[TillForward]:
        sorry = {TillState.WAITING, TillState.STUCK}
        found = [f for f in self._open_of(source) if f.state in sorry or f.delays]
        return found[:limit]

    def till_sources(self) -> list[str]:
        kept = self._tables.till_forwards.values()
        queued = {source for source, _ in self._tables.till_queue.values()}
        return sorted(queued | {f.source for f in kept if f.is_open})

    def till_forwards_of_merchant(
        self, merchant: str, before: str = "", limit: int = 50
    ) -> list[TillForward]:
        kept = self._tables.till_forwards
        found = [kept[name] for name in sorted(kept, reverse=True)]
        mine = [f for f in found if f.merchant == merchant]
        return [f for f in mine if not before or f.id < before][:limit]

    def till_queue(self, source: str, limit: int = 100) -> list[Queued]:
        tables = self._tables
        rows = sorted(
            (n, seq) for n, (s, seq) in tables.till_queue.items() if s == source
        )
        return [Queued(tables.payments[n].payment, seq) for n, seq in rows[:limit]]

    def _open_of(self, source: str) -> list[TillForward]:
        kept = self._tables.till_forwards
        found = [kept[name] for name in sorted(kept)]
        return [f for f in found if f.source == source and f.is_open]


def queue_for_till(tables: Tables, entry: Entry) -> None:
    """As a store does in the transaction of the events."""
    terms = entry.payment.terms
    if terms.lightning is None or not terms.lightning.is_till:
        return
    for event in entry.events:
        if concerns_till(event):
            tables.put(tables.till_queue, terms.id, (terms.lightning.node, event.seq))


def write_till(tables: Tables, row: NewTill | MoveTill | UnqueueTill) -> int:
    """How much it changed. Raises `Refused`."""
    kept = tables.till_forwards
    match row:
        case NewTill(forward):
            if forward.id in kept:
                raise Refused("till", f"{forward.id} is there already")
            if any(f.payment_id == forward.payment_id for f in kept.values()):
                raise Refused("till", f"{forward.payment_id} is sent on already")
            tables.put(kept, forward.id, forward)
        case MoveTill(forward, before):
            known = kept.get(forward.id)
            if known is None or known.step != before:
                raise Refused("till", f"{forward.id} was moved meanwhile")
            others = (f for f in kept.values() if f.id != forward.id)
            paid = {f.payment_hash for f in others} - {""}
            if forward.payment_hash in paid:
                raise Refused("till", "another one pays this invoice")
            tables.put(kept, forward.id, forward)
        case UnqueueTill(payment_id, seq):
            queued = tables.till_queue.get(payment_id)
            if queued is None or queued[1] > seq:
                return 0
            tables.drop(tables.till_queue, payment_id)
    return 1
