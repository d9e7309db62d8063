"""Timers end as mail: incarnations, coalesced ones, the real clock, a simulated one."""

import time
from collections.abc import Iterator
from random import Random

import gevent
import pytest

from engine.runtime.clock import (
    COALESCE_S,
    TICK_S,
    GeventClock,
    TimersDue,
)
from engine.runtime.dispatcher import GeventDispatcher
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher
from tests.tools.wait import wait_until
from tests.unit.engine.runtime.timer_box import Dice, box


def test_a_timer_ends_as_mail_and_once() -> None:
    dice, clock = Dice(), SimulatedClock(0)
    timer = clock.call_later(1.5, dice.ref, "due")
    clock.advance(1_499)
    assert dice.run() == []
    clock.advance(1)
    timer.fire()
    assert dice.run() == ["due"]


def test_a_cancelled_timer_never_rings() -> None:
    dice, clock = Dice(), SimulatedClock(0)
    timer = clock.call_later(1, dice.ref, "due")
    timer.cancel()
    timer.cancel()
    assert clock.next_due_ms() is None
    clock.advance(5_000)
    assert dice.run() == []


def test_a_timer_belongs_to_the_incarnation_that_asked_for_it() -> None:
    dice, clock = Dice(), SimulatedClock(0)
    dice.run()
    clock.call_later(1, dice.ref, "of the first life")
    dice.ref.tell("crash")
    dice.run()
    dice.ref.start()
    clock.advance(1_000)
    assert dice.run() == []


def test_a_timer_that_is_due_between_two_lives_is_not_for_the_second() -> None:
    dice, clock = Dice(), SimulatedClock(0)
    dice.run()
    clock.call_later(1, dice.ref, "of the first life")
    dice.ref.tell("crash")
    dice.run()
    clock.advance(1_000)
    dice.ref.start()
    assert dice.run() == []


def test_the_wall_clock_may_jump_while_timers_go_on() -> None:
    dice, clock = Dice(), SimulatedClock(1_000)
    clock.call_later(1, dice.ref, "due")
    clock.jump_wall(-900)
    clock.advance(1_000)
    assert (clock.now(), clock.monotonic()) == (1_100, 1.0)
    assert dice.run() == ["due"]


def test_all_who_wait_for_one_tenth_of_a_second_share_one_coalesced_timer() -> None:
    dice, clock = Dice(), SimulatedClock(0)
    dice.run()
    first = clock.call_later_coalesced(1.0, dice.ref)
    assert clock.call_later_coalesced(1.04, dice.ref) is first
    later = clock.call_later_coalesced(1.1, dice.ref)
    clock.advance(1_000)
    assert dice.run() == []
    clock.advance(100)
    assert dice.run() == [TimersDue(first), TimersDue(first)]
    clock.advance(100)
    assert dice.run()[2:] == [TimersDue(later)]
    assert clock.next_due_ms() is None


def test_each_who_waits_gets_each_coalesced_timer_that_it_waits_for() -> None:
    clock, dice = SimulatedClock(0), [Dice() for _ in range(5)]
    for one in dice:
        one.run()
    asked = [
        (one, clock.call_later_coalesced(delay, one.ref))
        for delay in (2.0, 1.0, 1.5, 1.0)
        for one in dice
    ]
    clock.advance(1_600)
    again = clock.call_later_coalesced(0.1, dice[0].ref)
    clock.advance(1_000)
    for one in dice:
        expected = sorted(number for who, number in asked if who is one)
        if one is dice[0]:
            expected = sorted([*expected, again])
        assert [due.number for due in one.run()] == expected  # type: ignore[attr-defined]
        assert one.ref.next_waiter is None


def test_a_coalesced_timer_is_not_kept_for_one_who_is_dead() -> None:
    dice, clock = Dice(), SimulatedClock(0)
    dice.run()
    clock.call_later_coalesced(1, dice.ref)
    dice.ref.tell("crash")
    dice.run()
    clock.advance(2_000)
    dice.ref.start()
    assert dice.run() == []


@pytest.fixture
def real() -> Iterator[tuple[GeventClock, GeventDispatcher]]:
    clock, dispatcher = GeventClock(), GeventDispatcher()
    clock.start()
    dispatcher.start()
    yield clock, dispatcher
    clock.stop()
    dispatcher.stop()


def test_the_real_clock_fires_in_order_and_not_early(
    real: tuple[GeventClock, GeventDispatcher],
) -> None:
    clock, dispatcher = real
    got: list[object] = []
    ref = box(dispatcher, got)
    began = clock.monotonic()
    for delay_s in (0.05, 0.0, 0.1, 0.02):
        clock.call_later(delay_s, ref, delay_s)
    clock.call_later(0.03, ref, "never").cancel()
    wait_until(lambda: len(got) == 4, 5, "four timers")
    assert got == [0.0, 0.02, 0.05, 0.1]
    assert clock.monotonic() - began >= 0.1


def test_the_real_clock_fires_coalesced_timers_not_early(
    real: tuple[GeventClock, GeventDispatcher],
) -> None:
    clock, dispatcher = real
    got: list[object] = []
    ref = box(dispatcher, got)
    began = clock.monotonic()
    number = clock.call_later_coalesced(0.15, ref)
    wait_until(lambda: got == [TimersDue(number)], 5, "the timer")
    assert clock.monotonic() - began >= 0.15
    assert clock.monotonic() >= number * COALESCE_S


