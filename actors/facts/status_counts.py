"""How many payments are watched, by status: kept as they change, never counted.

The supervisor says who comes and goes, the watchers what becomes of one; all in turns.
"""

from engine.payment.model import Status

__all__ = ["StatusCounts"]


class StatusCounts:
    """Of one node. Begins anew with the supervisor."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = dict.fromkeys(Status, 0)

    def clear(self) -> None:
        self._counts = dict.fromkeys(Status, 0)

    def come(self, status: Status) -> None:
        self._counts[status] += 1

    def gone(self, status: Status) -> None:
        self._counts[status] -= 1

    def now(self) -> dict[str, float]:
        """By the word of each status. A crash between a commit and its count leaves one
        off until the next start, and none below nothing."""
        counts = self._counts.items()
        return {status.value: float(max(count, 0)) for status, count in counts}
