"""How long is waited: jitter, and the reading of Retry-After."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policy.waits import JITTER, RETRY_AFTER_CAP_S, jittered, parse_retry_after

NOW_S = 1_760_000_000.0


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
        ("Thu, 09 Oct 2025 10:54:20 +0200", 60),
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


def test_a_wait_is_moved_by_up_to_a_fifth_both_ways() -> None:
    assert JITTER == 0.2
    assert jittered(100, 0.0) == pytest.approx(80)
    assert jittered(100, 0.5) == pytest.approx(100)
    assert jittered(100, 1.0) == pytest.approx(120)


def test_nobodys_retry_after_makes_us_wait_for_more_than_a_day() -> None:
    assert RETRY_AFTER_CAP_S == 24 * 3600


def test_a_header_is_read_up_to_sixty_four_characters() -> None:
    assert parse_retry_after("7".rjust(64), NOW_S) == 7
    assert parse_retry_after("7".rjust(65), NOW_S) is None
