"""The retry schedule, and the reading of answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.delivery.attempt import SCHEDULE_S, AttemptOutcome, classify, next_delay_s
from engine.policy.waits import JITTER, RETRY_AFTER_CAP_S

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
    ("asked_s", "rand", "waited_s"),
    [(0.0, 1.0, 0.0), (100.0, 0.0, 100.0), (100.0, 0.5, 100.0 * (1 + JITTER / 2))],
)
def test_a_time_asked_for_is_spread_by_a_part_of_itself(
    asked_s: float, rand: float, waited_s: float
) -> None:
    assert next_delay_s(0, (0.0, 5.0), rand, asked_s) == pytest.approx(waited_s)


def test_a_time_asked_for_that_is_negative_is_none() -> None:
    assert next_delay_s(0, (0.0, 5.0), 0.0, -50.0) == 0
