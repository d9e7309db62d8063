"""A wire that keeps what a session tells its client, and sessions on it."""

from collections.abc import Callable
from typing import Any

from actors.live.session import open_session
from engine.errors.codes import StreamCode
from engine.payment.events import CommittedEvent
from engine.payment.model import Payment
from engine.ports import Freshness
from engine.runtime.ref import Ref
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import mined, view

__all__ = [
    "Wire",
    "connected",
    "grow",
    "opened",
]


class Wire:
    """A client's wire: keeps what was written; may be full after `room` messages.

    `takes`: so many events of a backlog until `read_on`; None: all of it.
    """

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.lines: list[tuple[str, Any]] = []
        self.closed: list[int] = []
        self.takes: int | None = None
        self.waiting: list[Callable[[], None]] = []

    def has_room(self, again: Callable[[], None]) -> bool:
        if self.takes is None:
            return True
        if self.takes:
            self.takes -= 1
            return True
        self.waiting.append(again)
        return False

    def read_on(self, takes: int | None) -> None:
        """The client read what it had; so much more fits now."""
        self.takes = takes
        waiting, self.waiting = self.waiting, []
        for again in waiting:
            again()

    def _write(self, kind: str, what: object) -> bool:
        if len(self.lines) >= self.room or self.closed:
            return False
        self.lines.append((kind, what))
        return True

    def state(self, payment: Payment, since: int | None) -> bool:
        return self._write("state", (payment.id, payment.seq, since))

    def event(self, event: CommittedEvent) -> bool:
        return self._write("event", (event.event.payment_id, event.event.seq))

    def freshness(self, freshness: Freshness) -> bool:
        return self._write("freshness", freshness)

    def problem(self, code: StreamCode, message: str) -> bool:
        return self._write("problem", code)

    def close(self, code: int, reason: str) -> None:
        self.closed.append(code)

    def of(self, kind: str) -> list[Any]:
        return [what for found, what in self.lines if found == kind]


def opened(stage: ActorStage, *messages: object, room: int = 1 << 30) -> Wire:
    wire = Wire(room)
    connected(stage, wire, *messages)
    return wire


def connected(stage: ActorStage, wire: Wire, *messages: object) -> Ref:
    ref = open_session(stage.node, f"session {id(wire)}", wire)
    for message in messages:
        ref.tell(message)
    stage.run()
    return ref


def grow(stage: ActorStage, name: str) -> None:
    """At least one more event of this payment."""
    seq = stage.payment(name).seq
    stage.observe(name, view(mined("t1", 1000), mined(f"n{seq}", 1000, 1), tip=1000))
    stage.run()
