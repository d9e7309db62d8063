"""A world of payments by Lightning: real watchers, supervisor and journal; a node,
payers and a chain that are played, and a process that dies.

What the node says comes twice, late, or after a restart only, and at times it says
nothing for long. The judge knows who paid what, when, and none of the engine's rules.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import msgspec

from actors.facts.published import Published
from actors.facts.upstreams import Upstream
from actors.messages import Command, CreatePayments, LookUpInvoice, Seen
from actors.watching.supervisor import SupervisorActor
from engine.bitcoin.address import script_to_address
from engine.chain.feed import ChainView, Output, Tip
from engine.lightning.account import Account
from engine.lightning.node import Can
from engine.lightning.upstream import UpstreamReport, UpstreamState
from engine.payment.lightning_terms import LIGHTNING, Invoice, lightning_key
from engine.payment.model import Payment, Terms
from engine.payment.observations import (
    AgreeRest,
    Cancel,
    InvoiceGone,
    InvoicePaid,
    Observation,
)
from engine.payment.rest_rules import rest_due
from engine.payment.rules import follow
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedClock
from engine.store.sqlite.journal import Journal
from engine.store.writes import Committed, Entry, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import T0, block

__all__ = ["LightningWorld", "Payer"]

MINUTE_MS = 60_000
PAYMENTS = 12
STEPS = 90
ASKED_SAT = 50_000
REQUIRED = 2
TIP = 100


class Payer(msgspec.Struct):
    """One payment, and what really happened to it."""

    terms: Terms
    paid_msat: int = 0  # by Lightning
    paid_at: int = 0
    coins: tuple[tuple[int, int], ...] = ()  # (sat, height) on the chain
    is_cancelled: bool = False
    rests: dict[str, Invoice] = {}  # for what was missing, by hash
    rests_paid: dict[str, int] = {}  # when, by hash

    @property
    def paid(self) -> dict[str, int]:
        """What the node took (msat), by hash."""
        first = {self.payment_hash: self.paid_msat} if self.paid_msat else {}
        return first | {name: self.asked_msat(name) for name in self.rests_paid}

    def asked_msat(self, name: str) -> int:
        asked = self.rests[name].amount_msat
        assert asked is not None
        return asked

    @property
    def payment_hash(self) -> str:
        assert self.terms.lightning is not None
        return self.terms.lightning.payment_hash


class _Upstream(Actor):
    """Plays an account's upstream: it answers look-ups, at times."""

    def __init__(self, world: LightningWorld) -> None:
        self._world = world

    def on_receive(self, message: object) -> None:
        if isinstance(message, LookUpInvoice):
            self._world.looked_up(message)


