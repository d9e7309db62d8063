"""Who left is told of at once, and who says something instead is left alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from gevent import socket

from engine.runtime.yielding import yield_to_hub
from tests.tools.serving import until
from transport.server.hangup import HangupWatch

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_the_end_of_a_connection_is_told_once(pair: Pair) -> None:
    ours, theirs = pair
    told: list[bool] = []
    watch = HangupWatch(ours, lambda: told.append(True))
    theirs.close()
    until(lambda: bool(told))
    _let_the_hub_look()
    watch.stop()
    assert told == [True]


def test_who_says_something_is_not_watched_any_more_and_keeps_it(pair: Pair) -> None:
    ours, theirs = pair
    told: list[bool] = []
    watch = HangupWatch(ours, lambda: told.append(True))
    theirs.sendall(b"GET / HTTP/1.1")
    watcher: Any = watch._watcher
    until(lambda: not watcher.active)
    theirs.close()
    _let_the_hub_look()
    watch.stop()
    assert told == []
    assert ours.recv(100) == b"GET / HTTP/1.1"


def test_nothing_is_told_after_the_watch_was_stopped(pair: Pair) -> None:
    ours, theirs = pair
    told: list[bool] = []
    watch = HangupWatch(ours, lambda: told.append(True))
    watch.stop()
    theirs.close()
    _let_the_hub_look()
    assert told == []


def _let_the_hub_look() -> None:
    for _ in range(3):
        yield_to_hub()
