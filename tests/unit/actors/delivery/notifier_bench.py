"""A notifier on a node of which only the mail is real: the test answers for others."""

from random import Random

import msgspec

from actors.delivery.notifier import NotifierActor
from actors.messages import Append, Read
from actors.node import Node, Settings
from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.channel import Channel, channel_row
from engine.payment.events import CommittedEvent, encode, opening, with_offset
from engine.payment.model import Terms
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher
from engine.secrets.vault import Vault
from engine.store.records import Owed, PendingPayment
from engine.store.writes import Committed

__all__ = [
    "Bench",
    "TERMS",
    "event_at",
]

TERMS = Terms(
    id="pay_1",
    network="regtest",
    address="bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202",
    created_at=0,
    expires_at=1,
    monitor_until=2,
)


class _Reads(Actor):
    """A reader that keeps what it is asked; the test answers."""

    def __init__(self, asked: list[Read]) -> None:
        self._asked = asked

    def on_receive(self, message: object) -> None:
        if isinstance(message, Read):
            self._asked.append(message)


class _Appends(Actor):
    """A journal that keeps what it is asked; the test answers."""

    def __init__(self, asked: list[Append]) -> None:
        self._asked = asked

    def on_receive(self, message: object) -> None:
        if isinstance(message, Append):
            self._asked.append(message)


class _Sender:
    def __init__(self) -> None:
        self.sent: list[str] = []
        self.outcome = AttemptOutcome.DELIVERED

    def send(self, *request: object) -> SendResult:
        self.sent.append(str(request[1]))
        return SendResult(self.outcome, 200, None, None, 1.0)


class Bench:
    """A node of which only the mail is real."""

    def __init__(self) -> None:
        self.dispatcher = SimulatedDispatcher(Random(1))
        self.clock = SimulatedClock(1_000)
        self.node = Node(self.clock, self.dispatcher, Random(1), Settings())
        self.asked: list[Read] = []
        reads = self.ref("reader", _Reads(self.asked))
        self.node.readers = [reads]
        self.appends: list[Append] = []
        self.node.router = self.ref("router", _Reads([]))
        self.node.journal = self.ref("journal", _Appends(self.appends))
        self.sender = _Sender()

    def ref(self, name: str, actor: Actor) -> Ref:
        ref = Ref(
            ActorScope(dispatcher=self.dispatcher, factory=lambda _n: actor), name
        )
        ref.start(actor)
        return ref

    def settle(self) -> None:
        while self.dispatcher.step() is not None:
            pass

    def notifier(self) -> Ref:
        vault = Vault(bytes(32))
        channel = Channel(
            id="chn_1",
            url="https://shop.example/",
            secret=vault.seal(b"s" * 32, "chn_1"),
            created_at=0,
        )

        def make(_name: str) -> NotifierActor:
            stored = channel_row(channel).state
            return NotifierActor(self.node, vault, self.sender, channel, stored)

        ref = Ref(ActorScope(dispatcher=self.dispatcher, factory=make), "chn_1")
        ref.start()
        return ref

    def begun(self, last_offset: int, *owed: str) -> Ref:
        """A notifier that knows these payments to be owed something."""
        notifier = self.notifier()
        self.know(last_offset, *owed)
        return notifier

    def know(self, last_offset: int, *owed: str) -> None:
        """Answer the first question of a notifier's life, the newest that was asked."""
        self.settle()
        payments = [PendingPayment(payment_id, 0) for payment_id in owed]
        self.asked[-1].reply(Owed(last_offset, payments))
        self.settle()

    def again(self, notifier: Ref, last_offset: int, *owed: str) -> None:
        """The notifier crashes, starts anew, and reads what is owed."""
        notifier.kill()
        notifier.start()
        self.know(last_offset, *owed)

    def answer(self, read: Read, what: object) -> None:
        read.reply(what)
        self.settle()

    def commit(self, number: int) -> None:
        self.appends[number].reply(Committed())
        self.settle()

    def pass_s(self, seconds: float) -> None:
        self.settle()
        self.clock.advance(round(seconds * 1000))
        self.settle()


def event_at(offset: int, payment_id: str = "pay_1") -> CommittedEvent:
    event, payment = opening(msgspec.structs.replace(TERMS, id=payment_id))
    event = msgspec.structs.replace(event, seq=offset)
    wire = with_offset(offset, encode(event, payment.terms))
    return CommittedEvent(offset, event, "default", wire)
