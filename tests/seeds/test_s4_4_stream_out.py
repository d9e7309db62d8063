"""S4.4, out: events in a stream of a real Redis, complete, in order, once."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engine.delivery.stream_ids import EntryId
from engine.store.sqlite.journal import Journal
from tests.seeds.redis_stage import STREAM, StreamStage
from tests.tools.redis_server import RedisServer, entries


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer("appendonly no") as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    server.call("FLUSHALL")
    return server


@pytest.fixture
def world(redis: RedisServer, tmp_path: Path) -> Iterator[StreamStage]:
    world = StreamStage(tmp_path, redis)
    yield world
    world.stop()
    world.stage.close()


def test_s4_4_an_event_is_an_entry_with_the_fields_of_the_document(
    world: StreamStage,
) -> None:
    world.channel()
    world.pay("p1")
    ((name, fields),) = entries(world.redis, STREAM)
    (event_id,) = world.journal()
    assert name.endswith("-1")
    assert fields["id"] == event_id
    assert fields["type"] == fields["eventType"] == "payment.created"
    assert fields["salonId"] == "default"
    assert fields["invoiceId"] == "p1"
    assert fields["status"] == "PENDING"
    assert fields["tokenData"] == ""
    said = msgspec.json.decode(fields["paymentData"])
    assert said["invoiceId"] == "p1"
    assert fields["timestamp"] == str(said["timestamp"])
    assert msgspec.json.decode(fields["event"])["id"] == event_id


def test_s4_4_all_events_are_told_in_the_order_of_the_journal(
    world: StreamStage,
) -> None:
    world.channel()
    for n in range(20):
        world.pay(f"p{n % 7}", 2)
    assert world.told() == world.journal()
    assert world.states() == {"delivered": len(world.journal())}


def test_s4_4_what_was_committed_before_the_channel_is_not_told(
    world: StreamStage,
) -> None:
    world.pay("before")
    world.channel()
    world.pay("p1")
    assert world.told() == world.journal()[1:]


def test_s4_4_a_flushed_redis_is_told_all_again_under_the_same_ids(
    world: StreamStage,
) -> None:
    world.channel()
    world.pay("p1", 5)
    before = entries(world.redis, STREAM)
    world.redis.call("FLUSHALL")
    world.pay("p2", 3)
    after = entries(world.redis, STREAM)
    assert after[: len(before)] == before
    assert world.told() == world.journal()
    assert world.stage.node.counters["redis.lost"] == 1


def test_s4_4_a_redis_that_lost_its_last_entries_is_told_just_these(
    world: StreamStage,
) -> None:
    """As after a failover to a replica that was behind."""
    world.channel()
    world.pay("p1", 3)
    kept = world.redis.call("DUMP", STREAM)
    whole = entries(world.redis, STREAM)
    world.pay("p1", 3)
    world.redis.call("RESTORE", STREAM, 0, kept, "REPLACE")
    assert entries(world.redis, STREAM) == whole
    world.pay("p1")
    assert world.told() == world.journal()


def test_s4_4_nothing_is_lost_or_told_twice_while_redis_is_away(
    tmp_path: Path,
) -> None:
    with RedisServer() as redis:
        world = StreamStage(tmp_path, redis)
        world.channel()
        world.pay("p1", 2)
        told = len(world.journal())
        redis.kill()
        world.pay("p1", 2)
        owed = len(world.journal()) - told
        world.wait_s(30)
        assert "redis.unreachable" in world.alerts()
        assert world.states() == {"delivered": told, "pending": owed}
        failed = world.stage.store.attempts("ch_1", None, 10)[0]
        assert failed.outcome == "retry"
        assert failed.error is not None
        assert f"redis://127.0.0.1:{redis.port}/0" in failed.error
        redis.start()  # empty: it keeps nothing
        world.wait_s(60)
        assert world.told() == world.journal()
        assert world.alerts() == {}
        assert world.states() == {"delivered": told + owed}
        world.stop()
        world.stage.close()


def test_s4_4_a_crash_between_redis_and_the_commit_tells_nothing_twice(
    world: StreamStage, tmp_path: Path
) -> None:
    """The stream has had it, and the outbox does not know."""
    world.channel()
    world.pay("p1", 3)
    journal = world.stage.journal
    journal.connection.execute("UPDATE outbox SET state = 'pending'")
    world.stop()
    again = StreamStage(tmp_path, world.redis, journal)
    assert again.told() == again.journal()
    assert again.states() == {"delivered": len(again.journal())}
    again.pay("p1", 2)
    assert again.told() == again.journal()
    again.stop()


def test_s4_4_entries_that_a_consumer_took_out_are_not_told_again(
    world: StreamStage, tmp_path: Path
) -> None:
    world.channel()
    world.pay("p1", 3)
    told = len(world.journal())
    for name, _ in entries(world.redis, STREAM):
        world.redis.call("XDEL", STREAM, name)
    world.stop()
    again = StreamStage(tmp_path, world.redis, world.stage.journal)
    again.pay("p1")
    assert again.told() == again.journal()[told:]
    again.stop()


def test_s4_4_another_writer_in_the_stream_stops_it_and_is_named(
    world: StreamStage,
) -> None:
    world.channel()
    world.pay("p1", 2)
    told = len(world.journal())
    world.redis.call("XADD", STREAM, "*", "eventType", "mine")
    world.pay("p1", 2)
    assert "another writer" in world.alerts()["redis.foreign"]
    assert world.redis.call("XLEN", STREAM) == told + 1
    assert world.states()["delivered"] == told
    world.redis.call("DEL", STREAM)
    world.wait_s(60)
    assert world.told() == world.journal()
    assert world.alerts() == {}


def test_s4_4_two_channels_do_not_share_a_stream(world: StreamStage) -> None:
    world.channel("ch_1")
    world.pay("p1")
    world.channel("ch_2")
    world.pay("p1", 2)
    assert "by the channel ch_1" in world.alerts()["redis.foreign"]
    assert world.told() == world.journal()


def test_s4_4_after_a_restore_ids_go_on_rising(
    world: StreamStage, tmp_path: Path
) -> None:
    """A journal that is older than the stream: what was lost is not taken back, and
    what comes is told behind it."""
    world.channel()
    world.pay("p1", 3)
    kept = len(world.journal())
    backup = sqlite3.connect(":memory:", isolation_level=None)
    world.stage.journal.connection.backup(backup)
    world.pay("p1", 2)
    before = world.told()
    world.stop()
    journal = Journal("restored", connection=backup)
    journal.begin_epoch()
    again = StreamStage(tmp_path, world.redis, journal)
    again.pay("p1", 2)
    assert again.told() == before + again.journal()[kept:]
    ids = [EntryId.parse(name) for name, _ in entries(world.redis, STREAM)]
    assert ids == sorted(ids)
    world.redis.call("FLUSHALL")
    again.pay("p2")
    assert again.told() == again.journal()
    again.stop()
    again.stage.close()


def test_s4_4_a_full_redis_is_asked_less_and_less_and_is_an_alert(
    world: StreamStage,
) -> None:
    """It can be looked at: that alone does not make it well."""
    world.channel()
    world.pay("p1", 2)
    world.redis.call("CONFIG", "SET", "maxmemory", "1")
    try:
        world.pay("p1", 3)
        world.wait_s(300)
        assert "OOM" in world.alerts()["redis.unreachable"]
        assert len(world.stage.store.attempts("ch_1", None, 1000)) < 40
    finally:
        world.redis.call("CONFIG", "SET", "maxmemory", "0")
    world.wait_s(60)
    assert world.told() == world.journal()
    assert world.alerts() == {}


def test_s4_4_a_stream_is_trimmed_by_maxlen_and_nothing_is_told_again(
    redis: RedisServer, tmp_path: Path
) -> None:
    """`MAXLEN ~`: at least so many of the newest stay. What Redis has let go was told;
    it is not taken for lost, by a node that begins anew neither. Who reads on from its
    last id has had all."""
    maxlen, all_told = 1_000, 1_300
    world = StreamStage(tmp_path, redis)
    world.channel(maxlen=maxlen)
    read: list[str] = []
    last = "-"

    def read_on() -> None:
        nonlocal last
        for name, fields in entries(redis, STREAM, last):
            last = f"({name}"
            read.append(fields["id"])

    for number in range(all_told):
        world.pay(f"p{number}")
        if number % 100 == 0:
            read_on()
    length = redis.call("XLEN", STREAM)
    assert maxlen <= length < all_told
    journal = world.journal()
    assert world.told() == journal[-length:]
    world.stop()
    again = StreamStage(tmp_path, redis, world.stage.journal)
    again.pay("p0", 3)
    read_on()
    journal = again.journal()
    assert again.told() == journal[-redis.call("XLEN", STREAM) :]
    assert read == journal
    assert again.states() == {"delivered": len(journal)}
    assert not again.stage.node.counters["redis.lost"]
    again.stop()
    world.stage.close()
