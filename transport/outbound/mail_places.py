"""Places for connections to one server that all merchants share.

One merchant has at most a quarter: whoever owes many mails, or whose recipients are
slow, leaves the others theirs. Blocks its greenlet, for no longer than it is told.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from gevent.lock import BoundedSemaphore

__all__ = ["MailPlaces", "NoPlace"]


class NoPlace(Exception):
    """All were taken, for as long as one may wait. The text says whose."""


class MailPlaces:
    """See the module docstring. One for each server, for all greenlets."""

    def __init__(self, most: int) -> None:
        self._all = BoundedSemaphore(most)
        self.of_one = max(most // 4, 1)
        self._by_owner: dict[str, BoundedSemaphore] = {}

    @contextmanager
    def one(self, owner: str, within_s: float) -> Iterator[None]:
        """While this lasts. Raises `NoPlace`."""
        until = time.monotonic() + within_s
        own = self._by_owner.setdefault(owner, BoundedSemaphore(self.of_one))
        if not own.acquire(timeout=within_s):
            raise NoPlace(f"{self.of_one} mails of this merchant are under way")
        try:
            if not self._all.acquire(timeout=max(until - time.monotonic(), 0.0)):
                raise NoPlace("too many mails are under way")
            try:
                yield
            finally:
                self._all.release()
        finally:
            own.release()
