"""How many orders were created, by merchant, since somebody took the counts.

The supervisor adds after each commit; `actors/alerting/silence.py` takes.
"""

from collections.abc import Iterable, Mapping, Set

__all__ = ["MAX_MERCHANTS", "OrderCounts"]

MAX_MERCHANTS = 100_000
"""Whose orders are counted between two takings; names are made up by whoever has a key
of the node."""


class OrderCounts:
    """See the module docstring."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, merchants: Iterable[str]) -> None:
        """One order each."""
        counts = self._counts
        for merchant in merchants:
            if merchant in counts:
                counts[merchant] += 1
            elif len(counts) < MAX_MERCHANTS:
                counts[merchant] = 1

    def merchants(self, limit: int) -> list[str]:
        """Of whom there are counts, in the order in which they began."""
        return [name for name, _ in zip(self._counts, range(limit), strict=False)]

    def take(self, of: Set[str], limit: int) -> dict[str, int]:
        """The counts of these merchants, as many as `limit`; they begin anew."""
        names = [name for name in self._counts if name in of][:limit]
        return {name: self._counts.pop(name) for name in names}

    def give_back(self, counts: Mapping[str, int]) -> None:
        """They could not be written."""
        for merchant, number in counts.items():
            self._counts[merchant] = self._counts.get(merchant, 0) + number
