"""Payments that want two sources to agree, and sources of which one is often missing.

One is down, shows what was, or stands on a branch of its own, for some minutes, while
money is on its way: what the other shows alone confirms nothing that is worth more than
the shop trusts one with. In the end both are well, and all is confirmed that is paid.
The judge (`judges/quorum.py`) goes by what each was asked for and answered.
"""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from engine.payment.model import Terms
from tests.simulation.shape import MINUTE_MS
from tests.simulation.world import World

__all__ = ["TwoWords"]

LOOK_MS = 2 * MINUTE_MS

LASTING_MS = (2 * MINUTE_MS, 40 * MINUTE_MS)

_MODES = ("down", "down", "lag", "fork")


class TwoWords:
    """See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        world.life.dress = self._with_quorum

    def begin(self) -> None:
        self._world.in_life(LOOK_MS, self._look)

    def _with_quorum(self, terms: Terms) -> Terms:
        return replace(terms, quorum_above_sat=self._random.choice((0, 0, 100_000)))

    def _look(self) -> None:
        sources = self._world.sources
        is_quiet = all(source.mode == "ok" for source in sources)
        if is_quiet and self._world.life.is_busy and self._random.random() < 0.3:
            source = self._random.choice(sources)
            self._world.fault("one of two sources", source.name)
            source.set_mode(self._random.choice(_MODES))
            wait_ms = self._random.randrange(*LASTING_MS)
            self._world.in_life(wait_ms, lambda: source.set_mode("ok"))
        self._world.in_life(LOOK_MS, self._look)
