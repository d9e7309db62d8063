"""Money on its way meets a source that does not have it, or other money.

What is rare in a life of accidents is made to happen, and little else.

- `Meetings`: while something is unconfirmed, a source loses its mempool; or the one
  that showed it is down, and another that is asked in its place has not heard of it.
  Nothing is taken away by that.
- `Replacements`: it gives way to other money for the same payment, and just then a
  block is found: nobody can tell what else is in the mempool. The two are never counted
  together where the second spends what the first did; where it does not, they are until
  the mempool is read whole.

The judges see to it, as everywhere.
"""

from __future__ import annotations

from random import Random

from actors.messages import Nudge
from engine.chain.feed import ChainTx
from tests.simulation.chain import script_of
from tests.simulation.shape import MINUTE_MS
from tests.simulation.world import World

__all__ = ["Meetings", "Replacements"]

LOOK_MS = 15_000
"""Between two looks at what is in the mempool."""

LOOKED_FOR_MS = (200, 1_800)
"""Within that time it is looked for once and not twice."""

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


class Replacements:
    """See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._calls_left = 0  # until a block is found
        for source in world.sources:
            source.on_call = self._on_call

    def begin(self) -> None:
        self._world.in_life(LOOK_MS, self._look)

    def _look(self) -> None:
        paid = {script_of(label) for label in self._world.life.labels.values()}
        for tx in self._world.chain.pool:
            ours = [(o.script, o.amount_sat) for o in tx.outputs if o.script in paid]
            if ours and self._random.random() < 0.3:
                self._give_way(tx, ours)
                break
        self._world.in_life(LOOK_MS, self._look)

    def _give_way(self, tx: ChainTx, ours: list[tuple[bytes, int]]) -> None:
        if self._random.random() < 0.5:
            self._world.fault("replaced", tx.txid)
            self._pay(ours, tx.spends)
            return
        self._world.fault("evicted", tx.txid)
        self._world.chain.evict(tx.txid)
        self._ask()
        # Before it was looked for a second time.
        wait_ms = self._random.randrange(*LOOKED_FOR_MS)
        self._world.in_life(wait_ms, lambda: self._pay(ours, ()))

    def _pay(
        self, outputs: list[tuple[bytes, int]], spends: tuple[tuple[str, int], ...]
    ) -> None:
        self._world.chain.pay(outputs, spends)
        self._calls_left = self._random.randrange(2, 6)
        self._ask()

    def _ask(self) -> None:
        if self._world.node is not None:
            self._world.node.source.tell(Nudge())

    def _on_call(self) -> None:
        """A source is asked something."""
        if self._calls_left:
            self._calls_left -= 1
            if not self._calls_left:
                self._world.chain.mine((), self._world.true_ms() // 1000)
