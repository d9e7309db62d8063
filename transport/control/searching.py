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

from engine.codes import Code
from engine.store.further import Further
from transport.http.problems import retry_later

__all__ = ["MOST_WAITING", "Searches"]

MOST_WAITING: Final = 20
WAIT_S: Final = 5.0

_TEXT: Final = (
    f"Searches of one merchant come one after the other, and {MOST_WAITING} wait"
    " already. Wait for the answer of one before the next."
)


class Searches:
    """One per node."""

    def __init__(self) -> None:
        self._turns: dict[str, tuple[BoundedSemaphore, list[None]]] = {}  # by owner

    @contextmanager
    def turn(self, owner: str, further: Further) -> Iterator[None]:
        """For one listing; what is listed plainly goes by an index, and waits for
        nobody. Raises `Problem` 429."""
        if further.costs_little:
            yield
            return
        lock, here = self._turns.setdefault(owner, (BoundedSemaphore(1), []))
        if len(here) > MOST_WAITING:
            raise retry_later(Code.RATE_LIMITED, _TEXT, 1)
        here.append(None)
        try:
            if not lock.acquire(timeout=WAIT_S):
                raise retry_later(Code.RATE_LIMITED, _TEXT, 1)
            try:
                yield
            finally:
                lock.release()
        finally:
            here.pop()
            if not here:
                del self._turns[owner]
