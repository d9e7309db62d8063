"""Which payments a listing shows, beyond what columns say, and in which order. Values.

A stretch of time begins at a moment and ends before another (ms), so that stretches one
after the other hold each payment once.
"""

import msgspec

from engine.payment.model import Flag
from engine.payment.search import Sought

__all__ = ["ALL", "ALWAYS", "Further", "Stretch"]


class Stretch(msgspec.Struct, frozen=True):
    """From `after` on, until before `before`; None: without that end."""

    after: int | None = None
    before: int | None = None

    @property
    def is_bounded(self) -> bool:
        return self.after is not None or self.before is not None

    def holds(self, at: int) -> bool:
        return (self.after is None or self.after <= at) and (
            self.before is None or at < self.before
        )


ALWAYS = Stretch()


class Further(msgspec.Struct, frozen=True, kw_only=True):
    """See the module docstring. A payment must fit all of it."""

    sought: Sought | None = None
    flag: Flag | None = None
    created: Stretch = ALWAYS
    updated: Stretch = ALWAYS  # its last event
    confirmed: Stretch = ALWAYS  # it counts as paid since then
    oldest_first: bool = False

    @property
    def by_change(self) -> bool:
        """Whether it is listed in the order of what happened to it, not of creation."""
        return self.updated.is_bounded or self.confirmed.is_bounded

    @property
    def costs_little(self) -> bool:
        """Whether a page of it costs what it shows, however much there is."""
        return self in (ALL, _OLDEST_FIRST)


ALL = Further()
_OLDEST_FIRST = Further(oldest_first=True)
