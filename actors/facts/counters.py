"""Counts of what has happened, for metrics: any actor adds, nobody sets."""

from collections import Counter

__all__ = ["Counters"]


class Counters:
    """By dotted name. A count only grows, and begins at 0 with the process."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, times: int = 1) -> None:
        assert times >= 0, "a count only grows"
        self._counts[name] += times

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def snapshot(self) -> dict[str, int]:
        """All counts as they are now; a copy."""
        return dict(self._counts)
