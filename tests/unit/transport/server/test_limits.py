"""The token bucket, with a clock of the test's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.server.limits import RateLimiter, ServerLimits


def test_a_burst_is_free_and_then_the_rate_holds() -> None:
    limiter = RateLimiter(rate_per_s=2, burst=3)
    assert [limiter.allow("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limiter.allow("a", 0.0) == pytest.approx(0.5)
    assert limiter.allow("a", 0.25) == pytest.approx(0.25)
    assert limiter.allow("a", 0.5) == 0.0


def test_refused_calls_take_nothing() -> None:
    limiter = RateLimiter(rate_per_s=1, burst=1)
    limiter.allow("a", 0.0)
    for step in range(9):
        assert limiter.allow("a", step / 10) > 0
    assert limiter.allow("a", 1.0) == 0.0


def test_keys_do_not_touch_each_other() -> None:
    limiter = RateLimiter(rate_per_s=1, burst=1)
    assert limiter.allow("a", 0.0) == 0.0
    assert limiter.allow("b", 0.0) == 0.0
    assert limiter.allow("a", 0.0) > 0


def test_memory_is_bounded_and_the_longest_unseen_key_goes_first() -> None:
    limiter = RateLimiter(rate_per_s=0.001, burst=1, max_keys=2)
    for key in ("a", "b", "a", "c"):
        limiter.allow(key, 0.0)
    assert len(limiter) == 2
    assert limiter.allow("a", 0.0) > 0


def test_a_clock_that_goes_back_gives_and_takes_nothing() -> None:
    limiter = RateLimiter(rate_per_s=1, burst=1)
    limiter.allow("a", 100.0)
    assert limiter.allow("a", 50.0) == pytest.approx(1.0)


@given(
    st.floats(0.1, 100),
    st.integers(1, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=100),
)
def test_never_more_than_burst_and_rate_allow_and_the_wait_is_true(
    rate: float, burst: int, gaps: list[float]
) -> None:
    limiter = RateLimiter(rate, burst)
    now = 0.0
    allowed = 0
    for gap in gaps:
        now += gap
        wait_s = limiter.allow("a", now)
        allowed += wait_s == 0.0
        assert allowed <= burst + now * rate + 1e-3
        if wait_s:
            now += wait_s + 1e-9
            assert limiter.allow("a", now) == 0.0
            allowed += 1


@pytest.mark.parametrize(("rate", "burst", "keys"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_limiter_that_could_never_allow_is_refused(
    rate: float, burst: int, keys: int
) -> None:
    with pytest.raises(ValueError, match="rate limit wants"):
        RateLimiter(rate, burst, keys)


def test_the_numbers_of_the_api_are_the_defaults() -> None:
    limits = ServerLimits()
    assert limits.ws_message_bytes == 16 * 1024
    assert limits.ws_queue_messages == 1_000
    assert limits.ws_queue_bytes == 1024 * 1024
    assert limits.ws_ping_s == 30
