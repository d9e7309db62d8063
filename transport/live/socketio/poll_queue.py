"""Packets that wait for the next poll of a client: bounded in number and bytes."""

from collections.abc import Callable

from transport.live.sinks import BACKLOG_SHARE
from transport.live.socketio import packets
from transport.live.socketio.limits import SocketioLimits

__all__ = ["PollQueue"]


class PollQueue:
    """Of one session, as long as it polls."""

    __slots__ = ("_bytes", "_limits", "_texts", "_waiting")

    def __init__(self, limits: SocketioLimits) -> None:
        self._limits = limits
        self._texts: list[str] = []  # of one packet or several
        self._bytes = 0
        self._waiting: list[Callable[[], None]] = []  # for room

    def __bool__(self) -> bool:
        return bool(self._texts)

    def put(self, text: str) -> bool:
        """False: it is full, and what was to be told is not."""
        limits = self._limits
        full = len(self._texts) >= limits.queue_messages
        if full or self._bytes + len(text) > limits.queue_bytes:
            return False
        self._texts.append(text)
        self._bytes += len(text)
        return True

    def has_room(self, again: Callable[[], None]) -> bool:
        """For more of a backlog; else `again` is called when what waits was taken."""
        limits = self._limits
        if (
            len(self._texts) * BACKLOG_SHARE < limits.queue_messages
            and self._bytes * BACKLOG_SHARE < limits.queue_bytes
        ):
            return True
        self._waiting.append(again)
        return False

    def take(self) -> str:
        """All of it, joined."""
        taken = packets.joined(self._texts)
        self._texts, self._bytes = [], 0
        waiting, self._waiting = self._waiting, []
        for again in waiting:
            again()
        return taken
