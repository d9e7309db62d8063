"""A world of payments by card: real watchers, supervisor and journal; gateways, payers
and a process that dies.

A gateway's words come late, twice, out of order and again after a crash, until they are
answered; some come when the payment is over. The world writes down what was said, and
when it was in the journal; who judges it knows none of the engine's rules.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import msgspec

from actors.messages import Command, CreatePayments
from actors.watching.supervisor import SupervisorActor
from engine.payment.model import Payment, SavedToken, Terms, external_key
from engine.payment.observations import Cancel, GatewayMeaning, GatewayWord
from engine.payment.rules import follow
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedClock
from engine.store.sqlite.journal import Journal
from engine.store.writes import Committed, Entry, Write
from tests.unit.actor_stage import ActorStage

__all__ = ["ASKED", "Card", "CardWorld"]

ASKED = 1_990
"""Cents."""

MINUTE_MS = 60_000
PAYMENTS = 10
STEPS = 80
WAITED_MS = 3 * 60 * MINUTE_MS

PLANS: dict[str, tuple[tuple[GatewayMeaning, int | None, str], ...]] = {
    "paid": (
        (GatewayMeaning.PENDING, None, ""),
        (GatewayMeaning.SUCCESS, ASKED, "EUR"),
    ),
    "at once": ((GatewayMeaning.SUCCESS, ASKED, "EUR"),),
    "second card": (
        (GatewayMeaning.FAILED, None, ""),
        (GatewayMeaning.SUCCESS, ASKED, "EUR"),
    ),
    "refused": ((GatewayMeaning.FAILED, None, ""),),
    "little": ((GatewayMeaning.SUCCESS, ASKED - 1, "EUR"),),
    "much": ((GatewayMeaning.SUCCESS, ASKED + 500, "EUR"),),
    "more and more": (
        (GatewayMeaning.SUCCESS, 900, "EUR"),
        (GatewayMeaning.SUCCESS, ASKED, "EUR"),
    ),
    "dollars": ((GatewayMeaning.SUCCESS, ASKED, "USD"),),
    "taken back": (
        (GatewayMeaning.SUCCESS, ASKED, "EUR"),
        (GatewayMeaning.REVERSED, None, ""),
    ),
    "in part": (
        (GatewayMeaning.SUCCESS, ASKED, "EUR"),
        (GatewayMeaning.REVERSED, 500, "EUR"),
    ),
    "undecided": ((GatewayMeaning.PENDING, None, ""),),
    "never": (),
}


class Said(msgspec.Struct):
    """One word of a gateway."""

    word: GatewayWord
    due: int  # ms: when it is sent, or sent again
    heard_seq: int | None = None  # of the payment, once the journal has what follows
    heard_at: int = 0
    again: int = 0  # so often more, though it was answered


class Card(msgspec.Struct):
    """One payment, and what was really said of it."""

    terms: Terms
    plan: str
    said: list[Said]
    heard: list[Said] = []  # in the order in which the engine took them
    cancelled_at: int | None = None


class CardWorld:
    """One seed; see the module docstring."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = Random(f"cards {seed}")
        self.journal = Journal(folder / f"cards-{seed}.db", synchronous="OFF")
        self.cards: list[Card] = []
        self.crashes = self.repeats = 0
        self._folder = folder
        self._clock: SimulatedClock | None = None
        self._begin()

    # -- the process -------------------------------------------------------------------

    def _begin(self) -> None:
        """A life of the process, with what the journal has."""
        seed = self.random.randrange(10**9)
        self.stage = stage = ActorStage(self._folder, seed, journal=self.journal)
        if self._clock is not None:  # time went on meanwhile
            rest_ms = self.random.choice([1, 5, 600]) * 1_000
            stage.clock = SimulatedClock(self._clock.now() + rest_ms)
            stage.node.clock = stage.clock
        self._clock = stage.clock
        scope = ActorScope(
            stage.dispatcher,
            lambda _name: SupervisorActor(stage.node, stage.book, stage.booted),
        )
        stage.node.supervisor = Ref(scope, "supervisor")
        stage.node.supervisor.start()
        stage.run()

    def close(self) -> None:
        self.journal.close()

    @property
    def now(self) -> int:
        return self.stage.clock.now()

    def payment(self, card: Card) -> Payment:
        """As committed."""
        found = self.stage.store.payment(card.terms.id)
        assert found is not None
        return found

    # -- what happens ------------------------------------------------------------------

    def run(self) -> None:
        """Some hours; and then until all was said and all deadlines are over."""
        for _ in range(STEPS):
            if len(self.cards) < PAYMENTS and self.random.random() < 0.3:
                self._create()
            if self.cards and self.random.random() < 0.02:
                self._cancel(self.random.choice(self.cards))
            self._say_what_is_due()
            self.stage.pass_s(self.random.choice([5, 60, 240]))
        for _ in range(2):
            self._say_what_is_due(all_of_it=True)
            self.stage.pass_s(WAITED_MS // 1_000 + 3_600)

    def _create(self) -> None:
        random, number = self.random, len(self.cards) + 1
        expires_at = self.now + random.choice([5, 15, 30]) * MINUTE_MS
        terms = Terms(
            id=f"pay_{number}",
            method="external",
            network="regtest",
            asset="EUR",
            decimals=2,
            gateway="cards",
            address=external_key("cafe", "cards", f"INV {number}"),
            amount_minor=ASKED,
            confirmations_required=0,
            created_at=self.now,
            expires_at=expires_at,
            monitor_until=self.now + WAITED_MS,
            external_id=f"INV {number}",
            merchant="cafe",
        )
        made: list[object] = []
        self.stage.node.supervisor.tell(CreatePayments((terms,), made.append))
        self.stage.run()
        assert made, "nobody answered"
        plan = random.choice(list(PLANS))
        card = Card(terms=terms, plan=plan, said=[])
        at = self.now
        for number, (kind, amount, currency) in enumerate(PLANS[plan]):
            at += random.choice([0, 1, 120, 1_800]) * 1_000
            word = GatewayWord(
                gateway="cards",
                word=kind,
                amount_minor=amount,
                currency=currency,
                reference=f"{terms.id}-{number}",
            )
            card.said.append(self._sent(word, at))
        for number in range(random.choice([0, 0, 1, 2])):
            token = SavedToken(f"tok_{number}", {"last4": "4242"})
            word = GatewayWord(gateway="cards", word=GatewayMeaning.TOKEN, token=token)
            card.said.append(self._sent(word, at))
        self.cards.append(card)

    def _sent(self, word: GatewayWord, at: int) -> Said:
        """On its way it may be overtaken."""
        way_ms = self.random.choice([0, 0, 2, 300, 7_200]) * 1_000
        return Said(word, due=at + way_ms, again=self.random.choice([0, 0, 1, 2]))

    def _cancel(self, card: Card) -> None:
        ref = self.stage.node.watchers.get(card.terms.id)
        if ref is None:
            return
        answers: list[object] = []
        ref.tell(Command(Cancel("ann"), answers.append))
        self.stage.run()
        if answers and isinstance(answers[0], Payment) and card.cancelled_at is None:
            card.cancelled_at = self.now

    def _say_what_is_due(self, *, all_of_it: bool = False) -> None:
        due = [
            (card, said)
            for card in self.cards
            for said in card.said
            if (all_of_it or said.due <= self.now)
            and (said.heard_seq is None or said.again)
        ]
        self.random.shuffle(due)
        for card, said in due:
            self._say(card, said)

    def _say(self, card: Card, said: Said) -> None:
        """Once; it is said again if nobody answers, and at times all the same."""
        if said.heard_seq is not None:
            said.again -= 1
            self.repeats += 1
        before = self.payment(card)
        answers: list[object] = []
        ref = self.stage.node.watchers.get(card.terms.id)
        if ref is None:
            self._say_of_what_is_over(before, said.word)
            answers.append(None)
        else:
            ref.tell(Command(said.word, answers.append))
            if self.random.random() < 0.08:
                self.crashes += 1
                self.stage.run(self.random.randrange(6))
                self._begin()
            else:
                self.stage.run()
        after = self.payment(card)
        is_taken = bool(answers) or after.seq > before.seq
        if said.heard_seq is None and is_taken:
            said.heard_seq, said.heard_at = after.seq, self.now
            card.heard.append(said)

    def _say_of_what_is_over(self, payment: Payment, word: GatewayWord) -> None:
        decided = follow(payment, word, self.now)
        if decided.events:
            entry = Entry(decided.payment, tuple(decided.events))
            (outcome,) = self.journal.commit([Write((entry,))])
            assert isinstance(outcome, Committed)
