"""Restart rules: backoff, quarantine, and a poisoned message tried only once more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.supervision import CrashVerdict, RestartHistory, RestartPolicy

POLICY = RestartPolicy(
    max_restarts=3, window_s=60, backoff_min_s=1, backoff_max_s=3, jitter=0.2
)
MIDDLE = 0.5  # this throw of the dice adds no jitter


def crash(
    history: RestartHistory, at: float, message: object = None, rand: float = MIDDLE
) -> tuple[RestartHistory, CrashVerdict]:
    after = history.after_crash(at, "bug", message, POLICY)
    return after, after.verdict(history, rand, POLICY)


def test_each_crash_in_a_row_waits_twice_as_long_up_to_a_bound() -> None:
    history, delays = RestartHistory(), []
    for at in (0.0, 1.0, 2.0):
        history, verdict = crash(history, at)
        delays.append(verdict.delay_s)
    assert delays == [1, 2, 3]


def test_one_crash_more_than_allowed_is_quarantine() -> None:
    history = RestartHistory()
    for at in (0.0, 1.0, 2.0):
        history, _ = crash(history, at)
    history, verdict = crash(history, 3.0, "message")
    assert verdict == CrashVerdict(None, redeliver=False)
    assert history.total == 4


def test_crashes_that_are_long_past_are_forgiven() -> None:
    history = RestartHistory()
    for at in (0.0, 1.0, 2.0, 61.5, 62.5):
        history, verdict = crash(history, at)
        assert verdict.delay_s is not None
    assert history.crashes == (61.5, 62.5)
    assert history.total == 5


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 3))
def test_the_delay_is_spread_by_the_jitter(rand: float, crashes: int) -> None:
    history, verdict = RestartHistory(), CrashVerdict(None, redeliver=False)
    for at in range(crashes):
        history, verdict = crash(history, float(at), rand=rand)
    middle = min(2 ** (crashes - 1), 3)
    assert verdict.delay_s is not None
    assert 0.8 * middle <= verdict.delay_s <= 1.2 * middle


def test_the_message_that_crashed_is_tried_once_more_and_then_parked() -> None:
    message = object()
    history, first = crash(RestartHistory(), 0.0, message)
    assert first.redeliver
    history, second = crash(history, 1.0, message)
    assert not second.redeliver


def test_another_message_is_judged_by_itself() -> None:
    history, _ = crash(RestartHistory(), 0.0, object())
    _, verdict = crash(history, 1.0, object())
    assert verdict.redeliver


def test_a_crash_without_a_message_is_never_poison() -> None:
    history, _ = crash(RestartHistory(), 0.0)
    _, verdict = crash(history, 1.0)
    assert verdict.redeliver


def test_without_other_wishes_five_restarts_in_a_minute_are_tried() -> None:
    policy = RestartPolicy()
    assert (policy.max_restarts, policy.window_s) == (5, 60.0)
    assert (policy.backoff_min_s, policy.backoff_max_s) == (0.1, 30.0)
    assert policy.jitter == 0.2


@pytest.mark.parametrize(("later_s", "in_row"), [(59.99, 2), (60.0, 1), (60.01, 1)])
def test_a_crash_counts_for_as_long_as_the_window_is(
    later_s: float, in_row: int
) -> None:
    history, _ = crash(RestartHistory(), 0.0)
    history, _ = crash(history, later_s)
    assert len(history.crashes) == in_row


@pytest.mark.parametrize(("rand", "delay_s"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_a_low_throw_shortens_the_delay_and_a_high_one_lengthens_it(
    rand: float, delay_s: float
) -> None:
    _, verdict = crash(RestartHistory(), 0.0, rand=rand)
    assert verdict.delay_s == pytest.approx(delay_s)


def test_what_is_remembered_is_the_newest_error_and_message() -> None:
    message = object()
    history, _ = crash(RestartHistory(), 0.0, "first")
    history = history.after_crash(1.0, "worse", message, POLICY)
    assert (history.last_error, history.last_message) == ("worse", message)
    assert (history.crashes, history.total) == ((0.0, 1.0), 2)
    assert RestartHistory() == RestartHistory((), 0, "", None)
