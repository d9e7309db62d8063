"""A world in which one till passes on what came, and dies at every place of its code.

The till is the real `TillActor`, round by round, over a store; the nodes are those of
`till_nodes.py`. The world ends calm: nothing fails for long enough that all that can be
done is done. `till_judge.py` says what became of it.
"""

from collections.abc import Callable
from random import Random
from typing import Any
from unittest.mock import patch

from actors.facts.alerts import Alerts
from actors.facts.counters import Counters
from actors.facts.published import Published
from actors.money import till as till_module
from actors.money.steps import AskStore, Commit, TellPayment
from actors.money.till import TillActor
from actors.node import Settings
from engine.errors import InvoiceMismatch
from engine.lightning.account import Account
from engine.lightning.agreed import Invoice
from engine.lightning.node import InvoiceAsked, InvoiceMade
from engine.lightning.till import TillForward, TillState, given_up, resumed
from engine.payment.events import opening
from engine.payment.lightning_terms import lightning_key
from engine.payment.observations import Forward, InvoicePaid
from engine.payment.rules import follow
from engine.store.writes import Committed, Entry, MoveTill, PauseForwarding, Write
from tests.simulation.till_judge import Wrong, judge
from tests.simulation.till_nodes import MINUTE_MS, Network, TargetNode, TillNode
from tests.tools.memory_store import MemoryStore
from tests.unit.payment_cases import T0, terms

__all__ = ["TillWorld", "Wrong", "run_till"]

S = TillState

STORM_MS = 24 * 60 * MINUTE_MS
CALM_MS = 4 * 24 * 60 * MINUTE_MS
"""Longer than a payment may be on its way, and than all delays together."""


class Died(BaseException):
    """The process is killed here."""


class _Clock:
    def __init__(self) -> None:
        self.at = T0

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1_000


class _Node:
    """What a till needs of `actors.node.Node`."""

    def __init__(self, clock: _Clock, random: Random) -> None:
        self.clock = clock
        self.random = random
        self.settings = Settings()
        self.booted = Published(True)
        self.counters = Counters()
        self.alerts = Alerts(self.counters)


def _checked(
    made: InvoiceMade, asked: InvoiceAsked, _network: str, now: int, node: str
) -> Invoice:
    """In the place of `check_invoice`: these invoices are none that can be read."""
    network = _checked.network  # type: ignore[attr-defined]
    known = network.invoices[made.payment_hash]
    if known.amount_msat != asked.amount_msat or known.expires_at <= now:
        raise InvoiceMismatch("another amount")
    return Invoice(
        node=node,
        payment_hash=made.payment_hash,
        bolt11=made.bolt11,
        amount_msat=known.amount_msat,
        expires_at=known.expires_at,
    )


