"""When which payment must be reviewed: what the supervisor remembers of deadlines.

No actor: a record. Deadlines are kept in buckets of `SPAN_MS`, so that a million of
them cost a place in a list each. One that moved stays in its bucket until its time has
come, or until there are too many such; the registry says which are true.
"""

from engine.runtime.registry import Registry
from engine.runtime.timer_buckets import TimerBuckets

__all__ = ["Deadlines"]

SPAN_MS = 100
"""A deadline is told up to so much late, never early."""

MOVED_MAX = 1_000
"""Deadlines that moved and are left behind: so many more than live ones."""


class Deadlines:
    """Deadlines (ms of the wall clock) by payment id."""

    __slots__ = ("_at", "_buckets")

    def __init__(self) -> None:
        self._at: Registry[str, int] = Registry()
        self._buckets: TimerBuckets[str] = TimerBuckets()  # ids, by ticks of SPAN_MS

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
        self._buckets.add(_tick(at), name)
        if len(self._buckets) > 2 * len(self._at) + MOVED_MAX:
            self._sweep()

    def forget(self, name: str) -> None:
        self._at.pop(name)

    def next_ms(self) -> int | None:
        """When the next bucket is due, or None if there is none."""
        tick = self._buckets.next_tick
        return None if tick is None else tick * SPAN_MS

    def take_due(self, now: int, limit: int) -> list[str]:
        """Up to `limit` payments whose deadline has come; they have none then."""
        due: list[str] = []
        tick = now // SPAN_MS
        while len(due) < limit and (name := self._buckets.take(tick)) is not None:
            at = self._at.get(name)
            if at is not None and _tick(at) <= tick:  # else it moved, or was forgotten
                self._at.pop(name)
                due.append(name)
        return due

    def _sweep(self) -> None:
        self._buckets.clear()
        for name, at in self._at.items():
            self._buckets.add(_tick(at), name)


def _tick(at: int) -> int:
    """The first tick that is not before `at` (ms)."""
    return -(-at // SPAN_MS)
