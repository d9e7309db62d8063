"""When which payment must be reviewed: what the supervisor remembers of deadlines.

No actor: a record. Deadlines are kept in buckets of `SPAN_MS`, so that a million of
them cost a place in a list each. One that moved stays in its bucket until its time has
come, or until there are too many such; the registry says which are true.
"""

import heapq

from engine.runtime.registry import Registry

__all__ = ["Deadlines"]

SPAN_MS = 100
"""A deadline is told up to so much late, never early."""

MOVED_MAX = 1_000
"""Deadlines that moved and are left behind: so many more than live ones."""


class Deadlines:
    """Deadlines (ms of the wall clock) by payment id."""

    __slots__ = ("_at", "_buckets", "_kept", "_order")

    def __init__(self) -> None:
        self._at: Registry[str, int] = Registry()
        self._buckets: dict[int, list[str]] = {}  # by number: ids due at its end
        self._order: list[int] = []  # a heap of the buckets' numbers
        self._kept = 0  # ids in all buckets

    def __len__(self) -> int:
        return len(self._at)

    def get(self, name: str) -> int | None:
        """When the payment is reviewed next."""
        return self._at.get(name)

    def set(self, name: str, at: int) -> None:
        """The payment's one deadline is this."""
        if self._at.get(name) == at:
            return
        self._at[name] = at
        self._put(name, at)
        if self._kept > 2 * len(self._at) + MOVED_MAX:
            self._sweep()

    def forget(self, name: str) -> None:
        self._at.pop(name)

    def next_ms(self) -> int | None:
        """When the next bucket is due, or None if there is none."""
        return self._order[0] * SPAN_MS if self._order else None

    def take_due(self, now: int, limit: int) -> list[str]:
        """Up to `limit` payments whose deadline has come; they have none then."""
        due: list[str] = []
        while self._order and self._order[0] * SPAN_MS <= now and len(due) < limit:
            bucket = self._buckets[self._order[0]]
            while bucket and len(due) < limit:
                name = bucket.pop()
                self._kept -= 1
                at = self._at.get(name)
                if at is not None and -(-at // SPAN_MS) <= self._order[0]:
                    self._at.pop(name)
                    due.append(name)
            if not bucket:
                del self._buckets[heapq.heappop(self._order)]
        return due

    def _put(self, name: str, at: int) -> None:
        number = -(-at // SPAN_MS)
        bucket = self._buckets.get(number)
        if bucket is None:
            self._buckets[number] = [name]
            heapq.heappush(self._order, number)
        else:
            bucket.append(name)
        self._kept += 1

    def _sweep(self) -> None:
        self._buckets.clear()
        self._order.clear()
        self._kept = 0
        for name, at in self._at.items():
            self._put(name, at)
