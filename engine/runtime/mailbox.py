"""A bounded mailbox with a system lane.

It exists only while there is mail: an idle actor holds none. Two lanes: system messages
(stop, deadlines, answers from the journal) overtake whatever backlog users made. The
user lane has a limit; what does not fit is refused, and the sender is told so.

A message class that sets `coalesce = True` is kept once: two pending polls are one.

Not thread-safe: only greenlets of the hub's thread touch it.
"""

from collections import deque
from enum import Enum

__all__ = ["Mailbox", "Put"]


class Put(Enum):
    """What became of a message that was put."""

    QUEUED = "queued"
    COALESCED = "coalesced"
    REFUSED = "refused"


class Mailbox:
    """Two lanes of mail for one actor. See the module docstring."""

    __slots__ = ("_pending_kinds", "_system", "_user", "resume")

    def __init__(self) -> None:
        # Either lane is made when it is needed: an empty deque takes 620 bytes.
        self._user: deque[object] | None = None
        self._system: deque[object] | None = None
        self._pending_kinds: set[type] | None = None
        self.resume: object | None = None  # the answer a suspended actor waits for

    def __len__(self) -> int:
        waiting = len(self._user) if self._user else 0
        return waiting + len(self._system) if self._system else waiting

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
        elif (len(self._user) if self._user else 0) >= limit:
            return Put.REFUSED
        if self._user is None:
            self._user = deque()
        self._user.append(message)
        return Put.QUEUED

    def put_system(self, message: object) -> None:
        """Queue a message that overtakes all user mail; never refused.

        The number of system messages is bounded by their senders: one stop, one
        deadline, one answer for each question asked.
        """
        if self._system is None:
            self._system = deque()
        self._system.append(message)

    def put_back(self, message: object) -> None:
        """Put a user message first again: redelivery after a crash."""
        if self._user is None:
            self._user = deque()
        self._user.appendleft(message)

    def take(self) -> object | None:
        """The next message, system lane first; None if there is none."""
        if self._system:
            return self._system.popleft()
        if not self._user:
            return None
        message = self._user.popleft()
        if self._pending_kinds is not None:
            self._pending_kinds.discard(type(message))
        return message
