"""Money in a world: a hot wallet, users with credits, and the way on to the owners.

What a world needs beside payments and payers. Only worlds of `run_money` have it: the
others are as they were.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine.payment.model import Terms
from engine.payment.money_terms import Credit, Derived
from engine.store.writes import Write
from engine.wallet.forward_policy import ForwardPolicy
from engine.wallet.forwards import Forwards, Signer
from tests.simulation.chain import SimChain, address_of
from tests.simulation.cold_keys import COLD
from tests.simulation.cold_wallets import cold_wallet, cold_wallets
from tests.simulation.hot_keys import HOT, WALLET, HotKeys
from tests.simulation.money_chain import MoneyChain
from tests.simulation.money_judge import MoneyJudge
from tests.simulation.money_ways import SimWays
from tests.simulation.psbts import Psbts
from tests.simulation.refunds import Refunds
from tests.simulation.shape import MINUTE_MS, Shape

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["Money", "chain_of", "money_of"]

_OWNERS = ("owner", "second owner")


def chain_of(shape: Shape, now_s: int) -> SimChain:
    """A world's chain."""
    return MoneyChain(now_s) if shape.money else SimChain(now_s)


def money_of(world: World) -> Money | None:
    """None: this world has none."""
    chain = world.chain
    if not isinstance(chain, MoneyChain):
        return None
    return Money(world, chain, world.random_of("money"))


class Money:
    """See the module docstring."""

    def __init__(self, world: World, chain: MoneyChain, random: Random) -> None:
        self._world = world
        self._random = random
        self._miners = world.random_of("miners")
        self.chain = chain
        self.judge = MoneyJudge(world, chain)
        self.keys = HotKeys()
        self.ways = ways = SimWays(chain, world.random_of("ways"))
        ways.fault = world.fault
        ways.is_dead = lambda: world.is_ending
        ways.before_send = lambda: world.dies("before a broadcast")
        ways.after_send = lambda: world.dies("after a broadcast")
        ways.on_send = self.judge.on_send
        self.refunds: Refunds | None = None
        if world.shape.refunds:
            kind = Psbts if world.shape.psbts else Refunds
            self.refunds = kind(world, world.random_of("refunds"))
            self.judge.refunds = back = self.refunds.judge
            back.never_taken = ways.never_takes
            ways.is_refund = lambda raw: back.cause_of(raw) is not None
            ways.on_refused = self._a_miner_may
            world.rules.on_write = self.refunds.judge.on_write
        self._next_index = 0
        if world.shape.psbts:
            wallets = cold_wallets(("default", "other"))
            world.store.journal.commit([Write(rows=wallets)])
        self._policy = ForwardPolicy(
            anywhere=True,
            per_day_sat=random.choice((None, None, 2_000_000)),
            every_s=random.choice((60.0, 300.0, 600.0)),
            confirmations=random.choice((1, 1, 2, 6)),
            bump_after_s=random.choice((600, 1_800, 3_600)),
        )
        self.judge.is_limited = self._policy.per_day_sat is not None
        self._market()

    def forwards(self) -> Forwards:
        """Of a process that starts."""
        calm = self._world.calm
        self.keys.is_locked = not calm and self._random.random() < 0.1
        return Forwards(self.ways, Signer(self.keys), self._policy)

    def label(self, label: str) -> str:
        """Where the next payment is paid to: mostly an address of the wallet."""
        elsewhere = 0.2 if self.refunds is None else 0.4
        is_cold = self._world.shape.psbts and self._random.random() < 0.6
        if not is_cold and self._random.random() < elsewhere:
            return label
        self._next_index += 1
        return f"{COLD if is_cold else HOT}{self._next_index - 1}"

    def dressed(self, terms: Terms, label: str) -> Terms:
        random = self._random
        credit = None
        if random.random() < 0.7:
            account = random.choice(("ann", "bob", "cy"))
            credit = Credit(account=account, credits=random.randrange(1, 50))
        terms = replace(terms, credit=credit)
        if not label.startswith((HOT, COLD)):
            return terms
        place = ""
        if random.random() < 0.9:
            place = address_of(random.choice(_OWNERS), terms.network)
        index = int(label.rpartition(" ")[2])
        wallet = WALLET if label.startswith(HOT) else cold_wallet(terms.merchant)
        return replace(
            terms, derived=Derived(wallet=wallet, index=index), forward_to=place
        )

    def _a_miner_may(self, raw: bytes) -> None:
        """What one node calls invalid another may take, some time later."""
        if self._miners.random() < 0.4:
            after = self._miners.randrange(1, 180) * MINUTE_MS
            self._world.in_life(after, lambda: self.chain.submit(raw))

    def cease(self) -> None:
        """All is well with the ways out, for good."""
        self.ways.trouble = 0.0
        self.ways.rate = self.chain.least_rate = 1_000
        self.keys.is_locked = False

    def keep_mining(self) -> None:
        """With all that waits, for ever: sweeps come when payments are at rest."""
        world = self._world
        world.chain.mine([tx.txid for tx in world.chain.pool], world.true_ms() // 1000)
        world.in_world(20 * MINUTE_MS, self.keep_mining)

    def _market(self) -> None:
        """Fees change, and so does what a mempool takes."""
        random = self._random
        self.chain.least_rate = random.choice((1_000, 1_000, 1_000, 3_000, 20_000))
        rate = self.chain.least_rate * random.choice((1, 2, 5))
        self.ways.rate = random.choice((rate, rate, rate, 1_000, None))
        self._world.in_life(random.randrange(5, 120) * MINUTE_MS, self._market)
