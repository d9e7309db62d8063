"""Items by the tick at which they are due: a list for each tick, and a heap of ticks.

Beside the timing wheel of `engine/runtime/clock.py` it is the one store of timers: for
what is due in weeks (a payment's deadline), is taken a few at a time (the alarms of
sockets), is looked at once a second (the ends of visits) or moves only when told
(simulated time). A million items in a few thousand ticks cost a place in a list each.
Pure: whoever owns it says what a tick is.
"""

import heapq
from typing import Generic, TypeVar

__all__ = ["TimerBuckets"]

T = TypeVar("T")


class TimerBuckets(Generic[T]):
    """Earlier ticks first, and within one tick in the order of adding."""

    __slots__ = ("_buckets", "_count", "_taken", "_ticks")

    def __init__(self) -> None:
        self._buckets: dict[int, list[T]] = {}
        self._ticks: list[int] = []  # a heap of the buckets' ticks
        self._taken = 0  # items of the first bucket that are out already
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def next_tick(self) -> int | None:
        """The tick of the first item, or None if there is none."""
        return self._ticks[0] if self._ticks else None

    def first(self) -> T | None:
        """The item that is due first; it stays."""
        return self._buckets[self._ticks[0]][self._taken] if self._ticks else None

    def add(self, tick: int, item: T) -> None:
        """Keep an item until `take` is called with this tick or a later one."""
        self._count += 1
        bucket = self._buckets.get(tick)
        if bucket is not None:
            bucket.append(item)
            return
        if self._taken and tick < self._ticks[0]:  # another bucket is first now
            del self._buckets[self._ticks[0]][: self._taken]
            self._taken = 0
        self._buckets[tick] = [item]
        heapq.heappush(self._ticks, tick)

    def take(self, tick: int) -> T | None:
        """Remove the first item that is due at `tick` or before; None: none is."""
        if not self._ticks or self._ticks[0] > tick:
            return None
        bucket = self._buckets[self._ticks[0]]
        item = bucket[self._taken]
        self._taken += 1
        self._count -= 1
        if self._taken == len(bucket):
            del self._buckets[heapq.heappop(self._ticks)]
            self._taken = 0
        assert self._count >= 0
        return item

    def clear(self) -> None:
        self._buckets.clear()
        self._ticks.clear()
        self._taken = self._count = 0
