"""One WebSocket whose writing is held at will: what waits, who waits, what is told."""

import time
from typing import Any

import gevent
import pytest

from tests.tools.serving import until
from tests.tools.wsclient import PING, PONG, TEXT, WsClient, frame
from tests.unit.transport.server.websocket.gated import Listens, gated_websocket
from transport.server.websocket import connection
from transport.server.websocket.connection import WebSocket
from transport.server.websocket.frames import encode_text
from transport.server.websocket.write_loop import Alarm, Sleeper, WriteLoop


def all_frames(peer: WsClient, last: bytes) -> list[tuple[int, bytes]]:
    """What comes, up to the frame whose payload is `last`."""
    found = [peer.recv_frame()[:2]]
    while found[-1][1] != last:
        found.append(peer.recv_frame()[:2])
    return found


def test_a_client_that_pings_without_reading_gets_few_pongs_and_the_latest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = Listens()
    limits: dict[str, Any] = {"ws_frames_per_s": 0.0, "write_timeout_s": 60.0}
    with gated_websocket(monkeypatch, listener, **limits) as (websocket, peer, gate):
        gate.close()
        assert websocket.send_encoded(encode_text(b"first"))
        until(lambda: gate.waits == 1)
        for number in range(2000):
            peer.send_frame(PING, b"%d" % number)
        peer.send_text("all sent")
        until(lambda: listener.messages == ["all sent"])
        assert websocket.queued_messages == 1  # pongs are no messages
        gate.open()
        earliest = [(PONG, b"%d" % number) for number in range(31)]
        assert all_frames(peer, b"1999") == [
            (TEXT, b"first"),
            *earliest,
            (PONG, b"1999"),
        ]


def test_sending_never_waits_however_much_waits_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits: dict[str, Any] = {"ws_queue_bytes": 1 << 30, "write_timeout_s": 60.0}
    with gated_websocket(monkeypatch, **limits) as (websocket, _, gate):
        gate.close()
        others: list[str] = []
        gevent.spawn(others.append, "had a turn")
        for _ in range(500):
            assert websocket.send_encoded(encode_text(b"x" * 10_000))
        assert websocket.queued_messages == 500
        assert others == []  # we never gave way


@pytest.mark.parametrize(
    ("limits", "fit"),
    [({"ws_queue_messages": 50}, 50), ({"ws_queue_bytes": 65_536}, 65)],
)
def test_a_queue_that_is_full_closes_with_1013_and_forgets_what_waits(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, Any], fit: int
) -> None:
    with gated_websocket(monkeypatch, **limits) as (websocket, peer, gate):
        gate.close()
        sent = 0
        while websocket.send_encoded(encode_text(b"x" * 1_000)):
            sent += 1
        assert sent == fit
        assert websocket.close_code == 1013
        assert websocket.queued_messages == 0
        gate.open()
        assert peer.expect_close() == 1013
        assert peer.close_reason == "too slow"


def test_what_was_half_written_is_finished_before_the_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits: dict[str, Any] = {"ws_queue_messages": 3}
    with gated_websocket(monkeypatch, **limits) as (websocket, peer, gate):
        gate.close()
        assert websocket.send_now(encode_text(b"under way"))
        assert websocket.queued_messages == 1
        while websocket.send_encoded(encode_text(b"waits")):
            pass
        assert websocket.queued_messages == 1  # the one that was begun
        gate.open()
        assert peer.recv() == "under way"
        assert peer.expect_close() == 1013


def test_what_waits_together_goes_out_in_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with gated_websocket(monkeypatch) as (websocket, peer, gate):
        for number in range(10):
            assert websocket.send_encoded(encode_text(b"%d" % number))
        assert [peer.recv() for _ in range(10)] == [str(n) for n in range(10)]
        assert len(gate.sends) == 1


def test_a_message_that_nothing_waits_before_goes_out_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with gated_websocket(monkeypatch) as (websocket, _, gate):
        assert websocket.send_now(encode_text(b"now"))
        assert gate.sends == [5]  # no turn of anybody in between
        assert not websocket.busy


