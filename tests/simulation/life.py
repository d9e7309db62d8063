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

from actors.messages import Command, CreatePayments, Nudge, PollNow
from engine.chain import ChainTx
from engine.model import Payment, Terms
from engine.observations import Cancel, ConfirmByHand, Observation, ProviderClaim
from engine.payment import Refused
from engine.store import queries
from engine.store.writes import Conflict, InboundRow, Unavailable
from tests.simulation.chain import address_of, script_of
from tests.simulation.rules import Broken

if TYPE_CHECKING:
    from tests.simulation.world import World

__all__ = ["MINUTE", "Life"]

MINUTE = 60_000
HOUR = 60 * MINUTE

PLANS = (
    "full", "full", "full", "parts", "much", "late", "twice", "never", "replaced",
    "evicted", "claimed", "little", "cancelled", "by hand",
)  # fmt: skip


class Life:
    """Everybody outside of the engine. See the module docstring."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._requests = 0
        self._claims = 0
        self._every_ms = random.choice((15, 30, 60, 90)) * MINUTE
        self.reorgs = random.random() < 0.7
        self.labels: dict[str, str] = {}  # payment id -> what its address is made of
        self.created_s: dict[str, int] = {}  # payment id -> true time of its creation

    def begin(self) -> None:
        self._again(self._every_ms, self._create)
        self._again(10 * MINUTE, self.find_block)

    def _again(self, mean_ms: float, act: Callable[[], None]) -> None:
        def run() -> None:
            act()
            self._world.in_life(int(self._random.expovariate(1 / mean_ms)), run)

        self._world.in_life(int(self._random.expovariate(1 / mean_ms)), run)

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
        world, random = self._world, self._random
        node = world.node
        if node is None or not node.health.booted:
            return
        self._requests += 1
        payment_id = f"pay_{self._requests:04d}"
        now = node.clock.now()
        label, ignore = self._address(payment_id)
        self.labels[payment_id] = label
        self.created_s[payment_id] = world.true_ms() // 1000
        expires = now + random.choice((10, 30, 60, 240)) * MINUTE
        keep_ms = HOUR if random.random() < 0.15 else 60 * 24 * HOUR
        amount = None if random.random() < 0.15 else random.randrange(1_000, 900_000)
        terms = Terms(
            id=payment_id,
            network="regtest",
            address=address_of(label),
            amount_sat=amount,
            tolerance_sat=random.choice((0, 0, 10, 400)),
            confirmations_required=random.choice((0, 1, 1, 2, 3, 6)),
            created_at=now,
            expires_at=expires,
            monitor_until=expires + keep_ms,
            poll_interval_s=random.choice((30, 60, 300)),
            merchant=random.choice(("default", "default", "other")),
            ignore=ignore,
        )
        if not node.supervisor.tell(CreatePayments((terms,), self._on_created)):
            world.fault("creation refused", payment_id)
            return
        world.note("create", f"{payment_id} {amount} sat")
        self._plan(terms, random.choice(PLANS))

    def _address(self, payment_id: str) -> tuple[str, tuple[tuple[str, int], ...]]:
        """A new address; now and then one whose payment is over."""
        rules, sql = self._world.rules, self._world.store.journal.connection
        if rules.released and self._random.random() < 0.3:
            old = self._random.choice(sorted(rules.released))
            label = self.labels[old]
            return label, queries.counted_outpoints(sql, address_of(label))
        return payment_id, ()

    def _on_created(self, answer: Any) -> None:
        if isinstance(answer, Unavailable | Conflict):
            self._world.fault("creation failed", str(answer))
            return
        for payment in answer:
            if isinstance(payment, Conflict):
                continue
            assert isinstance(payment, Payment)
            if payment.id not in self._world.rules.payments:
                raise Broken(f"{payment.id} was acknowledged and is not committed")
            for client in self._world.clients:
                if self._random.random() < 0.4:
                    client.follow(payment.id)

    def _plan(self, terms: Terms, plan: str) -> None:
        random = self._random
        script = script_of(self.labels[terms.id])
        amount = terms.amount_sat or random.randrange(1_000, 50_000)
        minutes = (terms.expires_at - terms.created_at) // MINUTE
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
            self._soon(*soon, lambda: self._command(terms.id, Cancel(by="a clerk")))
            if random.random() < 0.5:
                self._soon(0, 2 * minutes * MINUTE, pay(amount))
        elif plan == "by hand":
            hand = ConfirmByHand(by="a clerk")
            self._soon(*soon, lambda: self._command(terms.id, hand))
            if random.random() < 0.5:
                self._soon(*soon, pay(amount))
        if plan == "claimed" or random.random() < 0.15:
            self._soon(*soon, lambda: self._claim(terms.id, script, amount))

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

    # -- what people and providers ask -----------------------------------------------

    def _claim(self, payment_id: str, script: bytes, amount: int) -> None:
        """A webhook: true or false, before or after the chain, often twice."""
        random = self._random
        kind = random.choice(("true", "true", "false", "nameless"))
        txid: str | None = None
        if kind == "true":
            txid = self._pay(payment_id, [(script, amount)]).txid
        elif kind == "false":
            txid = f"{random.getrandbits(256):064x}"
        self._world.fault(f"claim {kind}", payment_id)
        window_s = random.choice((60, 600, 3_600))
        claim = ProviderClaim("blockonomics", txid, amount, window_s=window_s)
        self._claims += 1
        dedupe = f"hook {self._claims}"
        for _ in range(random.choice((1, 1, 2, 3))):
            key = dedupe if random.random() < 0.7 else f"{dedupe} {random.random()}"
            self._soon(0, 10 * MINUTE, partial(self._hook, payment_id, claim, key))

    def _hook(self, payment_id: str, claim: ProviderClaim, dedupe: str) -> None:
        row = InboundRow(
            "blockonomics", dedupe, self._world.true_ms(), payment_id, "heard", b"{}"
        )
        self._command(payment_id, claim, row)

    def _command(
        self, payment_id: str, observation: Observation, row: InboundRow | None = None
    ) -> None:
        world = self._world
        ref = world.node.watchers.get(payment_id) if world.node is not None else None
        if ref is None:
            return
        if not ref.tell(
            Command(observation, lambda answer: self._on_answer(row, answer), row)
        ):
            world.fault("command refused", payment_id)
        elif self._random.random() < 0.1:
            ref.tell(PollNow())

    def _on_answer(self, row: InboundRow | None, answer: Any) -> None:
        """What is acknowledged must be committed; so must be what it caused."""
        rules, store = self._world.rules, self._world.store
        if isinstance(answer, Payment):
            if answer.seq > rules.payments[answer.id].seq:
                raise Broken(f"{answer.id} #{answer.seq} was acknowledged too early")
        elif not isinstance(answer, Refused | Conflict | Unavailable):
            raise Broken(f"a command was answered {answer!r}")
        heard = isinstance(answer, Payment) or (
            isinstance(answer, Conflict) and answer.what == "inbound"
        )
        if row is not None and heard:
            found = store.rows(
                "SELECT count(*) FROM inbound WHERE dedupe = ?", row.dedupe
            )
            if found != [(1,)]:
                raise Broken(f"the webhook {row.dedupe} was answered and not kept")
