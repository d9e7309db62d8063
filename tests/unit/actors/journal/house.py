"""A journal actor by itself, over a disk that writes when the test says so."""

from collections.abc import Callable, Sequence
from random import Random

from actors.facts.published import JournalReport, Published
from actors.journal.writer import JournalActor
from actors.messages import Append, WriteFirst
from actors.node import Node, Settings
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher
from engine.store.writes import Committed, Outcome, Row, SourceTip, Write
from tests.unit.actor_stage import Inbox

__all__ = ["House", "SlowDisk"]


class SlowDisk:
    """Takes a batch and is done when the test says so; what it then says is `word`."""

    def __init__(self) -> None:
        self.under_way: list[Callable[[], None]] = []
        self.batches: list[Sequence[Write]] = []
        self.word: Outcome = Committed()
        self.words: list[Outcome] = []  # one for each write, in place of `word`

    def submit(
        self, batch: Sequence[Write], done: Callable[[list[Outcome]], None]
    ) -> None:
        self.batches.append(batch)
        self.under_way.append(lambda: done(self.words or [self.word for _ in batch]))


class House:
    """A journal actor by itself, over a slow disk."""

    def __init__(self) -> None:
        self.disk = SlowDisk()
        self.dispatcher = SimulatedDispatcher(Random(1))
        self.clock = SimulatedClock(0)
        self.node = Node(self.clock, self.dispatcher, Random(1), Settings())
        self.report, self.waiting = Published(JournalReport()), Published(0)
        scope = ActorScope(
            self.dispatcher,
            lambda _name: JournalActor(self.node, self.disk, self.report, self.waiting),
            mailbox_limit=50_000,
        )
        self.ref = Ref(scope, "journal")
        self.ref.start()
        self.answers: list[Outcome] = []

    def append(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.ref.tell(Append(Write(), self.answers.append))
        self.settle()

    def hand_in(self, *rows: Row) -> None:
        """A write of these rows."""
        assert self.ref.tell(Append(Write(rows=rows), self.answers.append))
        self.settle()

    def hand_in_first(self, row: SourceTip) -> None:
        self.ref.tell_system(WriteFirst(row))
        self.settle()

    @property
    def newest(self) -> list[Row]:
        """All rows of the newest batch, in their order."""
        return [row for write in self.disk.batches[-1] for row in write.rows]

    def settle(self) -> None:
        while self.dispatcher.step() is not None:
            pass

    def listen(self) -> Inbox:
        """In the notifiers' place."""
        inbox = Inbox()
        self.node.notifiers = Ref(
            ActorScope(self.dispatcher, lambda _name: inbox), "inbox"
        )
        self.node.notifiers.start()
        scope = ActorScope(self.dispatcher, lambda _name: Inbox())
        self.node.alert_notifier = Ref(scope, "alerts")
        self.node.alert_notifier.start()
        return inbox

    def finish_so(self, words: list[Outcome]) -> None:
        """The oldest batch that is under way ends with a word for each write."""
        self.disk.words = words
        self.disk.under_way.pop(0)()
        self.disk.words = []
        self.settle()

    def finish_one(self, word: Outcome) -> None:
        """The oldest batch that is under way ends so."""
        self.disk.word = word
        self.disk.under_way.pop(0)()
        self.settle()
