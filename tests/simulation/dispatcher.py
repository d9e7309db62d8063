"""Who has the next turn in a world: anybody, and blocking actors sometimes late."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING

from engine.runtime.ref import Ref
from engine.runtime.simulation import SimulatedDispatcher

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["WorldDispatcher"]


class WorldDispatcher(SimulatedDispatcher):
    """Blocking actors now and then begin late, as when their pool is full."""

    def __init__(self, world: World, random: Random) -> None:
        super().__init__(random)
        self._world = world

    def schedule(self, ref: Ref) -> None:
        if ref.scope.blocking and (delay_ms := self._world.answer_delay_ms()):
            self._world.in_memory(delay_ms, partial(self.runnable.append, ref))
        else:
            self.runnable.append(ref)
