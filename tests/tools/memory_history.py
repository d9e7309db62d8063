"""The past in numbers, of the store in memory."""

from collections.abc import Sequence

from engine.payment.history import Fact, Sum
from engine.payment.model import EventType
from engine.store.history_writes import AddHistory, ForgetHistory
from tests.tools.memory_rows import Tables

__all__ = ["AddHistory", "ForgetHistory", "MemoryHistory", "write_history"]


class MemoryHistory:
    """Implements `HistoryReader`."""

    _tables: Tables

    def history_position(self) -> int:
        return self._tables.history_position[1]

    def history_facts(self, after: int, limit: int) -> list[Fact]:
        offsets = [offset for offset in sorted(self._tables.events) if offset > after]
        return [self._fact(offset) for offset in offsets[:limit]]

    def _fact(self, offset: int) -> Fact:
        row = self._tables.events[offset]
        event = row.event
        earlier = [
            other.event
            for other in self._tables.events.values()
            if other.event.payment_id == event.payment_id
            and other.event.seq < event.seq
        ]
        began: int | None = None
        if all(other.type is not event.type for other in earlier):
            if event.type is EventType.DETECTED:
                began = row.terms.created_at
            if event.type is EventType.CONFIRMED:
                seen = [e.at for e in earlier if e.type is EventType.DETECTED]
                began = seen[0] if seen else None
        return Fact(
            offset=offset,
            type=event.type.value,
            at=event.at,
            merchant=row.terms.merchant,
            waited_ms=None if began is None else event.at - began,
            booked_sat=event.data.booked_sat or 0,
        )

    def history_sums(
        self, step_s: int, merchant: str, series: Sequence[str], since: int, until: int
    ) -> list[Sum]:
        return [
            self._tables.history[key]
            for name in series
            for key in sorted(self._tables.history)
            if key[:3] == (step_s, merchant, name) and since <= key[3] < until
        ]


def write_history(tables: Tables, row: AddHistory | ForgetHistory) -> int:
    return _add(tables, row) if isinstance(row, AddHistory) else _forget(tables, row)


def _add(tables: Tables, row: AddHistory) -> int:
    if row.through is not None:
        if tables.history_position[1] != row.after:
            return 0
        tables.put(tables.history_position, 1, row.through)
    for one in row.sums:
        before = tables.history.get(one.key)
        tables.put(tables.history, one.key, before.plus(one) if before else one)
    return 1 + len(row.sums)


def _forget(tables: Tables, row: ForgetHistory) -> int:
    old = [k for k in tables.history if k[0] == row.step_s and k[3] < row.before]
    for key in sorted(old, key=lambda key: key[3])[: row.limit]:
        tables.drop(tables.history, key)
    return min(len(old), row.limit)
