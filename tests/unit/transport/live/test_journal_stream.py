"""The stream of the whole journal: nothing is lost where its reader falls behind."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import EngineBusy
from engine.payment.events import CommittedEvent, encode, opening, with_offset
from engine.store.epochs import Epochs, EpochStart, Position
from engine.store.records import Pruned, StoredEvent
from tests.unit.transport.live.stage import FakeGateway, FakeSession, terms_of
from transport.http.problems import Problem
from transport.live.encoding import KEEP_ALIVE, Frames
from transport.live.journal_stream import _Reader, usable

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
    made: Any = journal
    reader = _Reader(made, Frames("simulate"), None, {}, lambda: True)
    stream = reader.stream(0, 60.0)
    got: list[int] = []
    while len(got) < MORE_THAN_A_QUEUE:
        got += map(
            int, re.findall(rb"^id: simulate-(\d+)$", next(stream), re.MULTILINE)
        )
    assert got == list(range(1, MORE_THAN_A_QUEUE + 1))
    assert journal.sessions[0].closed
    stream.close()  # type: ignore[attr-defined]


class Restored(FakeGateway):
    """Put back to event 10; of the events up to 7 some are kept no longer."""

    def epochs(self) -> Epochs:
        return Epochs([EpochStart(1, "aaaaaaaa"), EpochStart(11, "bbbbbbbb")])

    def pruned(self, merchant: str | None) -> Pruned:
        return Pruned() if merchant == "idle" else Pruned(events=5, through=7)


@pytest.mark.parametrize(
    ("text", "going_on"),
    [
        ("zzzzzzzz-9", "bbbbbbbb-0"),
        ("aaaaaaaa-3", "bbbbbbbb-7"),  # shared, and kept no longer
        ("3", "bbbbbbbb-7"),
        ("bbbbbbbb-3", "bbbbbbbb-7"),
        ("aaaaaaaa-20", "bbbbbbbb-10"),
        ("20", "bbbbbbbb-10"),
    ],
)
def test_the_cursor_that_a_410_names_is_one_that_works(
    text: str, going_on: str
) -> None:
    gateway = Restored()
    cursor = Position.parse(text)
    assert cursor is not None
    with pytest.raises(Problem) as caught:
        usable(gateway, cursor, None)  # type: ignore[arg-type]
    assert (caught.value.status, caught.value.cursor) == (410, going_on)
    named = Position.parse(going_on)
    assert named is not None
    assert usable(gateway, named, None) == named.number  # type: ignore[arg-type]


def test_a_merchant_that_missed_nothing_goes_on_however_old_its_cursor_is() -> None:
    gateway, cursor = Restored(), Position("bbbbbbbb", 3)
    assert usable(gateway, cursor, "idle") == 3  # type: ignore[arg-type]
    with pytest.raises(Problem):
        usable(gateway, cursor, "busy")  # type: ignore[arg-type]


def reader_of(journal: FakeGateway, is_allowed: Callable[[], bool]) -> _Reader:
    made: Any = journal
    return _Reader(made, Frames("simulate"), None, {}, is_allowed)


class FakeJournal(FakeGateway):
    """Nothing happens."""

    def events_after(self, *_asked: object) -> list[StoredEvent]:
        return []


def test_a_stream_that_is_far_behind_ends_with_its_key_too() -> None:
    journal = Journal()
    journal.written = MORE_THAN_A_QUEUE
    answers = iter([True, False])
    told = [*reader_of(journal, lambda: next(answers)).stream(0, 0)]
    assert len(told) == 2, "the preamble, and the page before the key was revoked"


def test_a_store_that_cannot_be_read_revokes_no_key() -> None:
    def unknown() -> bool:
        raise EngineBusy("the disk is full", 1)

    stream = reader_of(FakeJournal(), unknown).stream(0, 0)
    assert [next(stream) for _ in range(4)][1:] == [KEEP_ALIVE] * 3


def test_who_waits_for_an_event_with_a_key_that_is_revoked_meanwhile_gets_none() -> (
    None
):
    journal = Journal()
    assert reader_of(journal, lambda: False).wait(0, 10, 5.0) == []
    assert journal.written == MORE_THAN_A_QUEUE, "there was something"
