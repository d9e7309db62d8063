"""One event before its judge: what was so before it, and what there is to judge by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.payment.events import Event
from tests.simulation.chain import Snapshot
from tests.simulation.judges.book import Book
from tests.simulation.record import Answers, Record, Shown

__all__ = ["SLACK_MS", "Case", "Decision"]

Decision = Sequence[tuple[Book, Event]]
"""Events of one decision, each with the payment as it found it."""

SLACK_MS = 7_200_000
"""A block's time may be off by two hours; an output mined earlier than that before the
payment was made pays something else."""


@dataclass(frozen=True, slots=True)
class Case:
    """See the module docstring. A judge returns why the event is wrong, or None."""

    record: Record
    script: bytes
    before: Book
    """The payment as the event found it."""

    event: Event
    earlier: Decision
    """What the same decision told before."""

    views: Sequence[Shown]
    """What the watcher was shown at the moment of the event: mostly one view."""

    history: Sequence[Shown]
    """All that it was ever shown, these included."""

    def rounds(self) -> Iterator[Answers]:
        """What sources answered when they were asked for `views`."""
        for shown in self.views:
            yield from self.record.rounds_at(shown.source, shown.asked_at)

    def snapshots(self) -> Iterator[Snapshot]:
        for answers in self.rounds():
            yield from answers.snapshots

    def is_old(self, block_time_s: int | None) -> bool:
        """Whether what was mined then is too old to pay this payment."""
        if block_time_s is None:
            return False
        return block_time_s < (self.before.terms.created_at - SLACK_MS) // 1000
