"""S4.4, in: how long an entry is tried goes by its age, and by no clock on the wall."""

from collections.abc import Callable, Iterator

import pytest

from engine.errors import EngineBusy
from engine.errors.codes import Code
from tests.seeds.stream_in_stage import (
    Journal,
    add,
    dead,
    reading,
    until,
)
from tests.tools.redis_server import RedisServer
from transport.http.problems import Problem
from transport.inbound import redis_held, redis_stream
from transport.inbound.redis_entries import Notification
from transport.inbound.redis_held import Held


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setattr(redis_stream, "BLOCK_MS", 20)
    monkeypatch.setattr(redis_stream, "IDLE_MS", 0)
    return Journal()


def unknown(_one: Notification) -> None:
    raise Problem(Code.PAYMENT_NOT_FOUND, "There is no such payment.")


def test_s4_4_a_full_disk_uses_up_nothing_of_an_entrys_time(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round of it reads anew what this consumer holds; and an invoice that is not
    known yet may not have been made for the same reason."""
    monkeypatch.setattr(redis_stream, "LONGEST_REST_S", 0.0)
    seconds = 1_000.0
    journal.clock = lambda: seconds
    tries = 0

    def full(one: Notification) -> None:
        if b"inv-1" in one.raw:
            unknown(one)
        raise EngineBusy("the disk is full", 1)

    def not_at_once(one: Notification) -> None:
        nonlocal tries
        if b"inv-1" in one.raw:
            tries += 1
            if tries < 4:
                unknown(one)

    def rounds(more: int) -> None:
        enough = journal.tried + 2 * more
        until(f"{more} rounds", lambda: journal.tried >= enough)

    monkeypatch.setattr(redis_stream, "SWEEP_S", 0.0)
    journal.answer, journal.whole = full, "the disk is full"
    for number in (1, 2):
        add(redis, number)
    with reading(redis, journal):
        rounds(30)
        for _ in range(4):
            seconds += redis_stream.LATER_S / 2
            rounds(2)
        journal.answer, journal.whole = not_at_once, None
        until("both", lambda: len(journal.taken) + len(dead(redis)) == 2)
    assert dead(redis) == []


def test_s4_4_a_clock_on_the_wall_that_is_put_back_stops_no_sweep(
    redis: RedisServer, journal: Journal
) -> None:
    seconds = 1_000.0
    journal.clock = lambda: seconds
    journal.answer = unknown
    add(redis, 1)
    with reading(redis, journal):
        until("a first try", lambda: journal.tried)
        journal.at -= 3_600_000
        journal.answer = lambda _one: None
        seconds += redis_stream.SWEEP_S
        until("it", lambda: journal.taken)


def test_s4_4_how_long_the_node_held_an_entry_is_not_held_against_it(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its watcher was set aside for a while; then it fails once more."""
    monkeypatch.setattr(redis_stream, "SWEEP_S", 0.0)
    seconds = 1_000.0
    journal.clock = lambda: seconds

    def away(_one: Notification) -> None:
        raise EngineBusy("the watcher of inv-1 begins anew", 1)

    def once_more(_one: Notification) -> None:
        journal.answer = lambda _one: None
        raise ZeroDivisionError

    def tried(how: Callable[[Notification], None]) -> None:
        journal.answer = how
        enough = journal.tried + 2
        until("a try", lambda: journal.tried >= enough)

    add(redis, 1)
    with reading(redis, journal):
        tried(unknown)
        seconds += redis_stream.LATER_S * 0.6
        tried(unknown)
        tried(away)
        seconds += redis_stream.LATER_S * 0.6
        tried(away)
        journal.answer = once_more
        until("it", lambda: journal.taken or dead(redis))
    assert dead(redis) == []


def test_s4_4_more_entries_than_are_remembered_are_given_up_one_by_one(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_held, "MAX_HELD", 2)
    seconds = 0.0
    held = Held(journal, lambda: seconds)
    names = [b"1-0", b"2-0", b"3-0"]
    assert [held.again(name) for name in names] == [0.0, 0.0, 0.0]
    seconds = 600.0
    assert [held.again(name) for name in names] == [600.0, 600.0, 0.0]
    held.done(names[:1])
    assert held.again(names[2]) == 0.0
    seconds = 700.0
    assert held.again(names[2]) == 100.0
