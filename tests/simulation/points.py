"""A planned crash: the process dies at the n-th step, commit or send of a world.

A world that has no other accident is run once to count such points, then once for
each of them. Where `Faults` strikes by chance, this leaves nothing out.
"""

from collections import Counter

__all__ = ["KINDS", "CrashPoint"]

KINDS = ("step", "before a commit", "after a commit", "before a send", "after a send")


class CrashPoint:
    """Counts all points; says when the planned one (`number` from 1) is reached."""

    def __init__(self, kind: str = "", number: int = 0) -> None:
        self._planned = kind, number
        self.counted: Counter[str] = Counter()

    def is_reached(self, kind: str) -> bool:
        self.counted[kind] += 1
        return self._planned == (kind, self.counted[kind])
