"""When a session that polls is taken for gone; the rest of it is in tests/seeds."""

from typing import Any

import pytest

from transport.live.socketio import session as module
from transport.live.socketio.limits import SocketioLimits
from transport.live.socketio.session import Session

BEGAN_S = 1_000.0
GAP_S = SocketioLimits().poll_gap_s


class Alarm:
    def cancel(self) -> None: ...


class Alarms:
    def set_alarm(self, target: Any, due_s: float) -> Any:
        return Alarm()


class Owner:
    def on_message(self, session: Session, text: str) -> None: ...

    def on_closed(self, session: Session) -> None: ...


class Time:
    def __init__(self) -> None:
        self.now_s = BEGAN_S

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(module, "time", time)
    return time


def polling() -> Session:
    limits = SocketioLimits(ping_interval_s=3_600.0)
    session = Session(
        "sid", "127.0.0.1", Owner(), Alarms(), limits, begins_by_polling=True
    )
    session.seats["/"] = "a seat"
    return session


def test_who_polls_and_always_finds_something_is_not_taken_for_gone(time: Time) -> None:
    """None of its polls has to wait, while a long backlog is told."""
    session = polling()
    for number in range(1, 10):
        time.now_s = BEGAN_S + number * GAP_S / 2
        session.on_alarm(time.now_s)
        session.send(f"4{number}")
        assert session.poll(lambda: None) == f"4{number}"
    assert not session.closed


def test_who_has_taken_an_answer_and_asks_no_more_has_gone(time: Time) -> None:
    session = polling()
    time.now_s += GAP_S / 2
    session.send("4x")
    session.poll(lambda: None)
    session.send("4y")
    session.on_alarm(time.now_s + GAP_S - 1)
    assert not session.closed
    session.on_alarm(time.now_s + GAP_S)
    assert session.closed
