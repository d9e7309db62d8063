"""Deadlines against a plain dict: none early, none lost, none told twice."""

from hypothesis import given
from hypothesis import strategies as st

from actors.watching.deadlines import MOVED_MAX, SPAN_MS, Deadlines

steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 9), st.integers(0, 3_000)),
        st.tuples(st.just("forget"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("take"), st.integers(1, 4), st.integers(0, 3_000)),
    ),
    max_size=60,
)


@given(steps)
def test_each_deadline_is_told_once_when_it_has_come(
    script: list[tuple[str, int, int]],
) -> None:
    deadlines, true = Deadlines(), dict[str, int]()
    for action, number, ms in script:
        if action == "set":
            deadlines.set(f"p{number}", ms)
            true[f"p{number}"] = ms
        elif action == "forget":
            deadlines.forget(f"p{number}")
            true.pop(f"p{number}", None)
        else:
            due = deadlines.take_due(ms, number)
            assert len(due) == len(set(due)) <= number
            assert all(true.pop(name) <= ms for name in due)
            if len(due) < number:
                assert all(at > ms - SPAN_MS for at in true.values())
        assert {name: deadlines.get(name) for name in true} == true
        assert len(deadlines) == len(true)
        next_ms = deadlines.next_ms()
        assert not true or (
            next_ms is not None and next_ms < min(true.values()) + SPAN_MS
        )


def test_what_moves_again_and_again_leaves_no_trail() -> None:
    deadlines = Deadlines()
    for at in range(0, 100 * MOVED_MAX * SPAN_MS, 10 * SPAN_MS):
        deadlines.set("p", at)
    assert len(deadlines._buckets) <= MOVED_MAX + 3
    assert deadlines.take_due(1 << 50, 10) == ["p"]
    assert deadlines.next_ms() is None or not deadlines.take_due(1 << 50, 10)


def test_a_deadline_is_told_in_the_tenth_of_a_second_after_it() -> None:
    deadlines = Deadlines()
    assert deadlines.next_ms() is None
    deadlines.set("p", 1_001)
    assert deadlines.get("p") == 1_001
    assert deadlines.next_ms() == 1_100
    assert deadlines.take_due(1_099, 10) == []
    assert deadlines.take_due(1_100, 10) == ["p"]
    assert deadlines.get("p") is None
    deadlines.set("p", 2_000)
    assert deadlines.next_ms() == 2_000
    assert deadlines.take_due(1_999, 10) == []
    assert deadlines.take_due(2_000, 0) == []
    assert deadlines.take_due(2_000, 10) == ["p"]


def test_as_many_are_told_as_were_asked_for_and_the_others_next() -> None:
    deadlines = Deadlines()
    for number in range(5):
        deadlines.set(f"p{number}", 1_000)
    first = deadlines.take_due(1_000, 2)
    assert len(first) == 2
    assert len(deadlines) == 3
    rest = deadlines.take_due(1_000, 9)
    assert sorted(first + rest) == [f"p{number}" for number in range(5)]


def test_one_that_moved_on_is_told_at_its_new_time_only() -> None:
    deadlines = Deadlines()
    deadlines.set("p", 1_000)
    deadlines.set("p", 3_000)
    assert deadlines.take_due(2_900, 10) == []
    assert deadlines.get("p") == 3_000
    deadlines.set("p", 2_000)
    assert deadlines.take_due(2_000, 10) == ["p"]
    assert deadlines.take_due(9_000, 10) == []


def test_to_set_the_same_once_more_adds_nothing() -> None:
    deadlines = Deadlines()
    for _ in range(5):
        deadlines.set("p", 1_000)
    assert len(deadlines._buckets) == 1


def test_a_thousand_that_moved_are_left_behind_and_then_swept() -> None:
    deadlines = Deadlines()
    for at in range(1_002):
        deadlines.set("p", at * 100)
    assert len(deadlines._buckets) == 1_002
    deadlines.set("p", 5_000_000)
    assert len(deadlines._buckets) == 1, "the one that is true"
    assert deadlines.take_due(5_000_000, 10) == ["p"]


def test_what_is_forgotten_is_told_no_more() -> None:
    deadlines = Deadlines()
    deadlines.set("p", 1_000)
    deadlines.forget("p")
    deadlines.forget("q")
    assert (len(deadlines), deadlines.get("p")) == (0, None)
    assert deadlines.take_due(9_000, 10) == []
