"""The journal actor: what waits for a slow disk is bounded, and refused beyond."""

from collections.abc import Callable, Sequence
from random import Random

from actors.journal.writer import MAX_BATCH, MAX_PENDING, JournalActor
from actors.messages import Append
from actors.node import Node, Settings
from actors.published import JournalReport, Published
from engine.runtime.ref import Ref, Scope
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher
from engine.store.writes import Committed, Outcome, Unavailable, Write


class SlowDisk:
    """Takes a batch and is done when the test says so."""

    def __init__(self) -> None:
        self.under_way: list[Callable[[], None]] = []

    def submit(
        self, batch: Sequence[Write], done: Callable[[list[Outcome]], None]
    ) -> None:
        outcomes: list[Outcome] = [Committed() for _ in batch]
        self.under_way.append(lambda: done(outcomes))


def test_what_waits_for_a_disk_that_hangs_is_bounded_and_refused_beyond() -> None:
    dispatcher, disk = SimulatedDispatcher(Random(1)), SlowDisk()
    node = Node(SimulatedClock(0), dispatcher, Random(1), Settings())
    scope = Scope(
        dispatcher,
        lambda _name: JournalActor(node, disk, Published(JournalReport())),
        mailbox_limit=50_000,
    )
    ref = Ref(scope, "journal")
    ref.start()
    answers: list[Outcome] = []
    sent = 1 + MAX_PENDING + 5
    for _ in range(sent):
        assert ref.tell(Append(Write(), answers.append))
    _settle(dispatcher)
    assert len(answers) == 5, "one is being written, the bound waits, five are refused"
    assert all(isinstance(answer, Unavailable) for answer in answers)
    while disk.under_way:
        disk.under_way.pop()()
        _settle(dispatcher)
    assert sum(isinstance(answer, Committed) for answer in answers) == sent - 5
    assert MAX_BATCH < MAX_PENDING


def _settle(dispatcher: SimulatedDispatcher) -> None:
    while dispatcher.step() is not None:
        pass
