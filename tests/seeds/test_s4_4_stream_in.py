"""S4.4, in: entries of a real Redis' stream are taken once, whatever happens to it."""

import json
from collections.abc import Iterator

import pytest

from engine.errors import EngineBusy
from engine.errors.codes import Code
from tests.seeds.stream_in_stage import (
    STREAM,
    Journal,
    add,
    dead,
    pending,
    reading,
    until,
)
from tests.tools.redis_server import RedisServer, entries
from transport.http.problems import Problem, rate_limited
from transport.inbound import redis_held, redis_stream
from transport.inbound.redis_entries import MAX_ENTRY_BYTES, Notification
from transport.outbound.redis_link import MAX_ANSWER_BYTES


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    server.call("FLUSHALL")
    return server


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setattr(redis_stream, "BLOCK_MS", 20)
    return Journal()


def test_s4_4_what_was_there_before_the_node_is_taken_too_and_in_order(
    redis: RedisServer, journal: Journal
) -> None:
    for number in range(50):
        add(redis, number)
    with reading(redis, journal) as reader:
        until("50 entries", lambda: len(journal.taken) == 50)
        add(redis, 50, headers='{"X-Signature": "abc"}', id="evt-1")
        until("the last", lambda: len(journal.taken) == 51)
        until("acknowledged", lambda: pending(redis) == 0)
        assert reader.state.state == "reading"
        assert reader.state.taken == 51
    invoices = [json.loads(body)["invoice"] for body in journal.bodies()]
    assert invoices == [f"inv-{number}" for number in range(51)]
    assert journal.taken[-1].headers == {"x-signature": "abc"}
    assert journal.taken[-1].dedupe == "evt-1"


def test_s4_4_an_xadd_that_was_retried_is_taken_once(
    redis: RedisServer, journal: Journal
) -> None:
    add(redis, 1)
    add(redis, 1)
    with reading(redis, journal) as reader:
        until("both", lambda: journal.tried == 2)
        until("acknowledged", lambda: pending(redis) == 0)
        assert (reader.state.taken, reader.state.duplicates) == (1, 1)


def test_s4_4_an_entry_of_the_documents_shape_is_a_notification(
    redis: RedisServer, journal: Journal
) -> None:
    """The salon's own backend has no body to hand on."""
    said = ("eventType", "PAYMENT", "timestamp", "1760000000000", "salonId", "rose",
            "invoiceId", "inv-1", "paymentData", '{"status":"SUCCESS","amount":1.50}',
            "tokenData", "", "gateway", "payable")  # fmt: skip
    redis.call("XADD", STREAM, "*", *said)
    with reading(redis, journal):
        until("it", lambda: journal.taken)
    body = journal.bodies()[0]
    assert json.loads(body)["invoiceId"] == "inv-1"
    assert '"paymentData":{"status":"SUCCESS","amount":1.50}' in body


def test_s4_4_acknowledged_is_only_what_is_committed(
    redis: RedisServer, journal: Journal
) -> None:
    """The journal cannot be written: nothing is acknowledged, nothing more is taken."""
    offered: set[bytes] = set()

    def full(one: Notification) -> None:
        offered.add(one.raw)
        raise EngineBusy("the disk is full", 1)

    journal.answer = full
    journal.whole = "the disk is full"
    add(redis, 1)
    add(redis, 2)
    with reading(redis, journal) as reader:
        until("an attempt", lambda: journal.tried)
        until("waiting", lambda: reader.state.state == "waiting")
        assert reader.state.reason == "the disk is full"
        assert pending(redis) == 2
        assert len(offered) == 1, "the first, however often"
        journal.answer, journal.whole = lambda _one: None, None
        until("both", lambda: len(journal.taken) == 2)
        until("acknowledged", lambda: pending(redis) == 0)


def test_s4_4_what_a_dead_consumer_held_is_taken_over(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_stream, "IDLE_MS", 0)
    add(redis, 1)
    redis.call("XGROUP", "CREATE", STREAM, "paybell", "0")
    held = redis.call("XREADGROUP", "GROUP", "paybell", "gone", "STREAMS", STREAM, ">")
    assert held
    with reading(redis, journal):
        until("it", lambda: len(journal.taken) == 1)
        until("acknowledged", lambda: pending(redis) == 0)


