"""The chain moves on between two questions of one round, just where it matters.

By chance that is one round of a thousand, and mostly nobody's money is in it.

- `Crossings`: a source has some blocks to read, and while it is asked for them, one by
  one, another branch takes the place of the last ones, with the money in other blocks.
- `LastMinutes`: money comes seconds before the deadline, and is mined just while the
  source is asked what it has: no more in its mempool, and in no block that was read.
"""

from __future__ import annotations

from random import Random

from tests.simulation.chain import script_of
from tests.simulation.judges.book import WAITING
from tests.simulation.shape import MINUTE_MS
from tests.simulation.world import World

__all__ = ["Crossings", "LastMinutes"]

LOOK_MS = 2 * MINUTE_MS

BLOCKS = 4
"""That are found while the source is down."""

CALLS = (1, 12)
"""A round that reads them asks about so often."""

BEFORE_MS = 3_000
"""The deadline; nobody has looked at the chain meanwhile."""

AFTER_MS = 30_000
"""A deadline is looked into by then."""


class Crossings:
    """See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._calls_left = 0  # until the other branch is there
        for source in world.sources:
            source.on_call = self._on_call

    def begin(self) -> None:
        self._world.in_life(LOOK_MS, self._look)

    def _look(self) -> None:
        world = self._world
        if world.chain.pool and all(s.mode == "ok" for s in world.sources):
            world.fault("blocks while a source is down")
            for source in world.sources:
                source.set_mode("down")
            for _ in range(BLOCKS):
                self._mine(0.4)
            world.in_life(MINUTE_MS, self._answer)
        world.in_life(LOOK_MS, self._look)

    def _answer(self) -> None:
        for source in self._world.sources:
            source.set_mode("ok")
        self._calls_left = self._random.randrange(*CALLS)

    def _on_call(self) -> None:
        if not self._calls_left or self._world.calm:
            return
        self._calls_left -= 1
        if self._calls_left:
            return
        depth = self._random.choice((1, 2, 3))
        self._world.fault("another branch while blocks are read")
        chain = self._world.chain
        for txid in chain.undo(depth):
            chain.give_back(txid)
        for _ in range(depth + 1):
            self._mine(0.4)

    def _mine(self, share: float) -> None:
        chain, random = self._world.chain, self._random
        chosen = [tx.txid for tx in chain.pool if random.random() < share]
        chain.mine(chosen, self._world.true_ms() // 1000)


class LastMinutes:
    """See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._until_ms = 0  # true ms: money came, and the deadline is near or past
        self._calls_left = 0  # until it is mined
        self._met: set[str] = set()
        for source in world.sources:
            source.on_call = self._on_call

    def begin(self) -> None:
        self._world.in_life(1_000, self._look)

    def _look(self) -> None:
        now = self._world.clock.now()
        for payment_id, book in self._world.rules.judges.books.items():
            left_ms = book.terms.expires_at - now
            if payment_id not in self._met and 0 < left_ms <= BEFORE_MS:
                self._met.add(payment_id)
                if book.status in WAITING:
                    self._pay(payment_id, book.enough_sat)
        self._world.in_life(1_000, self._look)

    def _pay(self, payment_id: str, amount_sat: int) -> None:
        self._world.fault("paid in the last minute", payment_id)
        script = script_of(self._world.life.labels[payment_id])
        self._world.chain.pay([(script, amount_sat)])
        self._until_ms = self._world.true_ms() + AFTER_MS
        self._calls_left = self._random.randrange(1, 5)

    def _on_call(self) -> None:
        if not self._calls_left or self._world.true_ms() > self._until_ms:
            return
        self._calls_left -= 1
        if not self._calls_left:
            pool = [tx.txid for tx in self._world.chain.pool]
            self._world.chain.mine(pool, self._world.true_ms() // 1000)
