"""What sums were worth: to the cent, and back to nothing."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.money.currency import MAX_MINOR
from engine.money.rates import Rate
from engine.money.worth import (
    Quoted,
    Worth,
    at_rate,
    of_less,
    of_price,
    quoted,
    quoted_in,
    together,
)

EUR = Quoted(currency="EUR", rate="50000", rate_at=7)


def worth(minor: int, currency: str = "EUR") -> Worth:
    return Worth(currency=currency, minor=minor, decimals=2, rate="50000", rate_at=7)


def test_a_sum_at_a_rate_is_rounded_to_the_nearest_unit() -> None:
    assert at_rate(100_000_000, EUR) == worth(5_000_000)
    assert at_rate(9, EUR) == worth(0)  # 0.45 cents
    assert at_rate(10, EUR) == worth(1)  # half a cent
    assert at_rate(-10, EUR) == worth(-1)
    yen = Quoted(currency="JPY", rate="10000000", rate_at=7)
    found = at_rate(1_234_567, yen)
    assert found is not None
    assert (found.minor, found.decimals) == (123_457, 0)


def test_without_a_rate_nothing_is_worth_anything() -> None:
    assert at_rate(1, None) is None
    assert quoted_in(None) is None
    assert quoted_in(worth(5)) == EUR


def test_a_rate_is_quoted_as_it_was_agreed() -> None:
    assert quoted(Rate("EUR", Decimal("50000.50"), 7, ("a",))) == Quoted(
        currency="EUR", rate="50000.5", rate_at=7
    )


def test_beyond_what_is_counted_in_money_there_is_no_worth() -> None:
    """A bitcoin of 10^6 units of 10^2 is 10^8 units: one to the satoshi."""
    rate = Quoted(currency="EUR", rate="1000000", rate_at=7)
    assert at_rate(MAX_MINOR, rate) is not None
    assert at_rate(MAX_MINOR + 1, rate) is None
    assert at_rate(-MAX_MINOR - 1, rate) is None


def test_a_share_of_a_price_is_rounded_half_up() -> None:
    assert of_price(1_990, 50_000, 50_000) == 1_990
    assert of_price(1_990, 25_000, 50_000) == 995
    assert of_price(3, 1, 2) == 2
    assert of_price(1, 1, 3) == 0
    assert of_price(2, 1, 3) == 1
    assert of_price(1_990, 0, 50_000) == 0


def test_what_is_taken_away_leaves_its_share() -> None:
    assert of_less(worth(1_990), 25_000, 50_000) == worth(-995)
    assert of_less(worth(1_990), 0, 50_000) == worth(-1_990)


@given(st.integers(0, 10**9), st.lists(st.integers(1, 10**12), min_size=1, max_size=6))
def test_however_it_is_taken_away_nothing_is_left_in_the_end(
    minor: int, parts: list[int]
) -> None:
    left, sat = worth(minor), sum(parts)
    for part in parts:
        taken = of_less(left, sat - part, sat)
        assert -left.minor <= taken.minor <= 0
        both = together(left, taken)
        assert both is not None
        left, sat = both, sat - part
    assert left.minor == 0


def test_two_worths_are_added_and_the_newer_rate_is_told() -> None:
    newer = Worth(currency="EUR", minor=5, decimals=2, rate="2", rate_at=9)
    assert together(None, newer) == newer
    both = together(worth(10), newer)
    assert both is not None
    assert (both.minor, both.rate, both.rate_at) == (15, "2", 9)
