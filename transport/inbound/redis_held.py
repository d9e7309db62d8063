"""Entries of the node's stream that could not be taken yet: since when, and an alert.

One that the node cannot take for its own sake (its payment's watcher is away) is tried
again at every sweep, without an end. If that lasts, a person is told. Times are those
of this process: after a restart each entry is new.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

__all__ = ["STUCK", "Held", "HeldWatch"]

STUCK = "redis.stuck"

STUCK_S = 60.0
"""An entry that waits so long for the node is told to a person: its third try."""

FORGET_S = 600.0
"""One that was not tried for so long is with another consumer, or gone."""

MAX_HELD = 10_000
"""Are remembered. One beyond that is new each time, until one of them has gone: if it
took the place of the oldest, none would ever grow old enough to be given up."""


class HeldWatch(Protocol):
    """The node, as the reader sees it and is seen by it."""

    def now(self) -> int: ...

    def trouble(self) -> str | None:
        """Why it takes nothing at all now. None: it is well."""

    def count(self, name: str) -> None: ...

    def alert(self, kind: str, subject: str, detail: str) -> None: ...

    def clear(self, kind: str, subject: str) -> None: ...


class Held:
    """By their ids. See the module docstring."""

    def __init__(
        self, watch: HeldWatch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._watch = watch
        self._clock = clock
        self._tried: dict[bytes, tuple[float, float]] = {}  # s: first, last
        self._stuck: set[bytes] = set()

    def again(self, name: bytes) -> float:
        """It was not taken this time either. For how many seconds is that so?"""
        now = self._clock()
        if name not in self._tried and len(self._tried) >= MAX_HELD:
            return 0.0
        first, _ = self._tried.get(name, (now, now))
        self._tried[name] = first, now
        return now - first

    def stuck(self, name: bytes, reason: str) -> None:
        """As `again`; that is the node's fault, and no wait is too long for it."""
        self._watch.count("redis_in.held")
        if self.again(name) >= STUCK_S:
            self._stuck.add(name)
            more = f"{len(self._stuck)} entries wait; " if self._stuck - {name} else ""
            detail = f"{more}{name.decode('ascii', 'replace')}: {reason}"
            self._watch.alert(STUCK, "redis", detail)

    def anew(self) -> None:
        """The node took nothing at all for a while: that is not held against them (an
        invoice that is not known may not have been made for the same reason)."""
        now = self._clock()
        self._tried = dict.fromkeys(self._tried, (now, now))

    def done(self, names: Sequence[bytes]) -> None:
        for name in names:
            self._forget(name)

    def forget_old(self) -> None:
        oldest = self._clock() - FORGET_S
        self.done([name for name, (_, last) in self._tried.items() if last < oldest])

    def _forget(self, name: bytes) -> None:
        self._tried.pop(name, None)
        if name in self._stuck:
            self._stuck.remove(name)
            if not self._stuck:
                self._watch.clear(STUCK, "redis")