def test_s4_4_what_this_consumer_held_when_it_died_comes_first(
    redis: RedisServer, journal: Journal
) -> None:
    add(redis, 1)
    redis.call("XGROUP", "CREATE", STREAM, "paybell", "0")
    redis.call("XREADGROUP", "GROUP", "paybell", "one", "STREAMS", STREAM, ">")
    add(redis, 2)
    with reading(redis, journal):
        until("both", lambda: len(journal.taken) == 2)
        until("acknowledged", lambda: pending(redis) == 0)
    assert "inv-1" in journal.bodies()[0]


def test_s4_4_poison_is_put_aside_and_holds_up_nobody(
    redis: RedisServer, journal: Journal
) -> None:
    """Foreign shapes, 1 MB, no UTF-8, and what the node will never take."""

    def refusing(one: Notification) -> None:
        if b"inv-9" in one.raw:
            raise Problem(Code.UNAUTHORIZED, "It is not signed.")

    journal.answer = refusing
    xadd = "XADD", STREAM, "*"
    redis.call(*xadd, "foreign", "shape")
    redis.call(*xadd, "gateway", "Not A Name", "body", "{}")
    redis.call(*xadd, "gateway", "payable", "body", "x" * 1_000_000)
    redis.call(*xadd, "gateway", "payable", "id", b"\xff\xfe")
    redis.call(*xadd, "gateway", "payable", "name\xff".encode("latin-1"), "1")
    redis.call(*xadd, "gateway", "payable", "headers", "[1]", "body", "{}")
    redis.call(*xadd, "gateway", "payable", "gateway", "payable")
    redis.call(*xadd, *[f"f{n}" for n in range(400)])
    redis.call(*xadd, "channel", "ch_1", "event", "{}", "gateway", "payable")
    add(redis, 9)
    add(redis, 1)
    with reading(redis, journal) as reader:
        until("the good one", lambda: len(journal.taken) == 1)
        until("acknowledged", lambda: pending(redis) == 0)
        assert reader.state.dead == 10
    reasons = dead(redis)
    assert len(reasons) == 10
    assert f"more than {MAX_ENTRY_BYTES} bytes" in reasons[2]
    assert reasons[-1] == "unauthorized: It is not signed."
    assert max(len(str(e)) for e in entries(redis, f"{STREAM}:dead")) < 10_000


def test_s4_4_an_entry_that_no_answer_can_hold_is_put_aside_unread(
    redis: RedisServer, journal: Journal
) -> None:
    add(redis, 1)
    redis.call("XADD", STREAM, "*", "gateway", "x" * (MAX_ANSWER_BYTES + 1))
    add(redis, 2)
    with reading(redis, journal):
        until("the others", lambda: len(journal.taken) == 2)
        until("acknowledged", lambda: pending(redis) == 0)
    assert dead(redis) == ["it is too large to be read"]


def test_s4_4_an_invoice_that_is_not_known_yet_is_tried_again(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_stream, "IDLE_MS", 0)
    monkeypatch.setattr(redis_stream, "SWEEP_S", 0.0)

    def unknown(one: Notification) -> None:
        if b"inv-1" in one.raw and journal.tried < 4:
            raise Problem(Code.PAYMENT_NOT_FOUND, "There is no such payment.")
        if b"inv-3" in one.raw:
            raise Problem(Code.PAYMENT_NOT_FOUND, "There is no such payment.")

    journal.answer = unknown
    seconds = 1_000.0
    journal.clock = lambda: seconds
    for number in (1, 2, 3):
        add(redis, number)
    with reading(redis, journal):
        until("both", lambda: len(journal.taken) == 2)
        until("many tries", lambda: journal.tried > 40)
        assert dead(redis) == []
        seconds += redis_stream.LATER_S
        until("given up", lambda: dead(redis))
        until("acknowledged", lambda: pending(redis) == 0)
    assert "inv-2" in journal.bodies()[0], "it waited for the other"
    assert dead(redis) == ["payment_not_found: There is no such payment."]


