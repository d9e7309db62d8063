"""Telling all watchers that coverage has ended: those that wait for no timer must look.

Some at a time: there may be a million. If it ends once more meanwhile, another tour
follows the one under way, so that those at the end are met too. In the supervisor's
turns; when that begins anew all watchers do, each with a timer.
"""

from collections.abc import Iterator
from itertools import islice

from actors.facts.published import Watchers
from actors.messages import CoverageEnded, TellMore
from engine.runtime.clock import Clock
from engine.runtime.ref import Ref

__all__ = ["Tour"]

PER_STEP = 500
STEP_S = 0.05
"""10,000 are told in a second, a million in two minutes: it costs others little."""


class Tour:
    """See the module docstring."""

    __slots__ = ("_clock", "_is_wanted_again", "_left", "_watchers")

    def __init__(self, clock: Clock, watchers: Watchers) -> None:
        self._clock = clock
        self._watchers = watchers
        self._left: Iterator[Ref] | None = None  # those to be told yet
        self._is_wanted_again = False

    def go_on(self, message: CoverageEnded | TellMore, supervisor: Ref) -> None:
        """`TellMore` is what it sends to itself, until all are told."""
        if isinstance(message, CoverageEnded) and self._left is not None:
            self._is_wanted_again = True
            return
        left = self._watchers.values() if self._left is None else self._left
        told = list(islice(left, PER_STEP))
        for ref in told:
            ref.tell_system(CoverageEnded())
        if len(told) == PER_STEP:
            self._left = left
        elif self._is_wanted_again:
            self._left, self._is_wanted_again = self._watchers.values(), False
        else:
            self._left = None
            return
        self._clock.call_later(STEP_S, supervisor, TellMore())
