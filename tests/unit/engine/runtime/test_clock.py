"""Timers: the wheel against a plain heap, incarnations, and the real clock."""

import heapq
import time
from collections.abc import Iterator
from random import Random

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.actor import Actor
from engine.runtime.clock import (
    COALESCE_S,
    TICK_S,
    GeventClock,
    Timer,
    TimersDue,
    TimingWheel,
)
from engine.runtime.clock import (
    SLOTS as REAL_SLOTS,
)
from engine.runtime.dispatcher import GeventDispatcher
from engine.runtime.ref import Ref, Scope
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher
from tests.tools.wait import wait_until

SLOTS = 16  # a wheel small enough to go round often


class Box(Actor):
    """Keeps what it is told; crashes when told so."""

    def __init__(self, got: list[object]) -> None:
        self._got = got

    def on_receive(self, message: object) -> None:
        if message == "crash":
            raise ValueError(message)
        self._got.append(message)


def box(dispatcher: object, got: list[object]) -> Ref:
    ref = Ref(Scope(dispatcher, lambda _name: Box(got)), "box")  # type: ignore[arg-type]
    ref.start()
    return ref


class Dice:
    """A dispatcher whose actors run when the test says so."""

    def __init__(self) -> None:
        self.dispatcher = SimulatedDispatcher(Random(1))
        self.got: list[object] = []
        self.ref = box(self.dispatcher, self.got)

    def run(self) -> list[object]:
        while self.dispatcher.step() is not None:
            pass
        return self.got


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(-3, 5 * SLOTS)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("advance"), st.integers(0, 3)),
        st.tuples(st.just("advance"), st.integers(0, 6 * SLOTS)),
    ),
    max_size=60,
)


@given(steps)
def test_the_wheel_fires_what_a_heap_would_fire(
    script: list[tuple[str, int]],
) -> None:
    wheel, ref = TimingWheel(SLOTS), Dice().ref
    heap: list[tuple[int, int]] = []
    timers: list[Timer] = []
    cancelled: set[int] = set()
    fired: list[Timer] = []
    for action, number in script:
        if action == "add":
            timer = Timer(wheel.tick + number, ref, len(timers))
            wheel.add(timer)
            heapq.heappush(heap, (timer.due, len(timers)))
            timers.append(timer)
        elif action == "cancel" and number < len(timers):
            timers[number].cancel()
            cancelled.add(number)
        elif action == "advance":
            fired.clear()
            wheel.advance(wheel.tick + number, fired.append)
            expected = []
            while heap and heap[0][0] <= wheel.tick:
                due, index = heapq.heappop(heap)
                if index not in cancelled:
                    expected.append((due, index))
            live = [t for t in fired if t.ref is not None]
            assert [t.due for t in live] == [due for due, _ in expected]
            assert {id(t) for t in live} == {id(timers[i]) for _, i in expected}
        held = [t for bucket in wheel._buckets for t in bucket]
        assert wheel.count == len(held)
        waiting = [due for due, index in heap if index not in cancelled]
        next_due = wheel.next_due()
        if waiting:
            assert next_due is not None
            assert wheel.tick < next_due <= min(waiting)


def test_a_timer_added_while_others_fire_is_not_lost() -> None:
    wheel, dice, fired = TimingWheel(SLOTS), Dice(), []

    def fire(timer: Timer) -> None:
        fired.append(timer.due)
        if len(fired) < 4:
            wheel.add(Timer(wheel.tick, dice.ref, "again"))

    wheel.add(Timer(3, dice.ref, "first"))
    wheel.advance(10, fire)
    assert fired == [3, 4, 5, 6]
    wheel.add(Timer(12, dice.ref, "before a jump"))
    wheel.advance(1_000, fire)
    assert fired[-1] == 12


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


def test_each_tick_of_a_revolution_has_a_bucket_of_its_own() -> None:
    wheel, ref = TimingWheel(SLOTS), Dice().ref
    for tick in range(1, SLOTS + 1):
        wheel.add(Timer(tick, ref, tick))
    assert [len(bucket) for bucket in wheel._buckets] == [1] * SLOTS


def test_the_wheel_turns_once_in_over_a_minute() -> None:
    """Most timers fire in their first revolution: they are looked at once."""
    assert REAL_SLOTS * TICK_S > 60
    assert (TICK_S, COALESCE_S) == (0.01, 0.1)
    assert len(GeventClock()._wheel._buckets) == REAL_SLOTS


def test_the_next_tick_is_found_a_whole_revolution_ahead() -> None:
    wheel, ref = TimingWheel(SLOTS), Dice().ref
    wheel.advance(5, lambda timer: None)
    assert wheel.next_due() is None
    wheel.add(Timer(5 + SLOTS, ref, "a revolution later"))
    assert wheel.next_due() == 5 + SLOTS
    wheel.add(Timer(7, ref, "soon"))
    assert wheel.next_due() == 7


def test_a_timer_that_is_cancelled_leaves_the_wheel_within_a_revolution() -> None:
    wheel, ref = TimingWheel(SLOTS), Dice().ref
    timer = Timer(100 * SLOTS, ref, "far")
    wheel.add(timer)
    timer.cancel()
    for tick in range(1, SLOTS + 1):
        wheel.advance(tick, lambda timer: None)
    assert wheel.count == 0


def test_a_timer_that_is_due_at_the_end_of_a_long_jump_fires_once() -> None:
    wheel, ref, fired = TimingWheel(SLOTS), Dice().ref, list[Timer]()
    wheel.add(Timer(3 * SLOTS, ref, "due"))
    wheel.advance(3 * SLOTS, fired.append)
    assert len(fired) == 1
    assert wheel.count == 0
    wheel.advance(5 * SLOTS, fired.append)
    assert len(fired) == 1


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
