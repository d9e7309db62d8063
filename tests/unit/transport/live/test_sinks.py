"""What a slow client is told, what is queued for it, and when it is asked to go."""

from collections.abc import Callable

import pytest

from engine.payment.events import CommittedEvent, encode, opening, with_offset
from engine.payment.model import Payment, Terms
from engine.ports import Freshness
from transport.live.encoding import Frames
from transport.live.sinks import (
    JournalSink,
    StreamQueue,
    StreamSink,
    WebSocketSink,
    Wire,
)

TERMS = Terms(
    id="pay_1",
    network="regtest",
    address="bcrt1qexample",
    amount_sat=50_000,
    created_at=1_700_000_000_000,
    expires_at=1_700_003_600_000,
    monitor_until=1_700_090_000_000,
)


def payment() -> Payment:
    return opening(TERMS)[1]


def committed(offset: int) -> CommittedEvent:
    event, _ = opening(TERMS)
    wire = with_offset(offset, encode(event, TERMS))
    return CommittedEvent(offset, event, TERMS.merchant, wire)


class FakeSocket:
    """A WebSocket as a wire sees it; what is queued stays until a test takes it."""

    def __init__(self) -> None:
        self.queued: list[bytes] = []
        self.at_once: list[bytes] = []
        self.busy = False
        self.closed = False
        self.close_code: int | None = None
        self.waiting: list[Callable[[], None]] = []

    @property
    def queued_messages(self) -> int:
        return len(self.queued)

    @property
    def queued_bytes(self) -> int:
        return sum(map(len, self.queued))

    def call_when_written(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def send_encoded(self, frame: bytes) -> bool:
        self.queued.append(frame)
        return True

    def send_now(self, frame: bytes) -> bool:
        self.at_once.append(frame)
        return True

    def close(self, code: int, _reason: str) -> None:
        self.closed, self.close_code = True, code


def wire(messages: int = 80, size: int = 8_000) -> tuple[Wire, FakeSocket]:
    socket = FakeSocket()
    return Wire(socket, messages, size), socket  # type: ignore[arg-type]


# Wire


def test_a_backlog_gets_an_eighth_of_the_messages_and_waits_for_room() -> None:
    told: list[str] = []
    one, socket = wire(messages=80)
    for _ in range(10):
        assert one.has_room(lambda: told.append("room"))
        assert one.send(b"x")
    assert not one.has_room(lambda: told.append("room"))
    assert len(socket.waiting) == 1
    socket.queued.clear()
    socket.waiting.pop()()
    assert told == ["room"]
    assert one.has_room(lambda: None)
    assert socket.waiting == []


def test_a_backlog_gets_an_eighth_of_the_bytes() -> None:
    one, _ = wire(size=8_000)
    assert one.send(b"x" * 999)
    assert one.has_room(lambda: None)
    assert one.send(b"x")
    assert not one.has_room(lambda: None)


@pytest.mark.parametrize(("messages", "size", "fit"), [(5, 8_000, 5), (80, 300, 3)])
def test_a_full_wire_closes_behind_what_is_queued(
    messages: int, size: int, fit: int
) -> None:
    one, socket = wire(messages, size)
    for _ in range(fit):
        assert one.send(b"x" * 100)
    assert not one.send(b"x" * 100)
    assert socket.close_code == 1013
    assert len(socket.queued) == fit


def test_the_sources_are_told_once_however_many_payments_are_followed() -> None:
    one, socket = wire()
    assert one.send_source(b"fresh")
    assert one.send_source(b"fresh")
    assert one.send_source(b"stale")
    assert one.send_source(b"fresh")
    assert socket.queued == [b"fresh", b"stale", b"fresh"]
    socket.closed = True
    assert not one.send_source(b"fresh")


def test_an_event_as_it_happens_goes_at_once_and_one_of_a_backlog_in_line() -> None:
    one, socket = wire()
    assert one.send_event(b"live")
    assert one.has_room(lambda: None)  # asked before an event of a backlog
    assert one.send_event(b"old")
    assert one.send_event(b"live again")
    socket.busy = True
    assert one.send_event(b"behind what waits")
    assert socket.at_once == [b"live", b"live again"]
    assert socket.queued == [b"old", b"behind what waits"]


def test_a_websocket_is_told_each_thing_in_a_frame_of_its_own() -> None:
    one, socket = wire()
    sink = WebSocketSink(one, Frames("simulate"))
    assert sink.state(payment(), None)
    assert sink.freshness(Freshness("devchain", True, 1))
    assert sink.event(committed(7))
    assert b'"type":"state"' in socket.queued[0]
    assert b'"type":"source"' in socket.queued[1]
    assert socket.at_once == [Frames("simulate").websocket(committed(7))]
    sink.close(1001, "server stops")
    assert socket.close_code == 1001


# StreamQueue


@pytest.mark.parametrize(("messages", "size", "fit"), [(3, 1_000, 3), (80, 25, 2)])
def test_a_full_queue_ends_and_still_gives_what_is_in_it(
    messages: int, size: int, fit: int
) -> None:
    queue = StreamQueue(messages, size)
    for _ in range(fit):
        assert queue.put(b"0123456789")
    assert not queue.full
    assert not queue.put(b"0123456789")
    assert queue.full
    assert queue.ended
    assert not queue.put(b"x")
    assert queue.take(0) == b"0123456789" * fit
    assert queue.take(0) == b""


def test_what_was_taken_makes_room_in_messages_and_in_bytes() -> None:
    queue = StreamQueue(4, 40)
    for _ in range(10):
        assert queue.put(b"x" * 40)
        assert queue.take(0) == b"x" * 40
    assert not queue.ended


def test_a_queue_that_was_ended_is_not_full_and_takes_nothing_more() -> None:
    queue = StreamQueue()
    assert queue.put(b"last")
    queue.end()
    assert not queue.full
    assert not queue.put(b"x")
    assert queue.take(60) == b"last"
    assert queue.take(60) == b""  # at once: nothing more will come


def test_who_waits_for_room_in_a_queue_is_told_once() -> None:
    queue = StreamQueue(max_messages=80, max_bytes=8_000)
    told: list[str] = []
    for _ in range(10):
        assert queue.has_room(lambda: told.append("room"))
        assert queue.put(b"x")
    assert not queue.has_room(lambda: told.append("room"))
    assert told == []
    queue.take(0)
    queue.take(0)
    assert told == ["room"]
    assert queue.put(b"x" * 1_000)
    assert not queue.has_room(lambda: None)  # by bytes


# Streams


def test_the_state_has_an_id_only_where_nothing_is_replayed_behind_it() -> None:
    queue = StreamQueue()
    sink = StreamSink(queue, Frames("simulate"))
    assert sink.state(payment(), None)
    assert queue.take(0).startswith(b"id: simulate-1\nevent: state\n")
    assert sink.state(payment(), 0)
    assert queue.take(0).startswith(b"event: state\n")


def test_a_journal_stream_remembers_the_last_event_that_was_queued() -> None:
    queue = StreamQueue(max_messages=2)
    sink = JournalSink(queue, lambda event: b"%d" % event.offset, 4)
    assert sink.offset == 4
    assert sink.event(committed(5))
    assert sink.event(committed(6))
    assert not sink.event(committed(7))
    assert sink.offset == 6
    assert queue.take(0) == b"56"
    assert not sink.freshness(Freshness("devchain", True, 1))
