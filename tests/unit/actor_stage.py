"""A small stage for actors: simulated time, a seeded dispatcher, a real journal.

The journal, the router and a reader are the real actors; the others are there only if
the test adds them. Nothing runs unless the test says so.
"""

from pathlib import Path
from random import Random

from msgspec.structs import replace

from actors.facts.published import JournalReport, Published, SourceReport
from actors.journal.reader import ReaderActor
from actors.journal.writer import JournalActor
from actors.live.router import RouterActor
from actors.node import Node, Settings
from actors.watching.watcher_book import WatcherBook
from engine.payment.events import opening
from engine.payment.model import Payment
from engine.payment.observations import Observation
from engine.payment.rules import decide, evolve
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher
from engine.store.sqlite.journal import Journal
from engine.store.writes import Entry, Outcome, Write
from tests.tools.direct_store import DirectStore
from tests.unit.payment_cases import T0, terms

__all__ = ["ActorStage", "Inbox"]


class Inbox(Actor):
    """Stands in for an actor: keeps what it is sent."""

    def __init__(self) -> None:
        self.got: list[object] = []

    def on_receive(self, message: object) -> None:
        self.got.append(message)


class ActorStage:
    """See the module docstring. Close it at the end."""

    def __init__(
        self,
        folder: Path,
        seed: int = 1,
        settings: Settings | None = None,
        journal: Journal | None = None,
    ) -> None:
        """`journal`: go on with this one, not with a new one in the folder."""
        self.random = Random(seed)
        self.clock = SimulatedClock(T0)
        self.dispatcher = SimulatedDispatcher(self.random)
        self.node = Node(
            self.clock, self.dispatcher, self.random, settings or Settings()
        )
        self.journal = journal or Journal(
            folder / f"stage-{seed}.db", synchronous="OFF"
        )
        self.store = store = DirectStore(self.journal)
        self.supervisor, self.source = Inbox(), Inbox()
        node = self.node
        # The test plays the source and the supervisor, or hands these to them.
        self.published = Published(SourceReport())
        self.book, self.booted = WatcherBook(), Published(False)
        node.source_report = self.published
        node.watchers, node.booted = self.book, self.booted
        self.journal_report = Published(JournalReport())
        node.journal_report = self.journal_report
        writer = JournalActor(node, store, self.journal_report, Published(0))
        node.journal = self.start("journal", writer, 100_000)
        node.sessions = sessions = Published(0)
        node.router = self.start("router", RouterActor(node, sessions), 100_000)
        node.notifiers = self.start("notifiers", Inbox())
        node.alert_notifier = self.start("alerts", Inbox())
        node.readers = [self.start("reader", ReaderActor(store), 100_000)]
        node.supervisor = self.start("supervisor", self.supervisor)
        node.source = self.start("source", self.source)

    def start(self, name: str, actor: Actor, limit: int = 1_000) -> Ref:
        scope = ActorScope(self.dispatcher, lambda _name: actor, mailbox_limit=limit)
        ref = Ref(scope, name)
        ref.start()
        return ref

    def close(self) -> None:
        self.journal.close()

    @property
    def complete_as_of(self) -> int | None:
        return self.node.source_report.now.complete_as_of

    def covered_as_of(self, at: int | None) -> None:
        """Play a source that reads whole blocks, or (None) one that does not."""
        self.published.publish(replace(self.published.now, complete_as_of=at))

    # -- the run of things -------------------------------------------------------------

    def run(self, turns: int | None = None) -> None:
        """So many turns, or until nobody has mail."""
        while turns is None or turns > 0:
            if self.dispatcher.step() is None:
                return
            turns = None if turns is None else turns - 1

    def pass_s(self, seconds: float) -> None:
        """Let time pass from timer to timer; everybody runs in between."""
        left = round(seconds * 1000)
        self.run()
        while left > 0:
            due = self.clock.next_due_ms()
            step = left if due is None else min(max(due, 1), left)
            self.clock.advance(step)
            left -= step
            self.run()

    # -- payments --------------------------------------------------------------------

    def create(
        self,
        name: str,
        merchant: str = "default",
        address: str | None = None,
        **changes: object,
    ) -> Payment:
        address = address or f"address of {name}"
        agreed = terms(id=name, address=address, merchant=merchant, **changes)
        event, payment = opening(agreed)
        self.append(Write(entries=(Entry(payment, (event,)),)))
        self.run()
        return payment

    def observe(self, name: str, *observations: Observation) -> None:
        """Decide on what is committed, and hand the events to the journal."""
        payment = self.payment(name)
        events = []
        for observation in observations:
            for event in decide(payment, observation, self.clock.now()):
                payment = evolve(payment, event)
                events.append(event)
        self.append(Write(entries=(Entry(payment, tuple(events)),)))

    def append(self, write: Write) -> list[Outcome]:
        outcomes: list[Outcome] = []
        self.node.append(write, outcomes.append)
        return outcomes

    def payment(self, name: str) -> Payment:
        payment = self.store.payment(name)
        assert payment is not None
        return payment
