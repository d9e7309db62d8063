"""Facts that one actor writes and anybody reads: published as immutable values.

Who makes a `Published` hands it to the one writer, and to everybody else as `Readable`,
through which nothing can be written. A reader that needs two facts of one moment takes
the value once.
"""

from typing import Generic, Protocol, TypeVar

import msgspec

from engine.ports import Freshness

__all__ = ["Published", "Readable", "SourceReport"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Readable(Protocol[T_co]):
    """The reading side of a published fact."""

    @property
    def now(self) -> T_co:
        """The newest value."""


class Published(Generic[T]):
    """A fact as its one writer holds it."""

    __slots__ = ("_now",)

    def __init__(self, first: T) -> None:
        self._now = first

    @property
    def now(self) -> T:
        return self._now

    def publish(self, value: T) -> None:
        self._now = value


class SourceReport(msgspec.Struct, frozen=True):
    """What the source actor knows of the sources as a whole; it alone writes it.

    `complete_as_of` (ms): when the source that is asked now, one that reads whole
    blocks, had last told all that changed: whoever was shown nothing has got nothing
    since. None: each address must be asked for.
    """

    freshness: Freshness = Freshness(source="", live=False, since=None)
    complete_as_of: int | None = None