def test_a_sooner_timer_wakes_a_clock_that_waits_for_a_later_one(
    real: tuple[GeventClock, GeventDispatcher],
) -> None:
    clock, dispatcher = real
    got: list[object] = []
    ref = box(dispatcher, got)
    clock.call_later(60, ref, "later")
    wait_until(lambda: clock._wake_tick is not None, 5, "the clock to sleep")
    clock.call_later(0.01, ref, "sooner")
    wait_until(lambda: got == ["sooner"], 5, "the sooner timer")


def due_s(clock: GeventClock) -> list[float]:
    """When the timers of a clock that does not turn are due, on its monotonic scale."""
    timers = [timer for bucket in clock._wheel._buckets for timer in bucket]
    return sorted(clock._origin + timer.due * TICK_S for timer in timers)


@pytest.mark.parametrize("delay_s", [0.0, 0.004, 0.01, 1.0, 100.0])
def test_a_timer_is_due_not_early_and_up_to_a_tick_late(delay_s: float) -> None:
    clock, ref = GeventClock(), box(SimulatedDispatcher(Random(1)), [])
    before = clock.monotonic()
    clock.call_later(delay_s, ref, "due")
    after = clock.monotonic()
    (at,) = due_s(clock)
    assert before + delay_s - 1e-6 <= at <= after + delay_s + TICK_S + 1e-6


@pytest.mark.parametrize("delay_s", [0.0, 0.004, 0.013, 1.006])
@pytest.mark.parametrize("passed", [0.1, 0.5, 0.9])
def test_a_timer_is_not_early_by_what_of_the_tick_has_passed(
    monkeypatch: pytest.MonkeyPatch, delay_s: float, passed: float
) -> None:
    clock, ref = GeventClock(), box(SimulatedDispatcher(Random(1)), [])
    now = clock._origin + (50 + passed) * TICK_S
    monkeypatch.setattr("engine.runtime.clock.time.monotonic", lambda: now)
    clock.call_later(delay_s, ref, "due")
    (at,) = due_s(clock)
    assert now + delay_s - 1e-6 <= at <= now + delay_s + TICK_S + 1e-6


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.1, 7.33])
def test_a_coalesced_timer_is_due_when_its_number_says(delay_s: float) -> None:
    clock, ref = GeventClock(), box(SimulatedDispatcher(Random(1)), [])
    clock._origin -= 3.003  # it began to turn a while ago
    before = clock.monotonic()
    number = clock.call_later_coalesced(delay_s, ref)
    after = clock.monotonic()
    assert before + delay_s <= number * COALESCE_S <= after + delay_s + COALESCE_S
    (at,) = due_s(clock)
    assert number * COALESCE_S - 1e-6 <= at <= number * COALESCE_S + TICK_S + 1e-6


def test_a_clock_that_has_turned_for_long_waits_as_long_as_one_that_begins(
    real: tuple[GeventClock, GeventDispatcher],
) -> None:
    _, dispatcher = real
    clock, got = GeventClock(), list[object]()
    clock._origin -= 1_000.0
    clock.start()
    clock.call_later(0.02, box(dispatcher, got), "due")
    wait_until(lambda: got == ["due"], 5, "the timer")
    clock.stop()


def test_a_clock_that_is_stopped_turns_no_more() -> None:
    clock = GeventClock()
    clock.start()
    greenlet = clock._greenlet
    assert greenlet is not None
    clock.stop()
    assert greenlet.dead
    clock.stop()
    clock.start()
    clock.stop()


def test_the_wall_clock_is_in_milliseconds() -> None:
    before = time.time()
    now = GeventClock().now()
    assert int(before * 1000) <= now <= time.time() * 1000 + 1


def test_a_clock_that_had_nothing_to_do_takes_a_timer(
    real: tuple[GeventClock, GeventDispatcher],
) -> None:
    clock, dispatcher = real
    gevent.idle()  # it waits for the first timer now
    got: list[object] = []
    clock.call_later(0.01, box(dispatcher, got), "due")
    wait_until(lambda: got == ["due"], 5, "the first timer")
    gevent.idle()
    clock.call_later(0.01, box(dispatcher, got), "again")
    wait_until(lambda: got == ["due", "again"], 5, "the second")


def test_simulated_timers_fire_at_their_millisecond_in_the_order_of_asking() -> None:
    clock, dice = SimulatedClock(1_000), Dice()
    for message, delay_s in (("b", 0.005), ("c", 0.005), ("a", 0.0), ("d", 0.006)):
        clock.call_later(delay_s, dice.ref, message)
    assert clock.next_due_ms() == 1
    seen = []
    for _ in range(6):
        clock.advance(1)
        seen.append((clock.now(), "".join(map(str, dice.run()))))
    assert seen == [
        (1_001, "a"),
        (1_002, "a"),
        (1_003, "a"),
        (1_004, "a"),
        (1_005, "abc"),
        (1_006, "abcd"),
    ]
    assert clock.next_due_ms() is None


def test_a_simulated_crash_forgets_all_timers() -> None:
    clock, dice = SimulatedClock(0), Dice()
    clock.call_later(1, dice.ref, "lost")
    clock.call_later_coalesced(1, dice.ref)
    clock.forget_timers()
    assert clock.next_due_ms() is None
    clock.advance(5_000)
    assert dice.run() == []
    number = clock.call_later_coalesced(1, dice.ref)
    clock.advance(2_000)
    assert dice.run() == [TimersDue(number)]


def test_the_simulated_wall_clock_may_jump_while_time_goes_on() -> None:
    clock = SimulatedClock(10_000)
    clock.advance(500)
    clock.jump_wall(-3_000)
    assert (clock.now(), clock.monotonic()) == (7_500, 0.5)