def test_s4_4_what_comes_too_fast_waits_and_is_never_put_aside(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_stream, "IDLE_MS", 0)
    monkeypatch.setattr(redis_stream, "SWEEP_S", 0.0)
    monkeypatch.setattr(redis_stream, "LATER_S", 0.0)

    def limited(one: Notification) -> None:
        if b"inv-1" in one.raw and journal.tried < 100:
            raise rate_limited("Too many new invoices.", 1.0, "creates_per_minute")

    journal.answer = limited
    for number in (*range(100, 150), 2):
        add(redis, number)
    with reading(redis, journal):
        until("all", lambda: len(journal.taken) == 51)
        until("acknowledged", lambda: pending(redis) == 0)
    assert "inv-2" in journal.bodies()[0], "it waited for the others"
    assert dead(redis) == []


def test_s4_4_one_payment_that_the_node_cannot_take_holds_up_no_other(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its watcher is set aside, say: it waits without an end, and a person is told."""
    monkeypatch.setattr(redis_stream, "IDLE_MS", 0)
    monkeypatch.setattr(redis_stream, "SWEEP_S", 0.0)
    monkeypatch.setattr(redis_stream, "LATER_S", 0.0)
    monkeypatch.setattr(redis_held, "STUCK_S", 0.3)

    def away(one: Notification) -> None:
        if b"inv-1" in one.raw:
            raise EngineBusy("the watcher of inv-1 begins anew", 1)

    journal.answer = away
    for number in (1, 2, 3, 4):
        add(redis, number)
    with reading(redis, journal) as reader:
        until("the others", lambda: len(journal.taken) == 3)
        until("an alert", lambda: journal.alerts)
        assert "begins anew" in journal.alerts["redis.stuck", "redis"]
        assert reader.state.state == "reading"
        assert (pending(redis), dead(redis)) == (1, [])
        journal.answer = lambda _one: None
        until("the last", lambda: len(journal.taken) == 4)
        until("acknowledged", lambda: pending(redis) == 0)
        assert journal.alerts == {}


@pytest.mark.parametrize("command", [("FLUSHALL",), ("DEL", STREAM)])
def test_s4_4_a_group_that_is_gone_is_made_anew(
    redis: RedisServer, journal: Journal, command: tuple[str, ...]
) -> None:
    with reading(redis, journal):
        add(redis, 1)
        until("the first", lambda: len(journal.taken) == 1)
        redis.call(*command)
        add(redis, 2)
        until("the second", lambda: len(journal.taken) == 2)


def test_s4_4_redis_away_is_seen_and_over_when_it_is_back(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_stream, "LONGEST_REST_S", 0.05)
    own = RedisServer("appendonly yes", "appendfsync always")
    with own as redis, reading(redis, journal) as reader:
        add(redis, 1)
        until("the first", lambda: len(journal.taken) == 1)
        redis.kill()
        until("an alert", lambda: journal.alerts)
        assert reader.state.state == "unreachable"
        assert f"127.0.0.1:{redis.port}" in str(reader.state.reason)
        redis.start()
        add(redis, 2)
        until("the second", lambda: len(journal.taken) == 2)
        until("no alert", lambda: not journal.alerts)


def test_s4_4_a_full_redis_is_read_and_its_dead_wait(
    redis: RedisServer, journal: Journal
) -> None:
    """It refuses XGROUP CREATE and the stream of the dead; the rest goes on."""
    redis.call("XADD", STREAM, "*", "foreign", "shape")
    for number in (1, 2):
        add(redis, number)
    redis.call("XGROUP", "CREATE", STREAM, "paybell", "0")
    redis.call("CONFIG", "SET", "maxmemory", "1")
    try:
        with reading(redis, journal) as reader:
            until("both", lambda: len(journal.taken) == 2)
            until("acknowledged", lambda: pending(redis) == 1)
            assert reader.state.state == "reading"
            assert journal.counts["redis_in.held"]
    finally:
        redis.call("CONFIG", "SET", "maxmemory", "0")


def test_s4_4_a_redis_that_refuses_every_reading_is_an_alert(
    redis: RedisServer, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_stream, "LONGEST_REST_S", 0.05)
    redis.call("ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-xreadgroup")
    url = redis.url.replace("redis://", "redis://u:p@")
    with reading(redis, journal, url=url):
        until("an alert", lambda: journal.alerts)
