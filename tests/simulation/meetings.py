"""Money on its way meets a source that does not have it.

What is rare in a life of accidents is made to happen, and little else: while something
is unconfirmed, a source loses its mempool; or the one that showed it is down, and
another that is asked in its place has not heard of it. Nothing is taken away by that:
the judges see to it, as everywhere.
"""

from __future__ import annotations

from random import Random

from tests.simulation.shape import MINUTE_MS
from tests.simulation.world import World

__all__ = ["Meetings"]

LOOK_MS = 15_000
"""Between two looks at what is in the mempool."""

LASTING_MS = (2 * MINUTE_MS, 8 * MINUTE_MS)
"""Less than another source has to hear of a transaction."""


class Meetings:
    """See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random

    def begin(self) -> None:
        self._world.in_life(LOOK_MS, self._look)

    def _look(self) -> None:
        sources = self._world.sources
        is_quiet = all(source.mode == "ok" for source in sources)
        if self._world.chain.pool and is_quiet and self._random.random() < 0.5:
            self._meet()
        self._world.in_life(LOOK_MS, self._look)

    def _meet(self) -> None:
        first, *others = self._world.sources
        self._world.fault("money on its way is not listed")
        first.set_mode("down" if others and self._random.random() < 0.7 else "amnesia")
        for source in others:
            source.set_mode("amnesia")
        self._world.in_life(self._random.randrange(*LASTING_MS), self._part)

    def _part(self) -> None:
        for source in self._world.sources:
            source.set_mode("ok")
