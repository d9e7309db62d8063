"""The token bucket: what comes in, what is spent, and a debt that is waited for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policy.token_bucket import TokenBucket


def test_a_tenth_of_a_minutes_requests_may_be_made_at_once() -> None:
    budget = TokenBucket.per_minute(600).at(0)
    assert (budget.tokens, budget.burst, budget.rate_per_s) == (60, 60, 10)
    assert TokenBucket.per_minute(6).burst == 5


def test_tokens_come_in_with_time_and_never_beyond_the_burst() -> None:
    budget = TokenBucket.per_minute(60).at(0).spend(6)
    assert budget.at(4).tokens == 4
    assert budget.at(1_000).tokens == 6


def test_a_debt_is_paid_before_anything_else_may_be_asked() -> None:
    budget = TokenBucket.per_minute(60).at(0).spend(16)
    assert budget.tokens == -10
    assert budget.wait_s(1) == 11
    assert budget.at(11).wait_s(1) == 0


def test_nobody_waits_for_more_than_the_bucket_holds() -> None:
    budget = TokenBucket.per_minute(60).at(0).spend(6)
    assert budget.wait_s(1_000) == 6


def test_time_that_goes_back_gives_and_takes_nothing() -> None:
    budget = TokenBucket.per_minute(60).at(100).spend(3)
    assert budget.at(50).tokens == budget.tokens


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 20)), max_size=50))
def test_over_any_time_no_more_is_spent_than_came_in(
    script: list[tuple[float, int]],
) -> None:
    """As long as everybody waits as told."""
    budget, now, spent = TokenBucket.per_minute(60).at(0), 0.0, 0
    for pause, wanted in script:
        now += pause
        budget = budget.at(now)
        requests = min(wanted, int(budget.tokens))
        if requests > 0:
            budget = budget.spend(requests)
            spent += requests
        assert budget.tokens >= 0
        assert spent <= 6 + now + 1e-6


def test_who_takes_more_than_came_in_waits_for_the_next_token() -> None:
    bucket = TokenBucket.full(rate_per_s=2, burst=3)
    waits = []
    for _ in range(4):
        bucket, wait_s = bucket.take(100.0)
        waits.append(wait_s)
    assert waits == [0.0, 0.0, 0.0, 0.5]
    assert bucket.take(100.25)[1] == 0.25
    assert bucket.take(100.5)[1] == 0.0


def test_who_is_refused_spends_nothing() -> None:
    bucket, _ = TokenBucket.full(rate_per_s=1, burst=1).take(0.0)
    for _ in range(5):
        bucket, wait_s = bucket.take(0.5)
        assert wait_s == 0.5
    assert bucket.take(1.0)[1] == 0.0


def test_a_token_that_is_missing_by_a_rounding_error_is_there() -> None:
    nearly = TokenBucket(1.0, 5.0, 1.0 - 9e-10, 0.0)
    assert nearly.take(0.0)[1] == 0.0
    not_quite = TokenBucket(1.0, 5.0, 1.0 - 1e-6, 0.0)
    assert not_quite.take(0.0)[1] == pytest.approx(1e-6)


def test_nothing_comes_in_before_the_first_look() -> None:
    assert TokenBucket(1.0, 10.0, 2.0).at(1_000.0).tokens == 2.0


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 5), (1, 0.9)])
def test_a_bucket_that_could_never_hold_a_token_is_refused(
    rate: float, burst: float
) -> None:
    with pytest.raises(ValueError, match="a rate limit wants"):
        TokenBucket.full(rate, burst)


def test_the_smallest_bucket_holds_one_token() -> None:
    assert TokenBucket.full(0.001, 1).take(0.0)[1] == 0.0
