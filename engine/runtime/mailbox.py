"""A bounded mailbox of two lanes, one of which goes first.

It exists only while there is mail: an idle actor holds none. The *system lane* (stop,
deadlines, answers from the journal) overtakes whatever backlog users made. The *user
lane* has a limit; what does not fit is refused, and the sender is told so.

A message class that sets `coalesce = True` is kept once: two pending polls are one.

Not thread-safe: only greenlets of the hub's thread touch it.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

import msgspec

__all__ = ["Answer", "PriorityMailbox", "Put", "Question"]


class Put(Enum):
    """What became of a message that was put."""

    QUEUED = "queued"
    COALESCED = "coalesced"
    REFUSED = "refused"


class Asker(Protocol):
    """Who asks: a Ref."""

    def take_answer(self, question: "Question", value: object) -> None: ...


class Question(msgspec.Struct, frozen=True, eq=False):
    """What a suspended actor waits for: `then` runs with the answer. One of its own
    for each time that it asks, so that no answer is taken for another's.

    It is called with the answer. A closure would be four more objects for the garbage
    collector to walk, and ten thousand may wait at a time.
    """

    asker: Asker
    then: Callable[[Any], None]

    def __call__(self, value: object) -> None:
        self.asker.take_answer(self, value)


class Answer(msgspec.Struct, frozen=True):
    """What a suspended actor waited for; the value may be None."""

    value: object


class PriorityMailbox:
    """Two lanes of mail for one actor. See the module docstring."""

    __slots__ = (
        "_pending_kinds",
        "_system_lane",
        "_user_lane",
        "answer",
        "question",
        "waiting",
    )

    def __init__(self) -> None:
        # Either lane is made when it is needed: an empty deque takes 620 bytes.
        self._system_lane: deque[object] | None = None
        self._user_lane: deque[object] | None = None
        self._pending_kinds: set[type] | None = None  # coalescing ones that wait
        # How many messages; its Ref looks at it three times a message, and a call of
        # `len` takes five times as long.
        self.waiting = 0
        # Of a suspended actor; its Ref writes them.
        self.question: Question | None = None
        self.answer: Answer | None = None

    def __len__(self) -> int:
        return self.waiting

    def put(self, message: object, limit: int) -> Put:
        """Queue a user message unless `limit` messages wait already."""
        if getattr(message, "coalesce", False):
            kind = type(message)
            if self._pending_kinds is None:
                self._pending_kinds = {kind}
            elif kind in self._pending_kinds:
                return Put.COALESCED
            else:
                self._pending_kinds.add(kind)
        elif (len(self._user_lane) if self._user_lane else 0) >= limit:
            return Put.REFUSED
        if self._user_lane is None:
            self._user_lane = deque()
        self._user_lane.append(message)
        self.waiting += 1
        return Put.QUEUED

    def put_system(self, message: object) -> None:
        """Queue a message that overtakes all user mail; never refused.

        The number of system messages is bounded by their senders: one stop, one
        deadline, one answer for each question asked.
        """
        if self._system_lane is None:
            self._system_lane = deque()
        self._system_lane.append(message)
        self.waiting += 1

    def put_back(self, message: object) -> None:
        """Put a user message first again: redelivery after a crash."""
        if self._user_lane is None:
            self._user_lane = deque()
        self._user_lane.appendleft(message)
        self.waiting += 1

    def take(self) -> object | None:
        """The next message, system lane first; None if there is none."""
        if self._system_lane:
            self.waiting -= 1
            return self._system_lane.popleft()
        if not self._user_lane:
            assert not self._pending_kinds, "a kind waits that is not in the mailbox"
            assert not self.waiting, "a message waits that is in no lane"
            return None
        self.waiting -= 1
        message = self._user_lane.popleft()
        if self._pending_kinds is not None:
            self._pending_kinds.discard(type(message))
        return message
