"""The retry schedule, the reading of answers and the circuit breaker."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.delivery.attempt import SCHEDULE_S, AttemptOutcome, classify, next_delay_s
from engine.policy.breaker import Breaker, BreakerPolicy, BreakerState
from engine.policy.waits import JITTER, RETRY_AFTER_CAP_S, parse_retry_after

NOW_S = 1_760_000_000.0
POLICY = BreakerPolicy(threshold=3, base_s=10.0, cap_s=100.0, probe_s=20.0)

rands = st.floats(0, 1, exclude_max=True)
attempts = st.integers(0, len(SCHEDULE_S) - 1)


def test_the_schedule_is_the_one_of_standard_webhooks() -> None:
    assert len(SCHEDULE_S) == 10
    assert sum(SCHEDULE_S) == 75 * 3600 + 35 * 60 + 5


def test_the_first_attempt_is_made_at_once() -> None:
    assert next_delay_s(0, SCHEDULE_S, 0.99) == 0


def test_after_the_last_attempt_it_is_a_dead_letter() -> None:
    assert next_delay_s(9, SCHEDULE_S, 0.5) == 86400
    assert next_delay_s(10, SCHEDULE_S, 0.5) is None
    assert next_delay_s(10, SCHEDULE_S, 0.5, retry_after_s=5) is None
    assert next_delay_s(10_000, SCHEDULE_S, 0.5) is None


def test_a_negative_number_of_attempts_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="attempt is -1"):
        next_delay_s(-1, SCHEDULE_S, 0.5)


@given(attempts, rands)
def test_jitter_stays_within_a_fifth(attempt: int, rand: float) -> None:
    delay = next_delay_s(attempt, SCHEDULE_S, rand)
    assert delay is not None
    planned = SCHEDULE_S[attempt]
    assert planned * 0.8 <= delay <= planned * 1.2


@given(attempts, rands, st.floats(-1e9, 1e9))
def test_retry_after_only_lengthens_and_by_a_day_at_most(
    attempt: int, rand: float, asked_s: float
) -> None:
    without = next_delay_s(attempt, SCHEDULE_S, rand)
    delay = next_delay_s(attempt, SCHEDULE_S, rand, asked_s)
    assert without is not None
    assert delay is not None
    assert delay >= without
    assert delay >= min(asked_s, RETRY_AFTER_CAP_S)
    assert delay <= max(without, RETRY_AFTER_CAP_S)


@pytest.mark.parametrize(
    ("status", "retry_after_s", "outcome"),
    [
        (200, None, AttemptOutcome.DELIVERED),
        (204, None, AttemptOutcome.DELIVERED),
        (299, 30.0, AttemptOutcome.DELIVERED),
        (None, None, AttemptOutcome.RETRY),
        (101, None, AttemptOutcome.RETRY),
        (301, None, AttemptOutcome.RETRY),
        (304, None, AttemptOutcome.RETRY),
        (400, None, AttemptOutcome.RETRY),
        (404, None, AttemptOutcome.RETRY),
        (410, None, AttemptOutcome.GONE),
        (410, 5.0, AttemptOutcome.GONE),
        (429, None, AttemptOutcome.THROTTLED),
        (500, None, AttemptOutcome.RETRY),
        (502, None, AttemptOutcome.THROTTLED),
        (503, None, AttemptOutcome.RETRY),
        (503, 0.0, AttemptOutcome.THROTTLED),
        (504, None, AttemptOutcome.THROTTLED),
        (999, None, AttemptOutcome.RETRY),
    ],
)
def test_an_answer_means(
    status: int | None, retry_after_s: float | None, outcome: AttemptOutcome
) -> None:
    assert classify(status, retry_after_s) is outcome


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("1.5", 1.5),
        ("999999999999", RETRY_AFTER_CAP_S),
        ("Thu, 09 Oct 2025 08:54:20 GMT", 60),
        ("Thursday, 09-Oct-25 08:54:20 GMT", 60),
        ("Thu Oct  9 08:54:20 2025", 60),
        ("Thu, 09 Oct 2025 08:00:00 GMT", 0),
        ("Fri, 09 Oct 2065 08:00:00 GMT", RETRY_AFTER_CAP_S),
        (None, None),
        ("", None),
        ("-5", None),
        ("+5", None),
        ("5 s", None),
        ("1e3", None),
        ("inf", None),
        ("nan", None),
        ("٣", None),
        ("soon", None),
        ("Thu, 99 Oct 2025 08:00:00 GMT", None),
        ("Thu, 09 Oct 99999 08:00:00 GMT", None),
        ("1" * 1000, None),
    ],
)
def test_retry_after_is_read(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW_S) == seconds


@given(st.text(max_size=80))
def test_no_retry_after_header_does_harm(header: str) -> None:
    seconds = parse_retry_after(header, NOW_S)
    assert seconds is None or 0 <= seconds <= RETRY_AFTER_CAP_S


@given(st.integers(0, 86400))
def test_dates_and_seconds_ask_for_the_same(seconds: int) -> None:
    date = formatdate(NOW_S + seconds, usegmt=True)
    assert parse_retry_after(date, NOW_S) == parse_retry_after(str(seconds), NOW_S)


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


@pytest.mark.parametrize(
    ("asked_s", "rand", "waited_s"),
    [(0.0, 1.0, 0.0), (100.0, 0.0, 100.0), (100.0, 0.5, 100.0 * (1 + JITTER / 2))],
)
def test_a_time_asked_for_is_spread_by_a_part_of_itself(
    asked_s: float, rand: float, waited_s: float
) -> None:
    assert next_delay_s(0, (0.0, 5.0), rand, asked_s) == pytest.approx(waited_s)


def test_a_time_asked_for_that_is_negative_is_none() -> None:
    assert next_delay_s(0, (0.0, 5.0), 0.0, -50.0) == 0
