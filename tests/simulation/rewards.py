"""Miners who pay with their reward: money that is none before its hundredth block.

Nobody can spend a coinbase before, and a reorg takes it away for good: no mempool gives
it back. Blocks come every two minutes here, so that many are found within a day. The
judges ask for the hundred by themselves (`Record.depth_needed`).
"""

from __future__ import annotations

from random import Random

from tests.simulation.chain import MATURITY, script_of
from tests.simulation.judges.book import WAITING
from tests.simulation.shape import MINUTE_MS
from tests.simulation.world import World

__all__ = ["Rewards"]

BLOCK_MS = 2 * MINUTE_MS


class Rewards:
    """See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random

    def begin(self) -> None:
        self._world.in_life(BLOCK_MS, self._find)

    def _find(self) -> None:
        world, random = self._world, self._random
        if random.random() < 0.02:
            world.life.reorg(random.choice((1, 2, 3)))
        else:
            chosen = [tx.txid for tx in world.chain.pool if random.random() < 0.5]
            world.chain.mine(chosen, world.true_ms() // 1000, self._reward())
        world.life.changed()
        world.in_life(BLOCK_MS, self._find)

    def _reward(self) -> list[tuple[bytes, int]]:
        """Now and then the miner owes something to the shop."""
        books = self._world.rules.judges.books
        waiting = [p for p, book in books.items() if book.status in WAITING]
        if not waiting or self._random.random() < 0.8:
            return []
        payment_id = self._random.choice(sorted(waiting))
        self._world.fault("paid by a miner's reward", payment_id)
        asked = books[payment_id].asked_sat or 5_000
        share = self._random.choice((1.0, 1.0, 0.5))
        label = self._world.life.labels[payment_id]
        return [(script_of(label), max(int(asked * share), 1))]

    def ripen(self) -> None:
        """In the end each is deep enough."""
        for _ in range(MATURITY):
            self._world.chain.mine((), self._world.true_ms() // 1000)
            self._world.run_for(MINUTE_MS)
