"""The life of a shop and its chain: payments, payers, miners, webhooks, a person.

Acts happen at random times of simulated time, drawn from the world's seed. Payers know
nothing of the engine: they pay to addresses, whether or not the engine lives at the
moment. What the shop asks of the engine may be refused, and is then given up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from actors.messages import Nudge
from engine.chain.feed import ChainTx
from engine.payment.model import Terms
from engine.payment.observations import (
    Amend,
    Cancel,
    ConfirmByHand,
    Observation,
    ProviderClaim,
)
from engine.store.writes import InboundWebhook
from tests.simulation.attempts import Attempts
from tests.simulation.chain import address_of, script_of
from tests.simulation.edges import Edges
from tests.simulation.shape import MINUTE_MS as MINUTE

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["Life"]

HOUR = 60 * MINUTE

STEADY_MS = 2 * HOUR
"""On mainnet it never takes longer until there is a block."""

PLANS = (
    "full", "full", "full", "parts", "much", "late", "twice", "never", "replaced",
    "evicted", "claimed", "little", "cancelled", "by hand",
)  # fmt: skip


class Life:
    """Everybody outside of the engine. See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self.edges = Edges(world, world.random_of("edges"))
        self._amendments = world.random_of("amendments")
        self._attempts = Attempts(world.shape, world.random_of("attempts"))
        self._requests = 0
        self._claims = 0
        self._busy_until = 0  # true ms: when nothing is under way any more
        self._pace = 0
        # What a shop asks for besides, in worlds of a kind of their own.
        self.dress: Callable[[Terms], Terms] = lambda terms: terms
        self.reorgs = random.random() < 0.7
        self.labels: dict[str, str] = {}  # payment id -> what its address is made of
        self.created_s: dict[str, int] = {}  # payment id -> true time of its creation

    def begin(self, days: float) -> None:
        """All creations have their time from the beginning; the rest follows them."""
        random, shape = self._random, self._world.shape
        span = int(days * 24 * HOUR)
        first = random.randrange(0, max(span // 2, 1)) if shape.rush else 0
        for _ in range(shape.payments):
            if shape.rush:
                at = first + int(random.expovariate(1 / (50 * MINUTE)))
            else:
                at = random.randrange(0, span)
            self._world.in_life(at, self._create)
        self._next_block()

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for money, or money for confirmations."""
        return self._world.true_ms() < self._busy_until

    def _will_be_busy(self, ms: int) -> None:
        was_busy = self.is_busy
        self._busy_until = max(self._busy_until, self._world.true_ms() + ms)
        if not was_busy:
            self._next_block()

    def _next_block(self) -> None:
        """Every ten minutes while it matters, else now and then: time is cheap then."""
        self._pace += 1
        pace, steady = self._pace, self._world.shape.network == "mainnet"
        mean = (10 if self.is_busy else 40 if steady else 120) * MINUTE
        wait_ms = int(self._random.expovariate(1 / mean))
        if steady:
            wait_ms = min(wait_ms, STEADY_MS)

        def find() -> None:
            if pace == self._pace:
                self.find_block()
                self._next_block()

        self._world.in_life(wait_ms, find)

    def _soon(self, low_ms: int, high_ms: int, act: Callable[[], object]) -> None:
        self._world.in_life(self._random.randrange(low_ms, high_ms), act)

    # -- the chain -------------------------------------------------------------------

    def find_block(self) -> None:
        random = self._random
        if self.reorgs and random.random() < 0.06:
            self.reorg(random.choice((1, 1, 1, 2, 2, 3, 4)))
            return
        self._mine(0.8)
        self.changed()

    def _mine(self, share: float) -> None:
        world, random = self._world, self._random
        chosen = [tx.txid for tx in world.chain.pool if random.random() < share]
        world.chain.mine(chosen, world.true_ms() // 1000)
        world.note("block", f"with {len(chosen)} transactions")

    def reorg(self, depth: int) -> None:
        """Blocks give way to one more of another branch; their payments may be lost."""
        chain, random, world = self._world.chain, self._random, self._world
        world.fault("reorg", f"depth {depth}")
        for txid in chain.undo(depth):
            fate = random.choice(("again", "again", "again", "dropped", "stolen"))
            if fate == "again":
                chain.give_back(txid)
            elif fate == "stolen" and not chain.is_dead(txid):
                chain.pay([(script_of("thief"), 500)], chain.txs[txid].spends)
        for _ in range(depth + 1):
            self._mine(0.5)
        self.changed()

    def something_on_chain(self) -> None:
        """In the middle of a source's round."""
        random, pool = self._random, self._world.chain.pool
        kind = random.choice(("block", "block", "reorg", "evict", "replace"))
        if kind == "block" or not pool:
            self.find_block()
        elif kind == "reorg" and self.reorgs:
            self.reorg(random.choice((1, 1, 2)))
        elif kind == "evict":
            self._world.chain.evict(random.choice(pool).txid)
        else:
            tx = random.choice(pool)
            self._world.chain.pay([(script_of("thief"), 500)], tx.spends)

    def changed(self) -> None:
        """Some sources push: the engine is told that something happened."""
        node = self._world.node
        if node is not None and self._random.random() < 0.5:
            node.source.tell(Nudge())

    # -- payments --------------------------------------------------------------------

    def _create(self) -> None:
        random = self._random
        self._requests += 1
        key = f"order_{self._requests:04d}"
        label = self._label(key)
        minutes = random.choice((10, 30, 60, 240))
        order = self._attempts.order_of(key)
        minutes = self._attempts.minutes(order, minutes, self._world.clock.now())
        keep_ms = HOUR if random.random() < 0.15 else 60 * 24 * HOUR
        terms = Terms(
            id=key,
            network=self._world.shape.network,
            address=address_of(label, self._world.shape.network),
            amount_sat=None
            if random.random() < 0.15
            else random.randrange(1_000, 900_000),
            tolerance_sat=random.choice((0, 0, 10, 400)),
            confirmations_required=random.choice((0, 1, 1, 2, 3, 6)),
            created_at=0,
            expires_at=0,
            monitor_until=0,
            poll_interval_s=random.choice((30, 60, 300, 600, 900)),
            merchant=random.choice(("default", "default", "other")),
            external_id=order,
        )

        def build(attempt: int) -> Terms:
            """The request as it is made now; each attempt gets an id of its own."""
            payment_id = f"pay_{key[6:]}" + (f".{attempt}" if attempt else "")
            self.labels[payment_id] = label
            self.created_s[payment_id] = self._world.true_ms() // 1000
            now = self._world.clock.now()
            counted = self._world.store.truth.counted_outpoints([terms.address])
            return replace(
                terms,
                id=payment_id,
                created_at=now,
                expires_at=now + minutes * MINUTE,
                monitor_until=now + minutes * MINUTE + keep_ms,
                ignore=counted.get(terms.address, ()),
            )

        if self._world.money is not None:
            terms = self._world.money.dressed(terms, label)
        terms = self.dress(terms)
        self._will_be_busy((minutes + 90) * MINUTE)
        self.edges.create(key, build)
        self._may_be_amended(terms, minutes)
        self._plan(terms, minutes, label, random.choice(PLANS))

    def _may_be_amended(self, terms: Terms, minutes: int) -> None:
        """A clerk writes on it, or gives more time, or less; now and then too late."""
        random = self._amendments
        if random.random() >= 0.2:
            return

        def amend() -> None:
            now = self._world.clock.now()
            at = now + random.choice((-1, 1, 5, 90)) * MINUTE
            choices: tuple[dict[str, Any], ...] = (
                {"metadata": {"n": random.randrange(3), "gone": None}},
                {"external_id": random.choice((None, f"{terms.external_id}b"))},
                {"description": random.choice(("", "two coffees"))},
                {"expires_at": at},
                {"expires_at": at, "metadata": {"n": None}},
            )
            wanted = Amend(by="a clerk", **random.choice(choices))
            self.edges.command(terms.address, wanted)

        for _ in range(random.choice((1, 1, 3))):
            self._world.in_life(random.randrange(2 * minutes * MINUTE), amend)

    def _label(self, key: str) -> str:
        """A new address; now and then one whose payment is over."""
        if self._world.money is not None:
            return self._world.money.label(key)
        released = self._world.rules.released
        if released and self._random.random() < 0.3:
            return self.labels[self._random.choice(sorted(released))]
        return key

    def _plan(self, terms: Terms, minutes: int, label: str, plan: str) -> None:
        random = self._random
        script = script_of(label)
        amount = terms.amount_sat or random.randrange(1_000, 50_000)
        soon = (0, max(minutes // 2, 2) * MINUTE)

        def pay(*amounts: int) -> Callable[[], object]:
            return lambda: self._pay(terms.id, [(script, sat) for sat in amounts])

        if plan == "full":
            self._soon(*soon, pay(amount - random.choice((0, 0, terms.tolerance_sat))))
        elif plan == "parts":
            first = random.randrange(1, amount)
            self._soon(*soon, pay(first))
            self._soon(0, 3 * minutes * MINUTE, pay(amount - first))
        elif plan == "much":
            self._soon(*soon, pay(amount + random.randrange(1, 5_000)))
            self._soon(0, 2 * minutes * MINUTE, pay(random.randrange(1, 5_000)))
        elif plan == "late":
            self._soon(minutes * MINUTE, (minutes + 300) * MINUTE, pay(amount))
            self._will_be_busy((minutes + 330) * MINUTE)
        elif plan == "twice":
            first = random.randrange(1, amount)
            self._soon(*soon, pay(first, amount - first))
        elif plan == "little":
            self._soon(*soon, pay(random.randrange(1, amount)))
        elif plan == "replaced":
            self._soon(*soon, lambda: self._pay_and_replace(terms.id, script, amount))
        elif plan == "evicted":
            self._soon(*soon, lambda: self._pay_and_evict(terms.id, script, amount))
        elif plan == "cancelled":
            self._soon(
                *soon, lambda: self.edges.command(terms.address, Cancel(by="a clerk"))
            )
            if random.random() < 0.5:
                self._soon(0, 2 * minutes * MINUTE, pay(amount))
        elif plan == "by hand":
            hand = ConfirmByHand(by="a clerk")
            self._soon(*soon, lambda: self.edges.command(terms.address, hand))
            if random.random() < 0.5:
                paid = random.choice((amount, random.randrange(1, amount)))
                self._soon(*soon, pay(paid))
        if random.random() < 0.08:  # a clerk is wrong, or knows more
            command = random.choice((Cancel(by="a clerk"), ConfirmByHand(by="a clerk")))
            self._soon(
                0,
                2 * minutes * MINUTE,
                lambda: self.edges.command(terms.address, command),
            )
        if plan == "claimed" or random.random() < 0.15:
            self._soon(*soon, lambda: self._claim(terms.address, script, amount))

    def _pay(self, payment_id: str, outputs: list[tuple[bytes, int]]) -> ChainTx:
        tx = self._world.chain.pay([(script_of("change"), 77), *outputs])
        self._world.note("pay", f"{payment_id} {[sat for _, sat in outputs]}")
        self.changed()
        return tx

    def _pay_and_replace(self, payment_id: str, script: bytes, amount: int) -> None:
        tx = self._pay(payment_id, [(script, amount)])

        def replace() -> None:
            if not self._world.chain.is_dead(tx.txid):
                self._world.fault("replaced", payment_id)
                outputs = [(script, max(amount - 10, 1))]
                if self._random.random() < 0.5:
                    outputs = [(script_of("elsewhere"), amount)]
                self._world.chain.pay(outputs, tx.spends)
                self.changed()

        self._soon(1_000, 15 * MINUTE, replace)

    def _pay_and_evict(self, payment_id: str, script: bytes, amount: int) -> None:
        tx = self._pay(payment_id, [(script, amount)])

        def evict() -> None:
            if not self._world.chain.is_dead(tx.txid):
                self._world.fault("evicted", payment_id)
                self._world.chain.evict(tx.txid)
                if self._random.random() < 0.5:
                    self._soon(1_000, HOUR, lambda: self._return(tx))

        self._soon(1_000, 15 * MINUTE, evict)

    def _return(self, tx: ChainTx) -> None:
        self._world.chain.give_back(tx.txid)

    # -- what providers say ------------------------------------------------------------

    def _claim(self, address: str, script: bytes, amount: int) -> None:
        """A webhook: true or false, before or after the chain, often twice, late."""
        random, fault = self._random, self._world.fault
        kind = random.choice(("true", "true", "false", "nameless"))
        txid: str | None = None
        if kind == "true":
            txid = self._pay(address, [(script, amount)]).txid
        elif kind == "false":
            txid = f"{random.getrandbits(256):064x}"
        fault(f"webhook {kind}", address)
        window_s = random.choice((60, 600, 3_600))
        claim = ProviderClaim("blockonomics", txid, amount, window_s=window_s)
        self._claims += 1
        dedupe = f"hook {self._claims}"
        times = random.choice((1, 1, 2, 3))
        longest = random.choice((1, 10, 10, 400)) * MINUTE
        if times > 1:
            fault("webhook duplicated", address)
        if longest > HOUR:
            fault("webhook delayed", address)
        for number in range(times):
            key = dedupe if random.random() < 0.7 else f"{dedupe}.{number}"
            row = InboundWebhook("blockonomics", key, 0, None, "heard", b"{}")
            self._soon(0, longest, partial(self._hook, address, claim, row))

    def _hook(
        self, address: str, claim: Observation, row: InboundWebhook, tries: int = 0
    ) -> None:
        """A provider repeats what was not taken; what it says next may overtake it."""
        now = self._world.true_ms()
        if not self.edges.command(address, claim, replace(row, at=now)) and tries < 4:
            self._world.fault("webhook repeated", address)
            again = partial(self._hook, address, claim, row, tries + 1)
            self._soon(5_000, 20 * MINUTE, again)
