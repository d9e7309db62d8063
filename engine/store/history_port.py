"""What may be asked of a store about the past in numbers; part of `StoreReader`."""

from collections.abc import Sequence
from typing import Protocol

from engine.payment.history import Fact, Sum

__all__ = ["HistoryReader"]


class HistoryReader(Protocol):
    """Port; every answer is bounded."""

    def history_position(self) -> int:
        """The offset up to which all events are in the sums."""

    def history_facts(self, after: int, limit: int) -> list[Fact]:
        """What counts of the next events behind an offset, in their order."""

    def history_sums(
        self, step_s: int, merchant: str, series: Sequence[str], since: int, until: int
    ) -> list[Sum]:
        """Sums of steps that begin in a time (s), its end not with it. Steps in which
        nothing was are left out."""
