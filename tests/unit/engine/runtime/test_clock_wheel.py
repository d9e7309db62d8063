"""The wheel of timers against a plain heap, and at the ends of a revolution."""

import heapq

from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.clock import (
    COALESCE_S,
    TICK_S,
    GeventClock,
    Timer,
    TimingWheel,
)
from engine.runtime.clock import (
    SLOTS as REAL_SLOTS,
)
from tests.unit.engine.runtime.timer_box import Dice

SLOTS = 16  # a wheel small enough to go round often
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
