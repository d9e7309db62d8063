"""The request budget of a source: a token bucket that may go into debt."""

from hypothesis import given
from hypothesis import strategies as st

from engine.policy.token_bucket import Budget


def test_a_tenth_of_a_minutes_requests_may_be_made_at_once() -> None:
    budget = Budget.per_minute(600).at(0)
    assert (budget.tokens, budget.burst, budget.rate_per_s) == (60, 60, 10)
    assert Budget.per_minute(6).burst == 5


def test_tokens_come_in_with_time_and_never_beyond_the_burst() -> None:
    budget = Budget.per_minute(60).at(0).spend(6)
    assert budget.at(4).tokens == 4
    assert budget.at(1_000).tokens == 6


def test_a_debt_is_paid_before_anything_else_may_be_asked() -> None:
    budget = Budget.per_minute(60).at(0).spend(16)
    assert budget.tokens == -10
    assert budget.wait_s(1) == 11
    assert budget.at(11).wait_s(1) == 0


def test_nobody_waits_for_more_than_the_bucket_holds() -> None:
    budget = Budget.per_minute(60).at(0).spend(6)
    assert budget.wait_s(1_000) == 6


def test_time_that_goes_back_gives_and_takes_nothing() -> None:
    budget = Budget.per_minute(60).at(100).spend(3)
    assert budget.at(50).tokens == budget.tokens


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 20)), max_size=50))
def test_over_any_time_no_more_is_spent_than_came_in(
    script: list[tuple[float, int]],
) -> None:
    """As long as everybody waits as told."""
    budget, now, spent = Budget.per_minute(60).at(0), 0.0, 0
    for pause, wanted in script:
        now += pause
        budget = budget.at(now)
        requests = min(wanted, int(budget.tokens))
        if requests > 0:
            budget = budget.spend(requests)
            spent += requests
        assert budget.tokens >= 0
        assert spent <= 6 + now + 1e-6
