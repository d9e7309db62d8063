"""By which time it is judged what is old."""

from hypothesis import given
from hypothesis import strategies as st

from engine.policy.periods import DAY_MS
from engine.policy.retention import CATCH_UP, believed_now

HOUR_MS = 3_600_000
YEAR_MS = 365 * DAY_MS


def test_a_clock_that_is_years_ahead_for_an_hour_costs_two_hours() -> None:
    assert believed_now(9 * YEAR_MS, DAY_MS, HOUR_MS) == DAY_MS + 2 * HOUR_MS
    assert CATCH_UP == 2


def test_a_right_clock_is_believed() -> None:
    assert believed_now(DAY_MS + HOUR_MS, DAY_MS, HOUR_MS) == DAY_MS + HOUR_MS


def test_a_node_that_was_off_for_a_month_catches_up_in_a_month() -> None:
    kept, wall, hours = 0, 30 * DAY_MS, 0
    while kept < wall:
        wall, hours = wall + HOUR_MS, hours + 1
        kept = believed_now(wall, kept, HOUR_MS)
    assert hours == 30 * 24


def test_it_never_goes_back() -> None:
    assert believed_now(DAY_MS, 2 * DAY_MS, HOUR_MS) == 2 * DAY_MS


@given(
    st.lists(
        st.tuples(st.integers(-YEAR_MS, 9 * YEAR_MS), st.integers(0, DAY_MS)),
        max_size=30,
    )
)
def test_whatever_the_clock_does_it_goes_by_what_was_lived(
    rounds: list[tuple[int, int]],
) -> None:
    true = kept = YEAR_MS
    for wrong_by, lived in rounds:
        true += lived
        before = kept
        kept = believed_now(true + wrong_by, kept, lived)
        assert before <= kept <= before + CATCH_UP * lived
