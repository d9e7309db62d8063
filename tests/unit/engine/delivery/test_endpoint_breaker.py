"""What an attempt says of its endpoint, and so of the attempts that come next."""

import pytest

from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.endpoint_breaker import CHANNEL_BREAKER, breaker_after
from engine.policy.breaker import Breaker

NEW = Breaker(policy=CHANNEL_BREAKER)


def after(
    breaker: Breaker,
    outcome: AttemptOutcome,
    status: int | None = None,
    retry_after_s: float | None = None,
) -> Breaker:
    result = SendResult(outcome, status, None, retry_after_s, 1.0)
    return breaker_after(breaker, result, 100.0, 0.5)


FAILED = after(NEW, AttemptOutcome.RETRY)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (AttemptOutcome.DELIVERED, 200),
        (AttemptOutcome.LATER, 452),
        (AttemptOutcome.MOVED, None),
        (AttemptOutcome.REFUSED, 550),
        (AttemptOutcome.RETRY, 400),
    ],
)
def test_who_answers_to_one_message_is_not_down(
    outcome: AttemptOutcome, status: int | None
) -> None:
    assert after(FAILED, outcome, status) == NEW


@pytest.mark.parametrize(
    "outcome", [AttemptOutcome.RETRY, AttemptOutcome.THROTTLED, AttemptOutcome.GONE]
)
def test_failures_are_counted(outcome: AttemptOutcome) -> None:
    assert after(FAILED, outcome).failures == 2


def test_who_asks_for_time_gets_it_and_no_failure() -> None:
    resting = after(NEW, AttemptOutcome.THROTTLED, 429, 30.0)
    assert resting.wait_s(100.0) == 30.0
    assert resting.failures == 0


def test_where_nobody_was_called_nothing_is_known() -> None:
    assert after(FAILED, AttemptOutcome.SKIPPED) == FAILED
