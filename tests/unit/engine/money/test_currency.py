"""Amounts of currencies: digit by digit, never through a float."""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidAmount
from engine.money.currency import (
    CURRENCIES,
    MAX_MINOR,
    decimals_of,
    minor_of,
    minor_text,
    money_text,
    priced_in,
)


def test_decimals_of_iso_4217() -> None:
    codes = ["EUR", "JPY", "KWD", "CLF", "LKR"]
    assert [decimals_of(code) for code in codes] == [2, 0, 3, 4, 2]


@given(minor=st.integers(0, MAX_MINOR), decimals=st.integers(0, 4))
def test_what_is_written_is_read_again(minor: int, decimals: int) -> None:
    text = money_text(minor, "EUR", decimals)
    assert text.endswith(" EUR")
    assert minor_of(text.removesuffix(" EUR"), decimals) == minor
    assert minor_of(minor, decimals, is_minor=True) == minor


@pytest.mark.parametrize(
    ("value", "decimals", "minor"),
    [("12.5", 2, 1_250), (Decimal("12.50"), 2, 1_250), (12, 2, 1_200), ("7", 0, 7)],
)
def test_amounts(value: object, decimals: int, minor: int) -> None:
    assert minor_of(value, decimals) == minor


@pytest.mark.parametrize(
    "value",
    ["12.505", "-1", "1e3", "", "1,50", "NaN", "٣", True, None, 1.5, "9" * 17, [1]],
)
def test_what_is_no_amount(value: object) -> None:
    with pytest.raises(InvalidAmount):
        minor_of(value, 2)


def test_minor_units_are_whole_and_have_an_end() -> None:
    with pytest.raises(InvalidAmount, match="whole"):
        minor_of("1.5", 2, is_minor=True)
    with pytest.raises(InvalidAmount, match="at most"):
        minor_of(MAX_MINOR, 2)


def test_all_currencies_of_the_standard_with_their_exponents() -> None:
    assert len(CURRENCIES) == 165
    decimals = Counter(priced_in(code) for code in CURRENCIES)
    assert decimals == {0: 17, 2: 139, 3: 7, 4: 2}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("XXX", "no currency"),
        ("XTS", "tests"),
        ("XAU", "gold"),
        ("XAG", "silver"),
        ("XPT", "platinum"),
        ("XPD", "palladium"),
        ("XDR", "IMF"),
        ("ABC", "like EUR"),
        ("BTC", "like EUR"),
        ("eur", "like EUR"),
        ("DEM", "like EUR"),
    ],
)
def test_what_nothing_is_priced_in(code: str, reason: str) -> None:
    with pytest.raises(InvalidAmount, match=reason):
        priced_in(code)


def test_plain_text_of_small_units() -> None:
    texts = [minor_text(m, d) for m, d in [(1250, 2), (-5, 2), (7, 0), (1, 3)]]
    assert texts == ["12.50", "-0.05", "7", "0.001"]
