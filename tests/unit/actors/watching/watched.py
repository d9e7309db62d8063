"""One payment that is watched on a stage, for tests of the address actor."""

from typing import Any

from actors.messages import (
    Command,
    CoverageEnded,
    Deadline,
    DescribeWatcher,
    Poll,
    ReviewDue,
    Seen,
    WatcherReport,
)
from actors.watching.address import AddressActor
from engine.chain.feed import ChainView
from engine.payment.model import Payment, Status
from engine.runtime.ref import Ref
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import ADDRESS, HOUR_MS, T0

__all__ = [
    "EXPIRY",
    "Watched",
]

EXPIRY = T0 + HOUR_MS


class Watched:
    """One payment and its watcher; the test plays source and supervisor."""

    def __init__(self, stage: ActorStage, **changes: Any) -> None:
        self.stage = stage
        payment = stage.create("p", address=ADDRESS, **changes)
        self.ref: Ref = stage.start("p", AddressActor(stage.node, payment))
        stage.run()

    def seen(self, shown: ChainView) -> None:
        self.ref.tell(Seen(shown, self.stage.clock.now()))
        self.stage.run()

    def obey(self, command: Command) -> None:
        self.ref.tell(command)
        self.stage.run()

    def polls(self) -> list[Poll]:
        return [m for m in self.stage.source.got if isinstance(m, Poll)]

    def deadline_passes(self) -> None:
        asked = [m for m in self.stage.supervisor.got if isinstance(m, Deadline)]
        wait = max(asked[-1].at - self.stage.clock.now(), 0)
        self.stage.pass_s(wait / 1000)
        self.ref.tell_system(ReviewDue())
        self.stage.run()

    def coverage_ends(self) -> None:
        self.stage.covered_as_of(None)
        self.ref.tell_system(CoverageEnded())
        self.stage.run()

    def waited_s(self) -> float:
        return (self.stage.clock.now() - EXPIRY) / 1000

    def report(self) -> WatcherReport:
        said: list[WatcherReport] = []
        self.ref.tell(DescribeWatcher(said.append))
        self.stage.run()
        return said[-1]

    def disk_is_full(self, yes: bool) -> None:
        pages = self.stage.journal.connection.execute("PRAGMA page_count").fetchone()
        limit = pages[0] if yes else 1_000_000
        self.stage.journal.connection.execute(f"PRAGMA max_page_count = {limit}")
        self.stage.journal.connection.execute(f"PRAGMA query_only = {yes}")

    def status(self) -> Status:
        return self.payment.status

    @property
    def payment(self) -> Payment:
        actor = self.ref.actor
        assert isinstance(actor, AddressActor)
        assert actor.payment == self.stage.payment("p")
        return actor.payment
