"""What all sockets share: one socket's trouble is its own, and turns are in order."""

import socket
import time
from collections.abc import Iterator

import gevent
import pytest

from engine.runtime.yielding import yield_to_hub
from tests.tools.serving import until
from transport.server.websocket import write_loop
from transport.server.websocket.write_loop import WriteLoop


@pytest.fixture
def loop() -> Iterator[WriteLoop]:
    running = WriteLoop()
    running.start()
    yield running
    running.stop()


class Target:
    """Writes down when it is called; fails if it is told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.calls: list[float] = []

    def on_writable(self) -> None:
        self.on_alarm(time.monotonic())

    def on_alarm(self, now_s: float) -> None:
        self.calls.append(now_s)
        if self.fails:
            raise RuntimeError


def test_a_socket_that_fails_does_not_stop_the_others(loop: WriteLoop) -> None:
    broken, well = Target(fails=True), Target()
    for target in (broken, well):
        loop.write_soon(target)
        loop.set_alarm(target, time.monotonic())
    until(lambda: len(broken.calls) == len(well.calls) == 2)


def test_an_alarm_is_not_before_its_time_and_not_at_all_when_cancelled(
    loop: WriteLoop,
) -> None:
    target, cancelled = Target(), Target()
    due_s = time.monotonic() + 0.25
    loop.set_alarm(cancelled, due_s).cancel()
    loop.set_alarm(target, due_s)
    until(lambda: bool(target.calls))
    assert target.calls[0] >= due_s
    assert cancelled.calls == []


def test_what_came_while_the_process_had_no_turn_is_read_before_alarms_that_are_late(
    loop: WriteLoop,
) -> None:
    """A pong, for example: its peer is there, and only we were not."""
    count = 500  # more than the hub takes at its first look
    pairs = [socket.socketpair() for _ in range(count)]
    heard: set[int] = set()
    unheard: list[int] = []

    class Peer:
        def __init__(self, number: int) -> None:
            self.number = number

        def on_alarm(self, _now_s: float) -> None:
            if self.number not in heard:
                unheard.append(self.number)

    watchers = []
    for number, (ours, theirs) in enumerate(pairs):
        watcher = gevent.get_hub().loop.io(ours.fileno(), 1)
        watcher.start(heard.add, number)
        watchers.append(watcher)
        theirs.send(b"a pong")
    last = Target()
    due_s = time.monotonic() - 5  # as after a sleep of five seconds
    for number in range(count):
        loop.set_alarm(Peer(number), due_s)
    loop.set_alarm(last, due_s)
    until(lambda: bool(last.calls))
    for watcher, (ours, theirs) in zip(watchers, pairs, strict=True):
        watcher.stop()
        watcher.close()
        ours.close()
        theirs.close()
    assert unheard == []


def test_of_a_crowd_of_late_alarms_the_sockets_are_not_looked_at_for_each_turn(
    loop: WriteLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[None] = []

    def counted() -> None:
        looks.append(None)
        yield_to_hub()

    monkeypatch.setattr(write_loop, "yield_to_hub", counted)
    began_s = time.monotonic()
    last = Target()
    for number in range(20):
        loop.set_alarm(Tired(), began_s - 20 + number / 10)
    loop.set_alarm(last, began_s - 5)
    until(lambda: bool(last.calls))
    turns = 21  # one alarm each, and a yield after it
    assert write_loop._LOOKS <= len(looks) <= write_loop._LOOKS + turns


class Tired:
    """Its alarm takes a whole turn."""

    def on_alarm(self, now_s: float) -> None:
        while time.monotonic() < now_s + 2 * write_loop._TURN_S:
            pass


def test_who_waits_for_a_turn_gets_it_in_the_order_of_coming(loop: WriteLoop) -> None:
    order: list[int] = []

    def take_turn(number: int) -> None:
        loop.wait_turn()
        order.append(number)

    gevent.joinall([gevent.spawn(take_turn, n) for n in range(5)], timeout=30)
    assert order == [0, 1, 2, 3, 4]
