"""When no order at all is worth a word."""

import pytest

from engine.alerts.silence import DAYS, MIN_DAYS, missing, usual
from engine.policy.periods import HOUR_MS

NOW_HOUR = 24 * 1000 + 15
NOON = [NOW_HOUR - 24 * day for day in range(1, 30)]


def test_usual_is_the_mean_of_the_same_hours_of_a_week() -> None:
    orders = dict.fromkeys(NOON, 10) | {NOON[0]: 24, NOW_HOUR - 1: 99}
    assert usual(orders, NOW_HOUR) == (24 + 6 * 10) / 7
    assert DAYS == 7


def test_days_without_an_order_in_this_hour_count_as_none() -> None:
    orders = {NOON[6]: 7, NOON[6] - 5: 1}
    assert usual(orders, NOW_HOUR) == 1


@pytest.mark.parametrize(("days", "is_usual"), [(MIN_DAYS - 1, 0), (MIN_DAYS, 8)])
def test_a_new_shop_has_nothing_usual(days: int, is_usual: float) -> None:
    assert usual(dict.fromkeys(NOON[:days], 8), NOW_HOUR) == is_usual
    assert usual({}, NOW_HOUR) == 0


def test_the_days_before_the_first_order_are_no_history() -> None:
    assert usual(dict.fromkeys(NOON[:4], 8), NOW_HOUR) == 8


def test_what_is_missing_grows_with_the_silence() -> None:
    orders = {hour - k: 6 for hour in NOON[:8] for k in range(24)}
    now = NOW_HOUR * HOUR_MS + HOUR_MS // 2
    assert missing(orders, now, now) == 0
    assert missing(orders, now - HOUR_MS // 2, now) == pytest.approx(3)
    assert missing(orders, now - 2 * HOUR_MS, now) == pytest.approx(12)
    a_day = missing(orders, now - 24 * HOUR_MS, now)
    assert missing(orders, now - 300 * HOUR_MS, now) == a_day == pytest.approx(144)


def test_hours_in_which_the_shop_sleeps_are_no_silence() -> None:
    orders = dict.fromkeys(NOON[:8], 50)  # one busy hour a day
    begins = NOW_HOUR * HOUR_MS
    assert missing(orders, begins - 20 * HOUR_MS, begins) == 0
    assert missing(orders, begins - 20 * HOUR_MS, begins + HOUR_MS) == 50
