"""S4.4, in: a Redis that refuses a part of what is asked, and entries that wait."""

from collections.abc import Iterator
from itertools import count

import pytest

from engine.errors import EngineBusy
from tests.seeds.stream_in_stage import (
    NAMES,
    STREAM,
    Journal,
    add,
    dead,
    pending,
    reading,
    until,
)
from tests.tools.redis_server import RedisServer
from transport.inbound import redis_held, redis_stream
from transport.inbound.redis_entries import Notification
from transport.outbound.redis_link import MAX_ANSWER_BYTES

ALERT = redis_stream.ALERT, "redis"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setattr(redis_stream, "BLOCK_MS", 20)
    monkeypatch.setattr(redis_stream, "LONGEST_REST_S", 0.05)
    return Journal()


def busy(_one: Notification) -> None:
    raise EngineBusy("it cannot take it", 1)


def test_s4_4_a_redis_that_refuses_the_sweep_is_an_alert(
    redis: RedisServer, journal: Journal
) -> None:
    """Between the sweeps it can be read, and that alone does not make it well."""
    ticks = count(0.0, 1.0)
    journal.clock = lambda: next(ticks)
    redis.call("ACL", "SETUSER", "u", "on", ">p", "~*", "+@all")
    url = redis.url.replace("redis://", "redis://u:p@")
    with reading(redis, journal, url=url):
        add(redis, 1)
        until("the first", lambda: journal.taken)
        redis.call("ACL", "SETUSER", "u", "-xpending")
        until("an alert", lambda: ALERT in journal.alerts)
        assert "NOPERM" in journal.alerts[ALERT]


def test_s4_4_a_full_redis_without_a_group_is_an_alert_that_says_so(
    redis: RedisServer, journal: Journal
) -> None:
    redis.call("CONFIG", "SET", "maxmemory", "1")
    with reading(redis, journal):
        until("an alert", lambda: ALERT in journal.alerts)
        assert "OOM" in journal.alerts[ALERT]
        redis.call("CONFIG", "SET", "maxmemory", "0")
        until("no alert", lambda: not journal.alerts)


def test_s4_4_what_a_full_redis_cannot_put_aside_is_put_aside_later(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that is too large to be read is not lost either, and in nobody's way."""
    monkeypatch.setattr(redis_stream, "IDLE_MS", 0)
    monkeypatch.setattr(redis_stream, "SWEEP_S", 0.0)
    redis.call("XADD", STREAM, "*", "gateway", "x" * (MAX_ANSWER_BYTES + 1))
    redis.call("XADD", STREAM, "*", "foreign", "shape")
    for number in (1, 2):
        add(redis, number)
    redis.call("XGROUP", "CREATE", STREAM, NAMES.group, "0")
    redis.call("CONFIG", "SET", "maxmemory", "1")
    with reading(redis, journal):
        until("both", lambda: len(journal.taken) == 2)
        until("acknowledged", lambda: pending(redis) == 2)
        assert dead(redis) == []
        redis.call("CONFIG", "SET", "maxmemory", "0")
        until("put aside", lambda: len(dead(redis)) == 2)
        until("acknowledged", lambda: pending(redis) == 0)
    assert "it is too large to be read" in dead(redis)


def test_s4_4_a_sweep_that_was_broken_off_is_made_at_once_when_all_is_well(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_stream, "IDLE_MS", 0)
    journal.clock = lambda: 1_000.0
    redis.call("XGROUP", "CREATE", STREAM, NAMES.group, "0", "MKSTREAM")
    for number in (1, 2):
        add(redis, number)
    read = "XREADGROUP", "GROUP", NAMES.group, "gone", "STREAMS", STREAM, ">"
    assert redis.call(*read)
    journal.answer, journal.whole = busy, "the disk is full"
    with reading(redis, journal) as reader:
        until("waiting", lambda: reader.state.state == "waiting")
        journal.answer, journal.whole = lambda _one: None, None
        until("both", lambda: len(journal.taken) == 2)
        until("reading", lambda: reader.state.state == "reading")


def test_s4_4_an_entry_that_somebody_else_finished_is_no_alert_any_more(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_stream, "IDLE_MS", 0)
    monkeypatch.setattr(redis_stream, "SWEEP_S", 0.0)
    seconds = 1_000.0
    journal.clock = lambda: seconds
    journal.answer = busy
    name = add(redis, 1)
    with reading(redis, journal):
        until("a try", lambda: journal.tried)
        seconds += redis_held.STUCK_S
        until("an alert", lambda: journal.alerts)
        redis.call("XACK", STREAM, NAMES.group, name)
        until("it is gone", lambda: pending(redis) == 0)
        seconds += redis_held.FORGET_S + 1
        until("no alert", lambda: not journal.alerts)