class LightningWorld:
    """One seed; see the module docstring."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = Random(f"lightning {seed}")
        self.journal = Journal(folder / f"world-{seed}.db", synchronous="OFF")
        self.payers: list[Payer] = []
        self.tip = TIP
        self.crashes = self.silences = self.repeats = self._rests = 0
        self._silent_until = 0
        self._folder, self._seed = folder, seed
        self._due: list[tuple[int, str]] = []  # (when, hash): the node's own word
        self._clock: SimulatedClock | None = None
        self._begin()

    # -- the process -------------------------------------------------------------------

    def _begin(self) -> None:
        """A life of the process, with what the journal has."""
        seed = self.random.randrange(10**9)
        self.stage = stage = ActorStage(self._folder, seed, journal=self.journal)
        if self._clock is not None:  # time went on meanwhile
            stage.clock = stage.node.clock = self._clock_after(self._clock)
        self._clock = stage.clock
        report = UpstreamReport(
            name="shop",
            kind="phoenixd",
            state=UpstreamState.LIVE,
            since=T0,
            can=Can(push=True, description_hash=True, amountless=True, pay=True),
        )
        node: Any = None  # nobody asks it but its upstream
        stage.node.upstreams["shop"] = Upstream(
            account=Account(name="shop", kind="phoenixd", url="http://node.test"),
            node=node,
            ref=stage.start("upstream", _Upstream(self)),
            report=Published(report),
            balance=Published(None),
        )
        scope = ActorScope(
            stage.dispatcher,
            lambda _name: SupervisorActor(stage.node, stage.book, stage.booted),
        )
        stage.node.supervisor = Ref(scope, "supervisor")
        stage.node.supervisor.start()
        stage.run()

    def _clock_after(self, before: SimulatedClock) -> SimulatedClock:
        return SimulatedClock(before.now() + self.random.choice([1, 5, 600]) * 1_000)

    def crash(self) -> None:
        """In the middle of whatever it does; what is committed is there."""
        self.crashes += 1
        self.stage.run(self.random.randrange(6))
        self._begin()
        for payer in self.payers:  # what a reconciliation finds
            self._tell_all(payer)

    def close(self) -> None:
        self.journal.close()

    @property
    def now(self) -> int:
        return self.stage.clock.now()

    # -- what happens ------------------------------------------------------------------

    def run(self) -> None:
        """Some hours; and then as long as it takes, with everybody well."""
        for number in range(STEPS):
            if len(self.payers) < PAYMENTS and self.random.random() < 0.3:
                self._create()
            self._somebody_pays()
            self._somebody_asks_for_the_rest()
            self._somebody_cancels()
            if self.random.random() < 0.05:
                self._silent_until = self.now + self.random.choice([1, 30]) * MINUTE_MS
                self.silences += 1
            if self.random.random() < 0.06:
                self.crash()
            if number % 5 == 4:
                self.tip += 1
            self._look_at_chain()
            self._say_what_is_due()
            self._pass(self.random.choice([5, 60, 120]))
        self._silent_until = 0
        for _ in range(12):
            self.tip += 1
            self._look_at_chain()
            for payer in self.payers:
                self._tell_all(payer)
            self._pass(400)

    def _pass(self, seconds: float) -> None:
        self.stage.pass_s(seconds)

    def _create(self) -> None:
        number = len(self.payers) + 1
        payment_hash = f"{number:064x}"
        expires_at = self.now + self.random.choice([5, 15, 30]) * MINUTE_MS
        is_both = self.random.random() < 0.5
        script = b"\0\x14" + number.to_bytes(20, "big")
        address = script_to_address(script, "regtest")
        assert address is not None
        terms = Terms(
            id=f"pay_{number}",
            method="onchain" if is_both else LIGHTNING,
            network="regtest",
            address=address if is_both else lightning_key(payment_hash),
            amount_sat=ASKED_SAT,
            confirmations_required=REQUIRED if is_both else 0,
            created_at=self.now,
            expires_at=expires_at,
            monitor_until=self.now + 48 * 60 * MINUTE_MS,
            lightning=Invoice(
                node="shop",
                payment_hash=payment_hash,
                bolt11="lnbcrt1example",
                expires_at=expires_at + self.random.choice([-30_000, 0, 90_000]),
            ),
            tip_height=TIP,
            is_past_known=True,
        )
        made: list[object] = []
        self.stage.node.supervisor.tell(CreatePayments((terms,), made.append))
        self.stage.run()
        assert made, "nobody answered"
        self.payers.append(Payer(terms=terms))

    def _somebody_pays(self) -> None:
        if not self.payers or self.random.random() > 0.5:
            return
        payer = self.random.choice(self.payers)
        invoice = payer.terms.lightning
        assert invoice is not None
        if payer.terms.has_chain and self.random.random() < 0.4:
            sat = self.random.choice([ASKED_SAT, ASKED_SAT // 2])
            if len(payer.coins) < 2:
                payer.coins = (*payer.coins, (sat, self.tip + 1))
        elif not payer.paid_msat and self.now < invoice.expires_at:
            half = payer.terms.has_chain and self.random.random() < 0.5
            sat = ASKED_SAT // 2 if half else ASKED_SAT
            payer.paid_msat = sat * 1_000 + self.random.choice([0, 0, 1, 999])
            payer.paid_at = self.now
            self._node_will_say(payer.payment_hash)

    def _node_will_say(self, payment_hash: str) -> None:
        for _ in range(self.random.choice([0, 1, 1, 2])):
            wait_ms = self.random.choice([0, 1_000, 20 * MINUTE_MS])
            self._due.append((self.now + wait_ms, payment_hash))

    def _somebody_asks_for_the_rest(self) -> None:
        """As a payer's page has it done; and pays it, then or later, or never."""
        for payer in self.payers:
            for name, invoice in payer.rests.items():
                is_open = self.now < invoice.expires_at
                if (
                    is_open
                    and name not in payer.rests_paid
                    and self.random.random() < 0.3
                ):
                    payer.rests_paid[name] = self.now
                    self._node_will_say(name)
            ref = self.stage.node.watchers.get(payer.terms.id)
            payment = self.stage.store.payment(payer.terms.id)
            assert payment is not None
            due = rest_due(payment, self.now)
            if ref is None or due is None or self.random.random() < 0.5:
                continue
            self._rests += 1
            rest = Invoice(
                node="shop",
                payment_hash=f"{self._rests + 1_000:064x}",
                bolt11="lnbcrt1rest",
                amount_msat=due.amount_sat * 1_000,
                expires_at=self.now + due.expires_in_s * 1_000,
            )
            said: list[object] = []
            ref.tell(Command(AgreeRest(invoice=rest, by="payer"), said.append))
            self.stage.run()
            if said and isinstance(said[0], Payment) and rest in said[0].terms.rests:
                payer.rests[rest.payment_hash] = rest

    def _somebody_cancels(self) -> None:
        if self.payers and self.random.random() < 0.03:
            payer = self.random.choice(self.payers)
            ref = self.stage.node.watchers.get(payer.terms.id)
            if ref is not None:
                said: list[object] = []
                ref.tell(Command(Cancel("ann"), said.append))
                self.stage.run()
                if said and isinstance(said[0], Payment):
                    payer.is_cancelled = True

    def _look_at_chain(self) -> None:
        tip = Tip(self.tip, block(self.tip))
        for payer in self.payers:
            ref = self.stage.node.watchers.get(payer.terms.id)
            if ref is None or not payer.terms.has_chain:
                continue
            outputs = tuple(
                Output(f"{payer.terms.id} {n}", 0, sat)
                if height > self.tip
                else Output(
                    f"{payer.terms.id} {n}", 0, sat, block(height), height, T0 // 1000
                )
                for n, (sat, height) in enumerate(payer.coins)
            )
            view = ChainView("node", tip, outputs, (), True, True)
            ref.tell(Seen(view, self.now))

    # -- the node ----------------------------------------------------------------------

    def looked_up(self, message: LookUpInvoice) -> None:
        name = message.payment_hash
        payer = self._payer_of(name)
        assert message.payment_id == payer.terms.id
        invoice = payer.rests.get(name) or payer.terms.lightning
        assert invoice is not None
        if self.now < self._silent_until or self.random.random() < 0.2:
            return
        if name in payer.paid:
            self._tell(payer, name)
        elif self.now >= invoice.expires_at:
            self._hand_over(payer, InvoiceGone(payment_hash=name, asked_at=self.now))

    def _payer_of(self, payment_hash: str) -> Payer:
        return next(
            p for p in self.payers if payment_hash in {p.payment_hash, *p.rests}
        )

    def _say_what_is_due(self) -> None:
        self.random.shuffle(self._due)
        for when, payment_hash in [d for d in self._due if d[0] <= self.now]:
            self._due.remove((when, payment_hash))
            self.repeats += 1
            self._tell(self._payer_of(payment_hash), payment_hash)

    def _tell_all(self, payer: Payer) -> None:
        for payment_hash in payer.paid:
            self._tell(payer, payment_hash)

    def _tell(self, payer: Payer, payment_hash: str) -> None:
        msat = payer.paid[payment_hash]
        paid = InvoicePaid(
            node="shop",
            payment_hash=payment_hash,
            received_msat=msat,
            fee_msat=7_001 if msat % 2 else 0,
        )
        self._hand_over(payer, paid)

    def _hand_over(self, payer: Payer, observation: Observation) -> None:
        ref = self.stage.node.watchers.get(payer.terms.id)
        if ref is not None:
            ref.tell(Command(observation, lambda _answer: None))
            return
        payment = self.stage.store.payment(payer.terms.id)
        assert payment is not None
        decided = follow(payment, observation, self.now)
        if decided.events:
            entry = Entry(decided.payment, tuple(decided.events))
            (outcome,) = self.journal.commit([Write((entry,))])
            assert isinstance(outcome, Committed)
