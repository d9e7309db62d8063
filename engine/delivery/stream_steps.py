"""What a stream's notifier does next: one step at a time, in one order. Pure.

    step      is due                                            and over
    LOOK      at first, and when nothing is known of the        when a place to go on
              stream any more                                   from is found
    SETTLE    with it, when a commit failed, when deliveries    as it begins
              became owed anew
    TELL      while there is something in hand                  with that
    READ      with a look, and when more came than is kept      as it begins

The first that is due begins, if none is under way and the notifier does not rest. A
step that becomes due meanwhile has its turn afterwards. Who calls does the step.
"""

from enum import Enum

__all__ = ["StreamStep", "StreamSteps"]


class StreamStep(Enum):
    """In the order in which they go before one another."""

    LOOK = "look"  # what does the stream have?
    SETTLE = "settle"  # what it has had is noted
    TELL = "tell"
    READ = "read"  # what comes next, from the outbox


_OVER_AS_IT_BEGINS = frozenset({StreamStep.SETTLE, StreamStep.READ})


class StreamSteps:
    """Of one stream. Begins as one of which nothing is known."""

    __slots__ = ("_due", "is_resting", "under_way")

    def __init__(self) -> None:
        self.under_way: StreamStep | None = None
        self.is_resting = False
        self._due: set[StreamStep]
        self.nothing_is_known()

    def nothing_is_known(self) -> None:
        """Of the stream, nor of what follows in the outbox."""
        self._due = {StreamStep.LOOK, StreamStep.SETTLE, StreamStep.READ}

    def is_due(self, step: StreamStep) -> bool:
        return step in self._due

    def make_due(self, step: StreamStep) -> None:
        assert step is not StreamStep.TELL, "it is due while there is something in hand"
        self._due.add(step)

    def place_found(self) -> None:
        """Where in the stream to go on."""
        self._due.discard(StreamStep.LOOK)

    def next_step(self, *, in_hand: bool) -> StreamStep | None:
        """The one that begins now; it is for the caller to do. None: none. `in_hand`:
        there is something to tell."""
        if self.under_way is not None or self.is_resting:
            return None
        for step in StreamStep:
            is_due = in_hand if step is StreamStep.TELL else step in self._due
            if is_due:
                self._due -= {step} & _OVER_AS_IT_BEGINS
                self.under_way = step
                return step
        return None

    def goes_on(self, step: StreamStep) -> None:
        """It is not over with its first answer: another question belongs to it."""
        assert self.under_way is None, "one step at a time"
        self.under_way = step

    def ended(self) -> None:
        """Whatever it came to. Nothing under way: nothing happens."""
        self.under_way = None
