"""Turns: who wants much waits behind who wants little. Pure.

Things that wait stand in a line of their owner's; one is taken from each line in turn.
So an owner with a thousand of them makes another wait for one, not for a thousand. The
lines are as many as owners have something waiting, and each keeps its own order.
"""

from collections import deque
from typing import Generic, TypeVar

__all__ = ["Turns"]

T = TypeVar("T")


class Turns(Generic[T]):
    """Lines by owner. `last`: whose turn it was; the turns go by the owners' names."""

    __slots__ = ("_lines", "_waiting", "last")

    def __init__(self, last: str = "") -> None:
        self.last = last
        self._lines: dict[str, deque[T]] = {}
        self._waiting = 0

    def add(self, owner: str, item: T) -> None:
        """At the end of the owner's line."""
        self._lines.setdefault(owner, deque()).append(item)
        self._waiting += 1

    def take(self) -> T | None:
        """The next one of the next owner; None if nothing waits."""
        if not self._lines:
            return None
        later = [owner for owner in self._lines if owner > self.last]
        self.last = owner = min(later or self._lines)
        line = self._lines[owner]
        item = line.popleft()
        if not line:
            del self._lines[owner]
        self._waiting -= 1
        assert self._waiting >= 0
        return item

    def __len__(self) -> int:
        return self._waiting
