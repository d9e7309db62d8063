"""Timer buckets against a sorted list: none early, none lost, none twice, in order."""

from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.timer_buckets import TimerBuckets

steps = st.lists(
    st.tuples(st.sampled_from(["add", "add", "take", "clear"]), st.integers(0, 12)),
    max_size=60,
)


@given(steps)
def test_items_come_out_once_in_the_order_of_their_ticks_and_of_adding(
    script: list[tuple[str, int]],
) -> None:
    buckets, waiting = TimerBuckets[int](), list[tuple[int, int]]()
    for number, (action, tick) in enumerate(script):
        if action == "add":
            buckets.add(tick, number)
            waiting.append((tick, number))
            waiting.sort()
        elif action == "clear" and tick == 0:
            buckets.clear()
            waiting.clear()
        elif waiting and waiting[0][0] <= tick:
            assert buckets.take(tick) == waiting.pop(0)[1]
        else:
            assert buckets.take(tick) is None
        assert len(buckets) == len(waiting)
        assert buckets.next_tick == (waiting[0][0] if waiting else None)
        assert buckets.first() == (waiting[0][1] if waiting else None)


def test_what_is_due_before_a_bucket_that_was_begun_goes_first() -> None:
    buckets = TimerBuckets[str]()
    for item in "abc":
        buckets.add(5, item)
    assert buckets.take(5) == "a"
    buckets.add(5, "d")
    buckets.add(3, "earlier")
    assert [buckets.take(5) for _ in range(5)] == ["earlier", "b", "c", "d", None]


def test_an_empty_bucket_leaves_nothing() -> None:
    buckets = TimerBuckets[str]()
    buckets.add(1, "a")
    buckets.take(1)
    assert (buckets._buckets, buckets._ticks) == ({}, [])
