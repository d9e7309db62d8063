"""What a notifier knows of its outbox without a look at it.

An event that comes from the router is sent as it is only if nothing else of its payment
can be owed. That is so for what was committed after all that is owed was read, until
something that was told is owed anew: from then on the outbox alone knows, until all of
it was read once more.
"""

from collections.abc import Callable

from engine.delivery.delivery_queue import DeliveryQueue
from engine.store.records import Pending

__all__ = ["Known"]


class Known:
    """See the module docstring."""

    __slots__ = ("_as_of", "_reading_as_of", "_to", "has_dead", "redeliveries")

    def __init__(self, redeliveries: Callable[[], int]) -> None:
        """`redeliveries`: how many were committed so far."""
        self.redeliveries = redeliveries
        self._to = 0  # offset: what is owed up to here was read or sent
        # Redeliveries before the last reading of all that is owed, and before the one
        # that goes on. A notifier reads before it is told of any event.
        self._as_of: int
        self._reading_as_of: int
        self.has_dead: bool  # something was given up, of some payment

    def begin_reading(self) -> None:
        """All that is owed is asked for, page by page."""
        self._reading_as_of = self.redeliveries()

    def end_reading(self) -> None:
        """All of it was read, and has its queue."""
        self._as_of = self._reading_as_of

    def found(self, offset: int) -> None:
        """What is owed up to this event was read in the outbox, or is sent."""
        self._to = max(self._to, offset)

    def queue_of(self, event: Pending) -> DeliveryQueue:
        """For an event that was routed here, whose payment has none."""
        now = self.redeliveries()
        if event.offset <= self._to or self._as_of != now:
            return DeliveryQueue()  # perhaps it was sent, or follows another
        if self.has_dead:
            return DeliveryQueue(newest=event.offset, as_of=now)  # after a gap?
        return DeliveryQueue(event, as_of=now)
