"""One at a time for each payment: a second click waits for the first.

Runs in the greenlets of requests, which wait there.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gevent.event import Event

from engine.errors import EngineBusy

__all__ = ["OneAtATime"]

_WAIT_S: Final = 30.0
"""For another's same request: a Lightning node may be slow."""


class OneAtATime:
    """Of one kind of request."""

    def __init__(self) -> None:
        self._under_way: dict[str, Event] = {}  # by payment

    @contextmanager
    def __call__(self, payment_id: str) -> Iterator[None]:
        """Raises `EngineBusy` for who waits too long."""
        until = time.monotonic() + _WAIT_S
        while (other := self._under_way.get(payment_id)) is not None:
            if not other.wait(max(until - time.monotonic(), 0)):
                raise EngineBusy("the same is being made already", 1)
        mine = self._under_way[payment_id] = Event()
        try:
            yield
        finally:
            del self._under_way[payment_id]
            mine.set()
