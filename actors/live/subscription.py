"""A lane: what one session knows of one payment that it follows, or of the journal.

Its `hear` is what the router calls with each event, in the router's own turn, with no
letter and no turn of the session in between: when the client has caught up, an event
goes from the commit to the client's socket in one call. While the client catches up,
events wait here and are cut by seq. All turns run in one greenlet, so a lane is never
used by two at once.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.payment.events import CommittedEvent
from engine.ports import Sink

__all__ = ["JournalLane", "Lane"]


class Lane:
    """One payment in one session: the last seq told, and what waits meanwhile."""

    __slots__ = (
        "_limit",
        "_sink",
        "_stop",
        "again",
        "loading",
        "over",
        "seq",
        "since",
        "waiting",
    )

    def __init__(
        self, sink: Sink, stop: Callable[[], None], limit: int, since: int | None
    ) -> None:
        """`stop` ends the session; `limit`: events held while a backlog is read."""
        self._sink = sink
        self._stop = stop
        self._limit = limit
        self.since = since
        self.seq: int | None = None
        self.loading = True
        self.over = False  # nothing is told any more
        self.waiting: list[CommittedEvent] | None = None
        self.again = False  # more came than we hold: read once more

    def hear(self, event: CommittedEvent) -> None:
        """An event was committed; called by the router, never waits."""
        if self.over:
            return
        if self.loading:
            self._hold(event)
        else:
            self.tell(event)

    def _hold(self, event: CommittedEvent) -> None:
        """Keep an event that came while we read; too many are read again instead."""
        if self.waiting is None:
            self.waiting = []
        if len(self.waiting) < self._limit:
            self.waiting.append(event)
        else:
            self.waiting = None
            self.again = True

    def must_read_on(self, more: bool) -> bool:
        """Whether the story is not read to its end yet; else what waits follows."""
        again, self.again = self.again, False
        self.loading = more or again
        return self.loading

    def take_waiting(self) -> list[CommittedEvent]:
        waiting, self.waiting = self.waiting or [], None
        return waiting

    def tell(self, event: CommittedEvent) -> bool:
        """Write the event if it is the next one. What was told already is passed over.

        A gap cannot be, as the router tells in order; if there is one, end the session
        rather than tell a story with a hole in it. False: the session ends.
        """
        assert self.seq is not None
        seq = event.event.seq
        if seq == self.seq + 1:
            self.seq = seq
            return self.must(self._sink.event(event))
        if seq <= self.seq:
            return True
        self._sink.close(1011, "internal error: a gap in the story; come back")
        return self.must(False)

    def must(self, delivered: bool) -> bool:
        """The client is gone or too slow when its wire takes no more."""
        if not delivered:
            self.over = True
            self._stop()
        return delivered


class JournalLane(Lane):
    """Everything, or one merchant's: `seq` is a journal offset, and has gaps."""

    __slots__ = ()

    def tell(self, event: CommittedEvent) -> bool:
        if self.seq is not None and event.offset <= self.seq:
            return True
        self.seq = event.offset
        return self.must(self._sink.event(event))
