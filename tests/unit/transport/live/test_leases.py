"""Streams end with what opened them, each once; and nothing looks when none is open."""

import logging
from functools import partial

import pytest

from engine.errors import EngineBusy
from transport.live.leases import LOOKS_PER_KEYS, Leases


class World:
    """A clock, keys, and what has ended. No greenlet: a test looks by itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000
        self.active = {"key_1", "key_2"}
        self.unreadable = False
        self.ended: list[str] = []
        self.timers: list[World.Timer] = []
        monkeypatch.setattr(
            "transport.live.leases.gevent.spawn_later", self._spawn_later
        )
        self.leases = Leases(lambda: self.now, self.is_active)

    class Timer:
        def __init__(self) -> None:
            self.killed = False

        def kill(self, block: bool) -> None:
            assert not block
            self.killed = True

    def _spawn_later(self, _seconds: float, _what: object) -> "World.Timer":
        self.timers.append(self.Timer())
        return self.timers[-1]

    def is_active(self, key_id: str) -> bool:
        if self.unreadable:
            raise EngineBusy("the store is busy")
        return key_id in self.active

    def look(self, times: int = 1) -> list[str]:
        for _ in range(times):
            self.leases._look()
        ended, self.ended = self.ended, []
        return ended

    def end(self, name: str) -> None:
        self.ended.append(name)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_token_ends_its_streams_at_its_time_and_not_before(world: World) -> None:
    world.leases.until(3_000, lambda: world.end("later"))
    world.leases.until(2_000, lambda: world.end("sooner"))
    world.now = 1_999
    assert world.look() == []
    world.now = 2_000
    assert world.look() == ["sooner"]
    world.now = 9_000
    assert world.look() == ["later"]
    assert world.look() == []
    assert world.leases.held == 0


def test_a_revoked_key_ends_its_streams_and_no_others(world: World) -> None:
    for number in (1, 1, 2):
        world.leases.of_key(f"key_{number}", partial(world.end, f"of {number}"))
    assert world.look(LOOKS_PER_KEYS) == []
    world.active.discard("key_1")
    assert world.look(LOOKS_PER_KEYS) == ["of 1", "of 1"]
    assert world.look(LOOKS_PER_KEYS) == []
    assert world.leases.held == 1


def test_that_the_keys_cannot_be_read_ends_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.leases.of_key("key_9", lambda: world.end("of 9"))
    world.unreadable = True
    with caplog.at_level(logging.WARNING, "paybell.live"):
        assert world.look(LOOKS_PER_KEYS) == []
    assert "live.keys_unread" in caplog.text
    world.unreadable = False
    assert world.look(LOOKS_PER_KEYS) == ["of 9"]


def test_who_has_gone_by_itself_is_not_ended(world: World) -> None:
    held = [
        world.leases.until(2_000, lambda: world.end("token")),
        world.leases.of_key("key_9", lambda: world.end("key")),
    ]
    for lease in (*held, *held):
        lease.release()
    world.now = 9_000
    assert world.look(LOOKS_PER_KEYS) == []
    assert world.leases.held == 0


def test_it_looks_only_while_there_is_something_to_look_at(world: World) -> None:
    assert world.timers == []
    first = world.leases.until(5_000, lambda: None)
    second = world.leases.of_key("key_1", lambda: None)
    assert len(world.timers) == 1
    world.look()
    assert len(world.timers) == 2
    first.release()
    assert not world.timers[-1].killed
    second.release()
    assert world.timers[-1].killed
    world.look()
    assert len(world.timers) == 2
    world.leases.until(5_000, lambda: None)
    assert len(world.timers) == 3


def test_what_is_released_leaves_nothing_behind(world: World) -> None:
    kept = world.leases.until(5_000, lambda: world.end("kept"))
    for number in range(1_000):
        world.leases.until(9_000 + number, lambda: None).release()
    assert len(world.leases._by_time) < 100
    world.now = 5_000
    assert world.look() == ["kept"]
    kept.release()
