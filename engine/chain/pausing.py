"""Going through what may be a hundred thousand things without holding up others.

Pure: who calls says how others get their turn. The thing that is gone through must not
change meanwhile; what changes it is the caller's own greenlet.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["NAMES", "pausing"]

NAMES = 2_500
"""Names that are looked up between two pauses: two milliseconds, as those of a full
mempool are in no cache."""

T = TypeVar("T")


def pausing(
    items: Iterable[T], pause: Callable[[], None] | None, every: int = NAMES
) -> Iterator[T]:
    """The items, with a pause before each `every` of them but the first."""
    if pause is None:
        yield from items
        return
    for count, item in enumerate(items):
        if count and count % every == 0:
            pause()
        yield item
