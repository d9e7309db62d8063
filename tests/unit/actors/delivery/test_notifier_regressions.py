"""What the simulation found in the notifier, each in a dozen steps."""

from collections.abc import Callable
from random import Random

import msgspec

from actors.delivery.notifier import NotifierActor
from actors.live.session import SessionActor
from actors.messages import Read
from actors.node import Node, Settings
from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.channel import Channel
from engine.errors import StreamCode
from engine.payment.events import CommittedEvent, encode, opening, with_offset
from engine.payment.model import Payment, Terms
from engine.ports import Freshness
from engine.runtime.actor import Actor
from engine.runtime.ref import Ref, Scope
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher
from engine.secrets.vault import Vault
from engine.store.records import Owed

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


class _Sender:
    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, *request: object) -> SendResult:
        self.sent.append(str(request[2]))
        return SendResult(AttemptOutcome.DELIVERED, 200, None, None, 1.0)


class _Sink:
    def __init__(self) -> None:
        self.closed: int | None = None

    def has_room(self, again: Callable[[], None]) -> bool:
        return True

    def state(self, payment: Payment, since: int | None) -> bool:
        return True

    def event(self, event: CommittedEvent) -> bool:
        return True

    def freshness(self, freshness: Freshness) -> bool:
        return True

    def problem(self, code: StreamCode, message: str) -> bool:
        return True

    def close(self, code: int, reason: str) -> None:
        self.closed = code


class _Bench:
    """A node of which only the mail is real."""

    def __init__(self) -> None:
        self.dispatcher = SimulatedDispatcher(Random(1))
        self.node = Node(SimulatedClock(1_000), self.dispatcher, Random(1), Settings())
        self.asked: list[Read] = []
        reads = self.ref("reader", _Reads(self.asked))
        self.node.readers = [reads]
        self.node.router = self.node.journal = self.ref("sink", _Reads([]))
        self.sender = _Sender()

    def ref(self, name: str, actor: Actor) -> Ref:
        ref = Ref(Scope(dispatcher=self.dispatcher, factory=lambda _n: actor), name)
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
        return self.ref("chn_1", NotifierActor(self.node, vault, self.sender, channel))


def _event(offset: int) -> CommittedEvent:
    event, payment = opening(TERMS)
    event = msgspec.structs.replace(event, seq=offset)
    wire = with_offset(offset, encode(event, payment.terms))
    return CommittedEvent(offset, event, "default", wire)


def test_a_notifier_sends_no_event_before_it_knows_what_is_owed() -> None:
    bench = _Bench()
    notifier = bench.notifier()
    notifier.tell_system(_event(5))
    bench.settle()
    assert bench.sender.sent == []
    bench.asked[0].reply(Owed(4, []))
    bench.settle()
    assert bench.sender.sent == ["evt_5"]


def test_a_notifier_looks_before_it_sends_an_event_that_may_have_been_sent() -> None:
    bench = _Bench()
    notifier = bench.notifier()
    bench.settle()
    bench.asked[0].reply(Owed(5, []))
    notifier.tell_system(_event(5))
    bench.settle()
    assert bench.sender.sent == []
    bench.asked[-1].reply(None)
    bench.settle()
    assert bench.sender.sent == []


def test_a_killed_session_closes_the_wire_of_its_client() -> None:
    bench = _Bench()
    sink = _Sink()
    session = bench.ref("session", SessionActor(bench.node, sink))
    bench.settle()
    session.kill(RuntimeError("cannot read"))
    assert sink.closed == 1011
