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