class TillWorld:
    """One world. `actor`: the class of the till, for planted bugs."""

    def __init__(self, seed: int, actor: type[TillActor] = TillActor) -> None:
        self.random = random = Random(seed)
        self.clock = _Clock()
        self.store = MemoryStore()
        self.node = _Node(self.clock, random)
        self.network = Network(
            random, self.clock.now, random.choice((0, 9_000_000, 900_000_000))
        )
        _checked.network = self.network  # type: ignore[attr-defined]
        kind: Any = random.choice(("blink", "phoenixd"))
        self._fee_base_sat = 0 if kind == "blink" else 4
        if kind == "blink":
            self.network.fee_msat = 0
        self.accounts = {
            "till": (self._account("till", kind, "own"), TillNode(self.network)),
            "own": (self._account("own", kind, ""), TargetNode(self.network)),
        }
        self._actor = actor
        self._till = self._made()
        self.came: dict[str, tuple[int, int, int]] = {}  # net, fee, credit, by payment
        self.deaths = 0
        self._dies_at = -1  # at this place from now
        self._may_die = False
        self.handled: set[str] = set()  # of these a person decided

    def _account(self, name: str, kind: Any, to: str) -> Account:
        return Account(
            name=name,
            kind=kind,
            url="x",
            forward_to=to,
            forward_fee_base_sat=self._fee_base_sat,
        )

    def _made(self) -> TillActor:
        accounts: Any = self.accounts
        return self._actor(self.node, "till", accounts)  # type: ignore[arg-type]

    # -- what happens ------------------------------------------------------------------

    def run(self) -> None:
        random = self.random
        for _ in range(random.randrange(1, 4)):
            self._receive()
            self._pass(random.randrange(2_000))
        end = self.clock.at + STORM_MS
        with patch.object(till_module, "check_invoice", _checked):
            while self.clock.at < end:
                self._maybe_a_person()
                self._round(may_die=True)
                self._pass(self._rest())
                if not self._is_anything_open() and random.random() < 0.9:
                    break
            self.store_is_resumed()
            self.network.is_calm = True
            end = self.clock.at + CALM_MS
            while self.clock.at < end and self._is_anything_open():
                self._round(may_die=False)
                self._pass(self._rest())
        self.network.pass_on()

    def _rest(self) -> int:
        """Mostly until something is due; sometimes somebody tells of work before."""
        if self.random.random() < 0.2:
            return self.random.randrange(1, 3_000)
        now = self.clock.at
        due = [f.next_at for f in self._open() if now < f.next_at < 2**52]
        return min(min(due, default=now + 20 * MINUTE_MS) - now, 60 * MINUTE_MS)

    def _pass(self, ms: int) -> None:
        self.clock.at += ms

    def _open(self) -> list[TillForward]:
        return [f for f in self.forwards() if f.is_open]

    def _is_anything_open(self) -> bool:
        if self.store.till_queue("till") or self.network.late:
            return True
        idle = {S.STUCK, S.WAITING} if self.network.is_calm else set()
        return any(f.is_untold or f.state not in idle or f.next_at < 2**52
                   for f in self._open())  # fmt: skip

    def forwards(self) -> list[TillForward]:
        return self.store.till_forwards_of_merchant("default")[::-1]

    def _receive(self) -> None:
        random, now = self.random, self.clock.at
        name = f"pay_{len(self.came)}"
        gross = random.choice((1, 5, 40, 1_000, 250_000))
        fee = random.choice((0, 0, min(gross, 3)))
        credit = random.choice((0, 0, 0, gross - fee))
        payment_hash = f"{random.getrandbits(256):064x}"
        invoice = Invoice(
            node="till",
            payment_hash=payment_hash,
            bolt11="ln",
            expires_at=now + 9,
            is_till=True,
        )
        event, payment = opening(
            terms(
                id=name,
                method="lightning",
                address=lightning_key(payment_hash),
                amount_sat=gross,
                lightning=invoice,
            )
        )
        self._write(Write(entries=(Entry(payment, (event,)),)))
        self.network.till_msat += (gross - fee - credit) * 1_000
        self.came[name] = gross - fee - credit, fee, credit
        seen = InvoicePaid(
            node="till",
            payment_hash=payment_hash,
            received_msat=gross * 1_000,
            fee_msat=fee * 1_000,
            credit_msat=credit * 1_000,
        )
        told = follow(payment, seen, now)
        self._write(Write(entries=(Entry(told.payment, tuple(told.events)),)))

    def _maybe_a_person(self) -> None:
        if self.random.random() > 0.02:
            return
        if self.random.random() < 0.3:
            is_paused = self.store.forward_paused() is not None
            at = 0 if is_paused else self.clock.at
            self._write(Write(rows=(PauseForwarding(at, "me"),)))
            return
        for before in self.forwards():
            if self.random.random() < 0.5:
                after = resumed(before, self.clock.at)
            else:
                after = given_up(before, self.clock.at, "by hand")
            if after is not None:
                self.handled.add(before.id)
                self._write(Write(rows=(MoveTill(after, before.step),)))

    def store_is_resumed(self) -> None:
        self._write(Write(rows=(PauseForwarding(0),)))

    # -- a round, and where it dies ----------------------------------------------------

    def _round(self, *, may_die: bool) -> None:
        random = self.random
        self._may_die = may_die
        dies = may_die and random.random() < 0.3
        self._dies_at = random.randrange(40) if dies else -1
        wrapped = {
            name: (account, _Mortal(node, self._place, self._place_of_pay))
            for name, (account, node) in self.accounts.items()
        }
        self._till._accounts = wrapped
        self._till._nodes = {n: m for n, (_, m) in wrapped.items()}
        steps = self._till._steps()
        answer: Any = None
        try:
            while True:
                wanted = steps.send(answer)
                self._place()
                answer = self._carried_out(wanted)
                self._place()
        except StopIteration:
            return
        except Died:
            steps.close()
            self.deaths += 1
            self._pass(random.choice((10, 3_000, 3_600_000, 30 * 3_600_000)))
            self._till = self._made()

    def _place_of_pay(self) -> None:
        """The place that matters most."""
        if self._may_die and self.random.random() < 0.1:
            raise Died
        self._place()

    def _place(self) -> None:
        if self._dies_at == 0:
            self._dies_at = -1
            raise Died
        self._dies_at -= 1

    def _carried_out(self, wanted: Any) -> Any:
        match wanted:
            case AskStore(question):
                return question(self.store)
            case Commit(rows):
                return isinstance(self._write(Write(rows=rows)), Committed)
            case TellPayment(payment_id, part):
                payment = self.store.payment(payment_id)
                assert payment is not None
                decided = follow(payment, Forward(part), self.clock.at)
                if decided.events:
                    entry = Entry(decided.payment, tuple(decided.events))
                    self._write(Write(entries=(entry,)))
                return True
        raise AssertionError(wanted)

    def _write(self, write: Write) -> Any:
        outcomes: list[Any] = []
        self.store.submit([write], outcomes.extend)
        return outcomes[0]


class _Mortal:
    """A node that is asked by a till which may die before it asks, or as it hears."""

    def __init__(
        self, node: Any, place: Callable[[], None], place_of_pay: Callable[[], None]
    ) -> None:
        self._node = node
        self._place = place
        self._place_of_pay = place_of_pay

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._node, name)
        place = self._place_of_pay if name == "pay" else self._place

        def asked(*args: Any, **named: Any) -> Any:
            place()
            try:
                return call(*args, **named)
            finally:
                place()

        return asked


def run_till(seed: int, actor: type[TillActor] = TillActor) -> dict[str, int]:
    """What became of a world's forwards. Raises `Wrong`."""
    world = TillWorld(seed, actor)
    world.run()
    return judge(world) | {"deaths": world.deaths}
