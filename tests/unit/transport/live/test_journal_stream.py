"""The stream of the whole journal: nothing is lost where its reader falls behind."""

import re
from typing import Any

from engine.payment.events import CommittedEvent, encode, opening, with_offset
from engine.store.records import StoredEvent
from tests.unit.transport.live.stage import FakeGateway, FakeSession, terms_of
from transport.live.encoding import Frames
from transport.live.journal_stream import _Reader

TERMS = terms_of("pay_1", "order-1")
MORE_THAN_A_QUEUE = 1_001


def committed(offset: int) -> CommittedEvent:
    event, _ = opening(TERMS)
    wire = with_offset(offset, encode(event, TERMS))
    return CommittedEvent(offset, event, "default", wire)


class Journal(FakeGateway):
    """Everything happens at once while its reader is about to follow."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    def open_session(self, name: str, sink: Any) -> FakeSession:
        session = super().open_session(name, sink)
        follow_all = session.follow_all

        def overtaken(after: int, merchant: str | None) -> None:
            follow_all(after, merchant)
            while self.written < MORE_THAN_A_QUEUE:
                self.written += 1
                sink.event(committed(self.written))

        session.follow_all = overtaken  # type: ignore[method-assign, assignment]
        return session

    def events_after(
        self, after: int, limit: int, _merchant: str | None
    ) -> list[StoredEvent]:
        offsets = range(after + 1, min(self.written, after + limit) + 1)
        events = [committed(offset) for offset in offsets]
        return [
            StoredEvent(one.offset, "pay_1", 1, "default", one.wire) for one in events
        ]


def test_who_falls_behind_gets_what_was_queued_and_then_the_rest_once() -> None:
    journal = Journal()
    reader = _Reader(journal, Frames("simulate"), None, {})  # type: ignore[arg-type]
    stream = reader.stream(0, lambda: None, 60.0)
    got: list[int] = []
    while len(got) < MORE_THAN_A_QUEUE:
        got += map(
            int, re.findall(rb"^id: simulate-(\d+)$", next(stream), re.MULTILINE)
        )
    assert got == list(range(1, MORE_THAN_A_QUEUE + 1))
    assert journal.sessions[0].closed
    stream.close()  # type: ignore[attr-defined]
