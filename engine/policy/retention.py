"""How long what is stored is kept. Pure.

Counted from when a payment was over and its last event happened, or from when a line
of a log was written. What a payment came to is kept for ever, as a snapshot; so is
whatever money is accounted by. What each default is for is said beside it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from engine.policy.periods import DAY_MS

__all__ = ["Retention", "believed_now", "pages_to_free", "portions"]

T = TypeVar("T")

SPARE_PAGES = 2_048
"""Free pages that are left alone (8 MB): the next payments want them again."""

SPARE_SHARE = 0.2
"""And so is this share of the file: moving pages costs more than keeping them."""


class Retention(msgspec.Struct, frozen=True):
    """Days. 0 keeps for ever."""

    events: int = 400
    """A year, and the month in which a year's books are closed."""

    deliveries: int = 30
    """What a channel was told can be told again by time range for so long."""

    attempts: int = 30
    """The delivery log: long past the last retry, which comes after four days."""

    inbound: int = 90
    """Webhooks heard: a provider that repeats one after that is believed no more than
    the first time, as the chain decides; it is only noted twice."""

    def before(self, days: int, now: int) -> int | None:
        """What is older than this (ms) may go; None: nothing may."""
        return now - days * DAY_MS if days else None


CATCH_UP = 2
"""After a time in which it was off, a node's time of retention catches up so fast."""


def believed_now(wall: int, kept: int, lived: int) -> int:
    """The time (ms) by which it is judged what is old.

    A clock that is years ahead for an hour must not cost what is kept for years. So
    this time goes no faster than `CATCH_UP` times the time that the node has `lived`
    since it was last `kept` (ms, by a clock that nobody sets), and never back.
    """
    assert lived >= 0
    return max(kept, min(wall, kept + CATCH_UP * lived))


def pages_to_free(pages: int, free: int, limit: int) -> int:
    """How many of a file's free pages to give back now, `limit` at most."""
    spare = max(SPARE_PAGES, int(pages * SPARE_SHARE))
    return max(0, min(free - spare, limit))


def portions(
    things: Sequence[T], rows_of: Callable[[T], int], limit: int
) -> Iterator[tuple[T, ...]]:
    """Things that come to so many rows at most; one alone may have more."""
    some: list[T] = []
    rows = 0
    for thing in things:
        more = rows_of(thing)
        if some and rows + more > limit:
            yield tuple(some)
            some, rows = [], 0
        some.append(thing)
        rows += more
    if some:
        yield tuple(some)