def test_room_is_told_of_once_and_only_when_something_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with gated_websocket(monkeypatch, write_timeout_s=60.0) as (websocket, peer, gate):
        gate.close()
        told: list[int] = []
        assert websocket.send_encoded(encode_text(b"x"))
        websocket.call_when_written(lambda: told.append(websocket.queued_messages))
        until(lambda: gate.waits == 1)
        assert told == []
        gate.open()
        assert peer.recv() == "x"
        until(lambda: told == [0])
        assert websocket.send_encoded(encode_text(b"y"))
        assert peer.recv() == "y"
        assert told == [0]


def test_a_peer_that_takes_nothing_for_the_write_deadline_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = Listens()
    limits: dict[str, Any] = {"write_timeout_s": 0.05}
    with gated_websocket(monkeypatch, listener, **limits) as (websocket, _, gate):
        gate.close()
        assert websocket.send_encoded(encode_text(b"x"))
        assert listener.over.wait(60)
        assert websocket.close_code == 1006
        assert not websocket.send_encoded(encode_text(b"x"))


def test_a_close_goes_behind_what_waits_and_nothing_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with gated_websocket(monkeypatch, write_timeout_s=60.0) as (websocket, peer, gate):
        gate.close()
        assert websocket.send_encoded(encode_text(b"last"))
        websocket.close(4001, "done")
        websocket.close(4002, "not this one")
        assert not websocket.send_encoded(encode_text(b"too late"))
        gate.open()
        assert peer.recv() == "last"
        assert peer.expect_close() == 4001
        assert (websocket.close_code, websocket.close_reason) == (4001, "done")


def test_what_is_said_after_we_closed_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = Listens()
    with gated_websocket(monkeypatch, listener) as (websocket, peer, _):
        peer.send_raw(frame(TEXT, b"heard"))
        until(lambda: listener.messages == ["heard"])
        websocket.close()
        peer.send_raw(frame(TEXT, b"not heard") + frame(PING, b"nor answered"))
        assert peer.expect_close() == 1000
        peer.send_close(1000)
        assert listener.over.wait(60)
        assert listener.messages == ["heard"]


def test_what_waits_leaves_in_batches_and_the_close_behind_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with gated_websocket(monkeypatch, write_timeout_s=60.0) as (websocket, peer, gate):
        gate.close()
        for _ in range(10):
            assert websocket.send_encoded(encode_text(b"x" * 50_000))
        websocket.close(4001)
        gate.open()
        for _ in range(10):
            assert peer.recv() == "x" * 50_000
        assert peer.expect_close() == 4001
        assert max(gate.offered) <= 131_072  # copied for a call, at most


def test_who_sends_at_once_is_held_to_the_queue_like_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with gated_websocket(monkeypatch, ws_queue_messages=3) as (websocket, _, gate):
        gate.close()
        sent = [websocket.send_now(encode_text(b"x")) for _ in range(5)]
        assert sent == [True, True, True, False, False]
        assert websocket.close_code == 1013
        assert gate.offered == [3]


def test_a_close_from_where_room_is_told_of_goes_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with gated_websocket(monkeypatch) as (websocket, peer, _):
        assert websocket.send_encoded(encode_text(b"last"))
        websocket.call_when_written(websocket.close)
        assert peer.recv() == "last"
        assert peer.expect_close() == 1000


def test_what_was_said_before_a_broken_rule_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = Answers()
    with gated_websocket(monkeypatch, listener) as (websocket, peer, gate):
        listener.websocket = websocket
        gate.close()
        peer.send_raw(frame(TEXT, b"right") + frame(TEXT, b"unmasked", mask=False))
        until(lambda: websocket.closed)
        gate.open()
        assert peer.recv() == "right"
        assert peer.expect_close() == 1002


class Answers(Listens):
    """Says the same back."""

    websocket: WebSocket

    def on_message(self, message: str | bytes) -> None:
        self.websocket.send_encoded(encode_text(str(message).encode()))


