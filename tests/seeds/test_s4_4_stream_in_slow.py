"""S4.4, in: a Redis that is slow, frozen, or loses what its writer trims away.

Nothing that was read is lost, nothing is taken twice, and the state says how it stands.
"""

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from tests.seeds.stream_in_stage import (
    STREAM,
    Journal,
    add,
    dead,
    pending,
    reading,
    until,
)
from tests.tools.proxy import Proxy, Toxic
from tests.tools.redis_server import RedisServer
from transport.inbound import redis_stream
from transport.inbound.redis_entries import Notification
from transport.inbound.redis_stream import RedisStreamReader


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setattr(redis_stream, "BLOCK_MS", 20)
    monkeypatch.setattr(redis_stream, "LONGEST_REST_S", 0.05)
    return Journal()


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_stream, "TIMEOUT_S", 0.5)
    of_ask: Any = RedisStreamReader._ask.__kwdefaults__
    monkeypatch.setitem(of_ask, "timeout_s", 0.5)


def body_of(number: int) -> str:
    return f'{{"invoice": "inv-{number}", "status": "paid"}}'


def test_s4_4_a_redis_that_freezes_before_the_acknowledgement_loses_and_doubles_nothing(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGSTOP: its sockets stay open. What was committed meanwhile is acknowledged
    when it goes on, or read again and known."""
    impatient(monkeypatch)
    frozen: list[Notification] = []

    def freeze_once(one: Notification) -> None:
        if b"inv-5" in one.raw and not frozen:
            frozen.append(one)
            redis.freeze()

    journal.answer = freeze_once
    for number in range(10):
        add(redis, number)
    with reading(redis, journal) as reader:
        until("an alert", lambda: journal.alerts)
        assert reader.state.state == "unreachable"
        assert "no answer from" in str(reader.state.reason)
        assert f"127.0.0.1:{redis.port}" in journal.alerts["redis.unreachable", "redis"]
        assert frozen
        meanwhile = gevent.spawn(add, redis, 10)  # another program waits, too
        redis.thaw()
        meanwhile.get()
        add(redis, 11)
        until("all", lambda: len(journal.taken) == 12)
        until("acknowledged", lambda: pending(redis) == 0)
        until("no alert", lambda: not journal.alerts)
        until("the state", lambda: reader.state.state == "reading")
        assert reader.state.taken == 12
    assert journal.bodies() == [body_of(number) for number in range(12)]
    assert dead(redis) == []


def test_s4_4_a_redis_that_freezes_while_nothing_comes_is_seen_and_over(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    with reading(redis, journal) as reader:
        until("the state", lambda: reader.state.state == "reading")
        for number in range(3):
            redis.freeze()
            until("it to be seen", lambda: reader.state.state == "unreachable")
            redis.thaw()
            add(redis, number)
            until("it", lambda: len(journal.taken) == number + 1)  # noqa: B023
            until("the state", lambda: reader.state.state == "reading")
        until("acknowledged", lambda: pending(redis) == 0)
    assert journal.bodies() == [body_of(number) for number in range(3)]


def test_s4_4_a_slow_line_is_read_to_its_end(
    redis: RedisServer, journal: Journal
) -> None:
    """A few KB a second, in pieces that end anywhere: that is no failure."""
    for number in range(40):
        add(redis, number)
    slow = Toxic(slicer=7, bytes_per_s=8_000)
    with Proxy(redis.port, lambda: slow) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with reading(redis, journal, url=url) as reader:
            until("all", lambda: len(journal.taken) == 40)
            until("acknowledged", lambda: pending(redis) == 0)
            assert (reader.state.state, reader.state.taken) == ("reading", 40)
        assert "redis_in.failures" not in journal.counts
    assert journal.bodies() == [body_of(number) for number in range(40)]


def test_s4_4_a_line_that_is_too_slow_for_an_answer_is_a_failure_that_is_shown(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And when it is quicker all is taken, once."""
    impatient(monkeypatch)
    for number in range(40):
        add(redis, number)
    line = {"toxic": Toxic(slicer=7, bytes_per_s=50)}
    with Proxy(redis.port, lambda: line["toxic"]) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with reading(redis, journal, url=url) as reader:
            until("an alert", lambda: journal.alerts)
            assert reader.state.state == "unreachable"
            assert "no answer from" in str(reader.state.reason)
            line["toxic"] = Toxic()
            until("all", lambda: len(journal.taken) == 40)
            until("acknowledged", lambda: pending(redis) == 0)
            until("no alert", lambda: not journal.alerts)
            assert reader.state.taken == 40
    assert journal.bodies() == [body_of(number) for number in range(40)]


def test_s4_4_what_its_writer_trimmed_away_holds_up_nothing(
    redis: RedisServer, journal: Journal
) -> None:
    """Entries that this consumer had read before it died, and that `MAXLEN` of who
    writes the stream has taken out since: Redis gives their names and nothing else."""
    for number in range(10):
        add(redis, number)
    redis.call("XGROUP", "CREATE", STREAM, "paybell", "0")
    group = ("XREADGROUP", "GROUP", "paybell", "one", "COUNT", "5", "STREAMS")
    redis.call(*group, STREAM, ">")
    redis.call("XTRIM", STREAM, "MAXLEN", "=", "7")
    with reading(redis, journal) as reader:
        until("the others", lambda: len(journal.taken) == 7)
        until("acknowledged", lambda: pending(redis) == 0)
        assert reader.state.state == "reading"
    assert journal.bodies() == [body_of(number) for number in range(3, 10)]
    assert dead(redis) == []
