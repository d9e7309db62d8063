"""Searches of payments: of each merchant one at a time.

A search looks through much (30 ms for a million payments, bench/RESULTS.md), and the
threads that read are few and everybody's: whoever sends hundreds at once would have all
others' payments wait behind them. So a merchant's own wait for each other, a few of
them, and not for ever. Runs in the request's greenlet.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gevent.lock import BoundedSemaphore

from engine.store.further import Further
from transport.http.asking_limits import AskingLimits
from transport.http.problems import rate_limited

__all__ = ["Searches"]

_TEXT: Final = (
    "Searches of one merchant come one after the other: wait for the answer of one"
    " before the next."
)


class Searches:
    """One per node."""

    def __init__(self, limits: AskingLimits) -> None:
        self._most, self._wait_s = limits.searches_waiting, limits.search_wait_s
        self._turns: dict[str, tuple[BoundedSemaphore, list[None]]] = {}  # by owner

    @contextmanager
    def turn(self, owner: str, further: Further) -> Iterator[None]:
        """For one listing; what is listed plainly goes by an index, and waits for
        nobody. Raises `Problem` 429."""
        if further.costs_little:
            yield
            return
        lock, here = self._turns.setdefault(owner, (BoundedSemaphore(1), []))
        if len(here) > self._most:
            text = f"{_TEXT} {self._most} wait already (searches_waiting)."
            raise rate_limited(text, 1, "searches_waiting")
        here.append(None)
        try:
            if not lock.acquire(timeout=self._wait_s):
                text = f"{_TEXT} This one waited {self._wait_s:g} s (search_wait_s)."
                raise rate_limited(text, 1, "search_wait_s")
            try:
                yield
            finally:
                lock.release()
        finally:
            here.pop()
            if not here:
                del self._turns[owner]