def test_two_who_always_have_more_are_heard_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "_TURN_S", 0.0)
    order: list[str] = []

    class Notes(Listens):
        def on_message(self, message: str | bytes) -> None:
            order.append(str(message))

    loop = WriteLoop()
    loop.start()
    a, b = (frame(TEXT, name.encode()) * 50 for name in "ab")
    with (
        gated_websocket(monkeypatch, None, a, loop, listens=False) as (one, _, _),
        gated_websocket(monkeypatch, None, b, loop, listens=False) as (other, _, _),
    ):
        one.listen(Notes())
        other.listen(Notes())
        until(lambda: len(order) == 100)
    loop.stop()
    assert "".join(order[10:90]) in ("ab" * 40, "ba" * 40)


# The heartbeat: alarms rung by hand, at times of the test's own.


def test_a_client_that_answers_pings_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listens()
    limits: dict[str, Any] = {"ws_ping_s": 1_000.0, "ws_pong_timeout_s": 1_000.0}
    with gated_websocket(monkeypatch, listener, **limits) as (websocket, peer, _):
        now, heard = time.monotonic(), list[str]()
        for _ in range(3):
            now += 1_001.0
            websocket.on_alarm(now)
            got = peer.recv_frame()
            assert got.opcode == PING
            peer.send_frame(PONG, got.payload)
            peer.send_text("pong is in")
            heard.append("pong is in")
            until(lambda: listener.messages == heard)
            websocket.on_alarm(now + 1.0)  # the next one is not due yet
        peer.send_text("still here")
        until(lambda: listener.messages[-1] == "still here")
        assert not websocket.closed
        websocket.send_encoded(encode_text(b"no ping before this"))
        assert peer.recv_frame().opcode == TEXT


@pytest.mark.parametrize("pong", [None, b"wrong"])
def test_a_client_that_does_not_answer_its_ping_is_closed(
    monkeypatch: pytest.MonkeyPatch, pong: bytes | None
) -> None:
    listener = Listens()
    limits: dict[str, Any] = {"ws_ping_s": 1_000.0, "ws_pong_timeout_s": 1_000.0}
    with gated_websocket(monkeypatch, listener, **limits) as (websocket, peer, _):
        now = time.monotonic() + 1_001.0
        websocket.on_alarm(now)
        assert peer.recv_frame().opcode == PING
        if pong is not None:
            peer.send_frame(PONG, pong)
            peer.send_text("pong is in")
            until(lambda: listener.messages == ["pong is in"])
        assert not websocket.closed
        websocket.on_alarm(now + 1_001.0)
        assert peer.expect_close() == 1011


def test_a_ping_that_cannot_leave_is_one_however_often_it_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits: dict[str, Any] = {"ws_ping_s": 1_000.0, "write_timeout_s": 60.0}
    with gated_websocket(monkeypatch, **limits) as (websocket, peer, gate):
        gate.close()
        assert websocket.send_encoded(encode_text(b"under way"))
        until(lambda: gate.waits == 1)
        websocket.on_alarm(time.monotonic() + 1_001.0)
        assert websocket.queued_messages == 1
        gate.open()
        assert peer.recv() == "under way"
        assert peer.recv_frame().opcode == PING


def test_only_the_last_alarm_that_was_set_rings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A ping's alarm that is due in the middle of a close handshake would end it."""

    class Alarms(WriteLoop):
        def __init__(self) -> None:
            super().__init__()
            self.set: list[Alarm] = []

        def set_alarm(self, target: Sleeper, due_s: float) -> Alarm:
            self.set.append(super().set_alarm(target, due_s))
            return self.set[-1]

    loop = Alarms()
    loop.start()
    with gated_websocket(monkeypatch, loop=loop) as (websocket, _peer, _gate):
        websocket.close()
        ping, close = loop.set
        assert (ping.target, close.target) == (None, websocket)
    until(lambda: close.target is None)
    loop.stop()
