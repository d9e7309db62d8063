"""The circuit breaker: when it opens, how long it rests, and the one probe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policy.breaker import Breaker, BreakerPolicy, BreakerState
from engine.policy.waits import RETRY_AFTER_CAP_S

POLICY = BreakerPolicy(threshold=3, base_s=10.0, cap_s=100.0, probe_s=20.0)

rands = st.floats(0, 1, exclude_max=True)


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker(policy=POLICY)
    for _ in range(POLICY.threshold):
        breaker = breaker.after_failure(now_s, rand=0.5)
    return breaker


def test_a_breaker_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(policy=POLICY).after_failure(0, 0.5).after_failure(0, 0.5)
    assert breaker.permits(0)
    breaker = breaker.after_failure(0, 0.5)
    assert not breaker.permits(0)
    assert breaker.state(0) is BreakerState.OPEN
    assert breaker.wait_s(4) == 6


def test_a_success_in_between_starts_the_count_again() -> None:
    breaker = Breaker(policy=POLICY)
    for _ in range(10):
        breaker = breaker.after_failure(0, 0.5).after_failure(0, 0.5).after_success()
    assert breaker == Breaker(policy=POLICY)


def test_a_half_open_breaker_lets_one_probe_through() -> None:
    breaker = opened()
    assert not breaker.permits(9.9)
    assert breaker.permits(10)
    assert breaker.state(10) is BreakerState.HALF_OPEN
    probing = breaker.taking(10)
    assert not probing.permits(10)
    assert probing.after_success() == Breaker(policy=POLICY)


def test_a_lost_probe_does_not_close_the_way_for_ever() -> None:
    probing = opened().taking(10)
    assert not probing.permits(29.9)
    assert probing.permits(30)


def test_a_failed_probe_doubles_the_rest_up_to_the_cap() -> None:
    breaker, now_s, rests = opened(), 0.0, []
    for _ in range(6):
        rests.append(breaker.wait_s(now_s))
        now_s += breaker.wait_s(now_s)
        breaker = breaker.taking(now_s).after_failure(now_s, 0.5)
    assert rests == [10, 20, 40, 80, 100, 100]


def test_failures_of_calls_that_began_before_do_not_prolong_the_rest() -> None:
    breaker = opened()
    late = breaker
    for _ in range(10):
        late = late.after_failure(5, 0.5)
    assert late.wait_s(5) == breaker.wait_s(5)
    assert late.trips == breaker.trips


def test_taking_changes_nothing_unless_it_is_a_probe() -> None:
    assert Breaker(policy=POLICY).taking(0) == Breaker(policy=POLICY)
    assert opened().taking(5) == opened()


def test_a_pause_that_was_asked_for_is_kept_without_blame() -> None:
    resting = Breaker(policy=POLICY).resting(0, 7)
    assert resting.wait_s(0) == 7
    assert (resting.failures, resting.trips) == (0, 0)
    assert opened().resting(0, 3).wait_s(0) == 10
    assert opened().resting(0, 30).wait_s(0) == 30
    assert Breaker().resting(0, 1e12).wait_s(0) == RETRY_AFTER_CAP_S


@pytest.mark.parametrize(
    "wrong",
    [{"threshold": 0}, {"base_s": 0}, {"base_s": 9e9}, {"probe_s": 0}],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        BreakerPolicy(**wrong)  # type: ignore[arg-type]


steps = st.lists(
    st.tuples(
        st.sampled_from(["success", "failure", "silence", "pause"]),
        st.floats(0, 50),
        rands,
    ),
    max_size=60,
)


@given(steps)
def test_whatever_happens_a_breaker_permits_again_in_bounded_time(
    history: list[tuple[str, float, float]],
) -> None:
    breaker, now_s = Breaker(policy=POLICY), 0.0
    for what, passed_s, rand in history:
        now_s += passed_s
        if breaker.permits(now_s):
            breaker = breaker.taking(now_s)
        if what == "success":
            breaker = breaker.after_success()
            assert breaker.permits(now_s)
        elif what == "failure":
            breaker = breaker.after_failure(now_s, rand)
        elif what == "pause":
            breaker = breaker.resting(now_s, passed_s)
        wait_s = breaker.wait_s(now_s)
        assert 0 <= wait_s <= POLICY.cap_s * 1.2
        assert breaker.permits(now_s + wait_s + 1e-6)
        assert breaker.permits(now_s) == (wait_s == 0)


@given(st.integers(0, 300), rands)
def test_rests_never_outgrow_the_cap(probes: int, rand: float) -> None:
    breaker, now_s = opened(), 0.0
    for _ in range(probes):
        now_s += breaker.wait_s(now_s)
        breaker = breaker.taking(now_s).after_failure(now_s, rand)
    assert breaker.wait_s(now_s) <= POLICY.cap_s * 1.2


def test_without_other_wishes_it_opens_after_five_failures_for_half_a_minute() -> None:
    breaker = Breaker()
    for failures in range(5):
        assert breaker.permits(0), failures
        breaker = breaker.after_failure(0, 0.5)
    assert breaker.wait_s(0) == 30
    assert breaker.taking(30).wait_s(30) == 60, "a lost probe"
    began = 0.0
    for _ in range(20):
        began = breaker.rests_until_s or 0.0
        breaker = breaker.after_failure(began, 0.5)
    assert breaker.rests_until_s == pytest.approx(began + 3600)


def test_a_policy_at_the_edge_of_sense_is_taken() -> None:
    policy = BreakerPolicy(threshold=1, base_s=5.0, cap_s=5.0, probe_s=0.1)
    assert not Breaker(policy=policy).after_failure(0, 0.5).permits(0)


def test_it_is_half_open_from_the_moment_that_its_rest_is_over() -> None:
    breaker = opened()
    assert breaker.state(9.99) is BreakerState.OPEN
    assert breaker.state(10) is BreakerState.HALF_OPEN
    assert Breaker().state(0) is BreakerState.CLOSED


def test_a_failed_probe_is_over_and_its_rest_begins_then() -> None:
    failed = opened().taking(10).after_failure(12, 0.5)
    assert failed.probe_since_s is None
    assert failed.rests_until_s == 32
    assert (failed.failures, failed.trips) == (4, 2)


def test_a_pause_ends_the_probe_and_one_in_the_past_is_none() -> None:
    paused = opened().taking(10).resting(11, 5)
    assert paused.probe_since_s is None
    assert paused.wait_s(11) == 5
    assert Breaker().resting(100, -7).permits(100)


def test_a_rest_is_spread_by_a_fifth() -> None:
    first = Breaker(policy=BreakerPolicy(threshold=1, base_s=10.0))
    assert first.after_failure(0, 0.0).wait_s(0) == pytest.approx(8)
    assert first.after_failure(0, 1.0).wait_s(0) == pytest.approx(12)


def test_the_number_of_rests_may_grow_beyond_any_power() -> None:
    breaker = opened()
    for _ in range(2_000):
        assert breaker.rests_until_s is not None
        breaker = breaker.after_failure(breaker.rests_until_s, 0.5)
    assert breaker.trips == 2_001


def test_a_call_that_was_not_made_leaves_it_as_it_was_and_another_may_probe() -> None:
    closed = Breaker(policy=POLICY).after_failure(0, 0.5)
    assert closed.after_nothing() == closed
    probing = opened().taking(10)
    assert not probing.permits(10)
    after = probing.after_nothing()
    assert after.permits(10)
    assert (after.failures, after.trips) == (probing.failures, probing.trips)
