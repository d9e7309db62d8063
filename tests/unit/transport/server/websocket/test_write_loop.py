"""What all sockets share: one socket's trouble is its own, and turns are in order."""

import time
from collections.abc import Iterator

import gevent
import pytest

from tests.tools.serving import until
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


def test_who_waits_for_a_turn_gets_it_in_the_order_of_coming(loop: WriteLoop) -> None:
    order: list[int] = []

    def take_turn(number: int) -> None:
        loop.wait_turn()
        order.append(number)

    gevent.joinall([gevent.spawn(take_turn, n) for n in range(5)], timeout=30)
    assert order == [0, 1, 2, 3, 4]
