"""Restart rules: backoff, quarantine, and a poisoned message tried only once more."""

from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.supervision import RestartHistory, RestartPolicy, Verdict

POLICY = RestartPolicy(
    max_restarts=3, window_s=60, backoff_min_s=1, backoff_max_s=3, jitter=0.2
)
MIDDLE = 0.5  # this throw of the dice adds no jitter


def crash(
    history: RestartHistory, at: float, message: object = None, rand: float = MIDDLE
) -> tuple[RestartHistory, Verdict]:
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
    assert verdict == Verdict(None, redeliver=False)
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
    history, verdict = RestartHistory(), Verdict(None, redeliver=False)
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
