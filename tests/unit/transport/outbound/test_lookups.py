"""Lookups of names: in shares, once for all who wait, and kept for a short while."""

from collections.abc import Iterator

import gevent
import pytest
from gevent.event import AsyncResult

from tests.tools.wait import wait_until
from transport.outbound import lookups
from transport.outbound.exchange import DeliveryError, FailureKind
from transport.outbound.lookups import SHARE, THREADS, Lookups


class NameServer:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, AsyncResult[list[str]]] = {}

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        answer = self.answers[host] = AsyncResult()
        return answer.get() or []

    def answer(self, host: str, *addresses: str) -> None:
        self.answers.pop(host).set(list(addresses))

    def end(self) -> None:
        while self.answers:
            self.answers.popitem()[1].set(["9.9.9.9"])
            gevent.sleep(0)


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.end()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lookups, "time", clock)
    return clock


def asked(server: NameServer, count: int) -> list[str]:
    wait_until(lambda: len(server.asked) >= count, timeout_s=5, what="the lookups")
    for _ in range(5):
        gevent.sleep(0)
    assert len(server.asked) == count, "and no more"
    return server.asked


def test_a_dead_name_server_of_one_merchant_does_not_delay_anothers_lookup(
    server: NameServer,
) -> None:
    names = Lookups(server)
    dead = [gevent.spawn(names.find, f"d{n}.example", "mallory") for n in range(200)]
    asked(server, SHARE)
    other = gevent.spawn(names.find, "shop.example", "alice")
    assert asked(server, SHARE + 1)[-1] == "shop.example"
    server.answer("shop.example", "9.9.9.9")
    assert other.get(timeout=60).texts == ("9.9.9.9",)
    assert names.running == SHARE
    gevent.killall(dead)


def test_a_name_that_waits_in_anothers_queue_is_not_waited_for_there(
    server: NameServer,
) -> None:
    """Mallory, who has only dead names, makes a channel to Alice's endpoint too."""
    names = Lookups(server)
    dead = [gevent.spawn(names.find, f"d{n}.example", "mallory") for n in range(SHARE)]
    asked(server, SHARE)
    dead.append(gevent.spawn(names.find, "shop.example", "mallory"))
    gevent.sleep(0)
    other = gevent.spawn(names.find, "shop.example", "alice")
    assert asked(server, SHARE + 1)[-1] == "shop.example"
    server.answer("shop.example", "9.9.9.9")
    assert other.get(timeout=60).texts == ("9.9.9.9",)
    gevent.killall(dead)


def test_all_merchants_have_their_turns_when_the_house_is_full(
    server: NameServer,
) -> None:
    names = Lookups(server)
    owners = [f"m{n}" for n in range(THREADS // SHARE)]
    waiting = [
        gevent.spawn(names.find, f"{n}.{owner}", owner)
        for owner in owners
        for n in range(SHARE + 2)
    ]
    asked(server, THREADS)
    late = gevent.spawn(names.find, "shop.example", "late")
    gevent.sleep(0)
    server.answer("0.m5", "9.9.9.9")
    assert asked(server, THREADS + 1)[-1] == "shop.example", "it had none yet"
    server.answer("0.m3", "9.9.9.9")
    assert asked(server, THREADS + 2)[-1] == "4.m3", "m5 has a share, less one"
    gevent.killall([*waiting, late])


def test_a_name_is_looked_up_once_for_all_who_wait_for_it(server: NameServer) -> None:
    names = Lookups(server)
    waiting = [gevent.spawn(names.find, "shop.example", "alice") for _ in range(16)]
    asked(server, 1)
    server.answer("shop.example", "9.9.9.9", "9.9.9.9", "8.8.8.8")
    for one in waiting:
        assert one.get(timeout=60).texts == ("9.9.9.9", "8.8.8.8")


def test_an_answer_is_kept_for_a_short_while(server: NameServer, clock: Clock) -> None:
    names = Lookups(server)
    for asked_so_far in (1, 2):
        first = gevent.spawn(names.find, "shop.example", "alice")
        asked(server, asked_so_far)
        server.answer("shop.example", "9.9.9.9")
        first.get(timeout=60)
        clock.now += lookups.KEPT_S - 0.1
        assert names.find("shop.example", "bob").texts == ("9.9.9.9",)
        clock.now += 0.2


def test_what_led_nowhere_is_looked_up_again(server: NameServer) -> None:
    names = Lookups(server)
    for asked_so_far in (1, 2):
        one = gevent.spawn(names.find, "shop.example", "alice")
        asked(server, asked_so_far)
        server.answer("shop.example", "9.9.9.9")
        one.get(timeout=60)
        names.forget("shop.example")


def test_that_there_is_no_answer_is_kept_even_shorter(clock: Clock) -> None:
    calls: list[str] = []

    def nobody(host: str) -> list[str]:
        calls.append(host)
        raise OSError(-2, "Name or service not known")

    names = Lookups(nobody)
    for expected in (1, 1, 2):
        with pytest.raises(DeliveryError, match="cannot be resolved: Name or") as none:
            names.find("shop.example", "alice")
        assert none.value.kind is FailureKind.DNS
        assert len(calls) == expected
        clock.now += lookups.FAILED_S * 0.6


def test_kept_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "MAX_KEPT", 10)
    names = Lookups(lambda _host: ["9.9.9.9"])
    for number in range(50):
        names.find(f"{number}.example", "alice")
    assert list(names._kept) == [f"{number}.example" for number in range(40, 50)]


def test_nothing_of_a_lookup_is_left_when_it_is_over() -> None:
    names = Lookups(lambda _host: ["9.9.9.9"], kept_s=0)
    names.find("shop.example", "alice")
    assert not names._open
    assert not names._queued
    assert not names._waiting
    assert not names._running
    assert not names._kept


def test_time_counts_from_the_start_of_a_lookup(
    server: NameServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever had to queue has all of the time still before it."""
    monkeypatch.setattr(lookups, "THREADS", 1)
    monkeypatch.setattr(lookups, "DNS_S", 600.0)
    names = Lookups(server)
    first = gevent.spawn(names.find, "dead.example", "mallory")
    asked(server, 1)
    second = gevent.spawn(names.find, "shop.example", "alice")
    gevent.sleep(0)  # it waits for the first
    clock.now += 5
    server.answer("dead.example", "9.9.9.9")
    asked(server, 2)
    clock.now += 2
    server.answer("shop.example", "9.9.9.9")
    assert (first.get(timeout=60).took_s, second.get(timeout=60).took_s) == (5, 2)


def test_who_joins_a_lookup_that_is_late_does_not_wait_as_long_again(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "DNS_S", 0.05)
    names = Lookups(server)
    for _ in range(2):
        with pytest.raises(DeliveryError, match=r"not resolved within 0\.05 s"):
            names.find("dead.example", "alice")
        monkeypatch.setattr(lookups, "DNS_S", 0.05)
    assert server.asked == ["dead.example"], "a thread is busy with it still"


def test_who_has_no_turn_in_time_fails(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "QUEUE_S", 0.01)
    names = Lookups(server)
    dead = [gevent.spawn(names.find, f"d{n}.example", "a") for n in range(SHARE)]
    asked(server, SHARE)
    with pytest.raises(DeliveryError, match="too many other names"):
        names.find("shop.example", "a")
    gevent.killall(dead)


def test_a_bug_of_the_resolver_leaves_nobody_waiting() -> None:
    def broken(_host: str) -> list[str]:
        raise UnicodeError("label too long")

    with pytest.raises(DeliveryError, match="label too long"):
        Lookups(broken).find("shop.example", "a")
