"""Turns: only so many requests of one address begin in one round of the hub.

A round of the hub serves every connection that has something to read. Without this a
client with 250 connections would have 250 turns in each round, and everybody else's
request would wait for 250 of its own. Here its connections stand in a line, and others
wait for a few of them at most. Nothing is refused or slowed while the hub is idle:
rounds are then as many as there are requests.

Used by `transport/server/connection.py`, in each connection's greenlet.
"""

from collections import Counter, deque

import gevent
from gevent.event import Event

from engine.runtime.yielding import yield_to_hub

__all__ = ["PER_ROUND", "ServerTurns"]

#: A request costs 0.1 to 1 ms, so that others wait some milliseconds. With 4 the rounds
#: would be too short: a crowd of one address would cost a quarter more CPU.
PER_ROUND = 16


class ServerTurns:
    """One per server."""

    __slots__ = ("_begun", "_lines", "_loop", "_per_round", "_pump", "_round")

    def __init__(self, per_round: int = PER_ROUND) -> None:
        self._per_round = per_round
        self._loop = gevent.get_hub().loop
        self._round = -1  # the hub's number of the round that `_begun` is about
        self._begun: Counter[str] = Counter()
        self._lines: dict[str, deque[Event]] = {}  # never an empty one
        self._pump: gevent.Greenlet[..., None] | None = None  # while somebody waits

    def wait(self, key: str) -> None:
        """Come back when it is the turn of this request of `key`."""
        line = self._lines.get(key)
        if line is None:
            if self._begun_now(key) < self._per_round:
                self._begun[key] += 1
                return
            line = self._lines[key] = deque()
        turn = Event()
        line.append(turn)
        if self._pump is None:
            self._pump = gevent.spawn(self._call)
        turn.wait()

    def _begun_now(self, key: str) -> int:
        number = self._loop.iteration
        if number != self._round:
            self._round = number
            self._begun.clear()
        return self._begun[key]

    def _call(self) -> None:
        """Round after round, the next ones of each line."""
        try:
            while self._lines:
                yield_to_hub()
                for key, line in tuple(self._lines.items()):
                    for _ in range(min(self._per_round, len(line))):
                        line.popleft().set()
                    if not line:
                        del self._lines[key]
        finally:
            self._pump = None
