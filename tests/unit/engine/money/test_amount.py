"""Money: exact to the satoshi, or refused."""

from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidAmount
from engine.money.amount import (
    MAX_SAT,
    btc_to_sat,
    check_sat,
    payment_uri,
    sat_to_btc,
    tolerance_within,
)

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


@pytest.mark.parametrize(
    ("btc", "sat"),
    [
        ("0.0005", 50_000),
        ("1", 100_000_000),
        ("0", 0),
        ("0.00000001", 1),
        ("0.000000010000", 1),
        ("21000000", MAX_SAT),
        ("20999999.99999999", MAX_SAT - 1),
        (21_000_000, MAX_SAT),
        (Decimal("0.1") + Decimal("0.2"), 30_000_000),
        (Decimal("5E-4"), 50_000),
        (Decimal("1E+2"), 10_000_000_000),
        (Decimal("-0.0"), 0),
    ],
)
def test_an_amount_in_btc_becomes_its_exact_satoshi(
    btc: str | Decimal | int, sat: int
) -> None:
    assert btc_to_sat(btc) == sat


@pytest.mark.parametrize(
    ("btc", "because"),
    [
        ("0.000000001", "more than 8 decimals"),
        (Decimal("1E-9"), "more than 8 decimals"),
        (Decimal("1E-999999"), "more than 8 decimals"),
        (Decimal("1E+999999"), "21 million"),
        ("21000000.00000001", "21 million"),
        (21_000_001, "21 million"),
        (-1, "negative"),
        (Decimal("-0.1"), "negative"),
        ("-0.1", "digits"),
        ("+0.1", "digits"),
        ("1e8", "digits"),
        ("1,5", "digits"),
        (" 1", "digits"),
        ("1\n", "digits"),
        (".5", "digits"),
        ("5.", "digits"),
        ("", "digits"),
        ("NaN", "digits"),
        ("\u0661", "digits"),
        ("1" * 100_000, "digits"),
        (Decimal("NaN"), "not an amount"),
        (Decimal("Infinity"), "not an amount"),
        (0.1, "float"),
        (True, "bool"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_amount_is_refused_and_the_message_says_why(
    btc: object, because: str
) -> None:
    with pytest.raises(InvalidAmount, match=because):
        btc_to_sat(btc)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sat", "btc"),
    [
        (50_000, "0.0005"),
        (100_000_000, "1"),
        (0, "0"),
        (1, "0.00000001"),
        (MAX_SAT, "21000000"),
        (123_456_789, "1.23456789"),
        (-50_000, "-0.0005"),
    ],
)
def test_satoshi_are_written_as_the_shortest_plain_decimal(sat: int, btc: str) -> None:
    assert sat_to_btc(sat) == btc


@given(st.integers(min_value=0, max_value=MAX_SAT))
def test_satoshi_survive_the_way_through_text_and_decimal(sat: int) -> None:
    assert btc_to_sat(sat_to_btc(sat)) == sat
    assert btc_to_sat(Decimal(sat_to_btc(sat))) == sat


@given(st.text(max_size=30))
def test_any_text_is_an_amount_or_invalid_and_never_another_error(text: str) -> None:
    try:
        assert 0 <= btc_to_sat(text) <= MAX_SAT
    except InvalidAmount as error:
        assert str(error)


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_any_decimal_is_an_exact_amount_or_invalid(value: Decimal) -> None:
    try:
        sat = btc_to_sat(value)
    except InvalidAmount:
        return
    assert Decimal(sat_to_btc(sat)) == value


@pytest.mark.parametrize("sat", [0, -1, MAX_SAT + 1, 1.0, "1", True, None])
def test_a_payment_asks_for_at_least_one_satoshi(sat: object) -> None:
    with pytest.raises(InvalidAmount):
        check_sat(sat)


def test_a_payment_uri_carries_address_amount_and_label() -> None:
    uri = payment_uri(ADDRESS, 50_000, "Tea & cake, 2 €")
    parts = urlsplit(uri)
    assert uri.startswith(f"bitcoin:{ADDRESS}?amount=0.0005&label=Tea%20%26%20cake")
    assert "+" not in uri
    assert parse_qs(parts.query) == {"amount": ["0.0005"], "label": ["Tea & cake, 2 €"]}


def test_a_payment_uri_of_any_amount_is_the_bare_address() -> None:
    assert payment_uri(ADDRESS, None, None) == f"bitcoin:{ADDRESS}"
    assert payment_uri(ADDRESS, None, "") == f"bitcoin:{ADDRESS}"


@given(st.integers(0, MAX_SAT), st.integers(1, MAX_SAT), st.integers(0, 50))
def test_a_tolerance_is_what_is_wanted_and_no_more_than_a_share(
    wanted: int, amount: int, percent: int
) -> None:
    found = tolerance_within(wanted, amount, percent)
    assert 0 <= found <= wanted
    assert found * 100 <= amount * percent
    assert found == wanted or (found + 1) * 100 > amount * percent
    assert amount - found >= amount / 2, "no order is free"
