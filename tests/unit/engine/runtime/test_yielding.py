"""Who yields to the hub lets sockets be served; who sleeps for no time does not."""

from collections.abc import Callable

import gevent
import pytest
from gevent import socket

from engine.runtime import yielding
from engine.runtime.yielding import yield_to_hub, yielding_every


def turns_until_served(pause: Callable[[], object], at_most: int) -> int:
    """How often a busy greenlet pauses before a socket that is ready is read."""
    here, there = socket.socketpair()
    reader = gevent.spawn(there.recv, 1)
    gevent.idle()  # it waits for its socket now
    here.send(b"x")
    turns = 0
    while not reader.ready() and turns < at_most:
        pause()
        turns += 1
    here.close()
    there.close()
    reader.kill()
    return turns


def test_sockets_are_served_while_somebody_who_yields_to_the_hub_is_busy() -> None:
    assert turns_until_served(yield_to_hub, 10) <= 3


def test_sleeping_for_no_time_keeps_sockets_waiting() -> None:
    """Why there is `yield_to_hub`. If gevent changes this, it is not needed any
    more."""
    assert turns_until_served(lambda: gevent.sleep(0), 10) == 10


@pytest.mark.parametrize(("count", "yields"), [(0, 0), (2, 0), (3, 1), (5, 1), (6, 2)])
def test_a_long_row_yields_after_each_so_many(
    monkeypatch: pytest.MonkeyPatch, count: int, yields: int
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(yielding, "yield_to_hub", lambda: calls.append(1))
    assert list(yielding_every(range(count), 3)) == list(range(count))
    assert len(calls) == yields


def test_fifty_items_are_handled_between_two_yields(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(yielding, "yield_to_hub", lambda: calls.append(1))
    list(yielding_every(range(149)))
    assert len(calls) == 2
