"""A subscription: what one session knows of one payment that it follows, or of all.

Its `on_event` is what the router calls with each event, in the router's own turn, with
no message and no turn of the session in between: when the client has caught up, an
event goes from the commit to the client's socket in one call. While the client catches
up, events are held here and are cut by seq. All turns run in one greenlet, so a
subscription is never used by two at once.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from engine.payment.events import CommittedEvent
from engine.ports import Sink

__all__ = ["FollowStage", "JournalSubscription", "Subscription"]


class FollowStage(Enum):
    """How far a client has come."""

    CATCHING_UP = "catching up"
    """Its backlog is read and told; what happens meanwhile is held."""

    OVERFLOWED = "overflowed"
    """The same, but more happened than is held: all of it is in the journal, and is
    read once more."""

    FOLLOWING = "following"
    """It knows everything: events are told as they are committed."""

    OVER = "over"
    """It is told nothing more."""


class Subscription:
    """One payment in one session: the last seq told, and what is held meanwhile."""

    __slots__ = ("_held", "_limit", "_sink", "_stop", "number", "seq", "stage")

    def __init__(
        self,
        sink: Sink,
        stop: Callable[[], None],
        limit: int,
        number: int,
    ) -> None:
        """`stop` ends the session; `limit`: events held while a backlog is read;
        `number` tells it from others of its session, before and after."""
        self._sink = sink
        self._stop = stop
        self._limit = limit
        self._held: list[CommittedEvent] = []
        self.number = number
        self.seq: int | None = None  # None: not even the state was told yet
        self.stage = FollowStage.CATCHING_UP

    def on_event(self, event: CommittedEvent) -> None:
        """An event was committed; called by the router, never waits."""
        if self.stage is FollowStage.FOLLOWING:
            self.tell(event)
        elif self.stage is FollowStage.CATCHING_UP:
            self._hold(event)

    def _hold(self, event: CommittedEvent) -> None:
        if len(self._held) < self._limit:
            self._held.append(event)
        else:
            self._held = []
            self.stage = FollowStage.OVERFLOWED

    def must_read_on(self, more: bool) -> bool:
        """A page of the backlog was told, and the journal holds `more` or not. False:
        what is held follows. True: ask for the next page, from `seq`, not before now.
        """
        if self.stage is FollowStage.OVERFLOWED:
            self.stage = FollowStage.CATCHING_UP
            return True
        return more

    def take_held(self) -> list[CommittedEvent]:
        """What happened since the last page was read, to be told now."""
        held, self._held = self._held, []
        return held

    def caught_up(self) -> None:
        """All that is committed was told."""
        assert self.stage is FollowStage.CATCHING_UP
        assert not self._held
        self.stage = FollowStage.FOLLOWING

    def end(self) -> None:
        self._held = []
        self.stage = FollowStage.OVER

    def tell(self, event: CommittedEvent) -> bool:
        """Write the event if it is the next one. What was told already is passed over.

        A gap cannot be, as the router tells in order; if there is one, end the session
        rather than leave an event out. False: the session ends.
        """
        assert self.seq is not None
        seq = event.event.seq
        if seq == self.seq + 1:
            self.seq = seq
            return self.end_unless(self._sink.event(event))
        if seq <= self.seq:
            return True
        self._sink.close(1011, "internal error: a gap in the story; come back")
        return self.end_unless(False)

    def end_unless(self, delivered: bool) -> bool:
        """The client is gone or too slow when its wire takes no more."""
        if not delivered:
            self.end()
            self._stop()
        return delivered


class JournalSubscription(Subscription):
    """Everything, or one merchant's: `seq` is a journal offset, and has gaps."""

    __slots__ = ("merchant",)

    def __init__(
        self,
        sink: Sink,
        stop: Callable[[], None],
        limit: int,
        after: int,
        merchant: str | None,
        number: int,
    ) -> None:
        super().__init__(sink, stop, limit, number)
        self.seq = after
        self.merchant = merchant

    def tell(self, event: CommittedEvent) -> bool:
        assert self.seq is not None
        if event.offset <= self.seq:
            return True
        self.seq = event.offset
        return self.end_unless(self._sink.event(event))
