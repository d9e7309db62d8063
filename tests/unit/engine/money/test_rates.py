"""Whose word counts, and the sums that follow: never below the price, never a guess."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.errors import InvalidAmount
from engine.money.amount import MAX_SAT, SAT_PER_BTC
from engine.money.rates import (
    SET,
    Median,
    NoRate,
    Policy,
    Provider,
    Quote,
    Rate,
    RatesReport,
    agreed,
    median_now,
    minor_value,
    rate_from,
    rate_of,
    rate_text,
    sat_price,
)

NOW = 1_700_000_000_000
POLICY = Policy()

RATES = st.decimals("0.01", "1e9", places=4)


def quotes(*rates: str | Decimal, at: int = NOW) -> list[Quote]:
    return [Quote(f"p{n}", "EUR", Decimal(r), at) for n, r in enumerate(rates)]


def rate(found: Rate | NoRate) -> Rate:
    assert isinstance(found, Rate), found
    return found


def none(found: Rate | NoRate) -> NoRate:
    assert isinstance(found, NoRate), found
    return found


# -- what counts -------------------------------------------------------------------


def test_the_median_of_those_who_agree() -> None:
    found = rate(agreed(quotes("50000", "50100", "50300"), None, POLICY, NOW))
    assert (found.text, found.providers) == ("50100", ("p0", "p1", "p2"))
    assert not found.is_lone
    assert not found.aside
    found = rate(agreed(quotes("50000", "50101"), None, POLICY, NOW))
    assert found.text == "50050.5"
    four = rate(agreed(quotes("1000", "1001", "1002", "1010"), None, POLICY, NOW))
    assert four.text == "1001.5"
    five = quotes("1009", "1001", "1000", "1002", "1010")
    assert rate(agreed(five, None, POLICY, NOW)).text == "1002"


@pytest.mark.parametrize("lie", ["0.05", "50000000000", "40000", "61000"])
def test_who_is_out_of_bounds_of_the_others_is_set_aside(lie: str) -> None:
    found = rate(agreed(quotes("50000", lie, "50100"), None, POLICY, NOW))
    assert found.rate == 50050
    assert found.providers == ("p0", "p2")
    (aside,) = found.aside
    assert aside.provider == "p1"
    assert "more than 5 % away" in aside.reason


def test_of_two_who_disagree_the_last_median_knows() -> None:
    said = quotes("50000", "500000")
    why = none(agreed(said, None, POLICY, NOW))
    assert "p0 says 50000, p1 says 500000, which disagree" in why.reason
    assert [(a.provider, a.is_doubted) for a in why.aside] == [
        ("p0", True),
        ("p1", True),
    ]
    (lonely,) = none(agreed(said[:1], None, POLICY, NOW)).aside
    assert not lonely.is_doubted
    found = rate(agreed(said, Median(Decimal(49000), NOW - 1000), POLICY, NOW))
    assert (found.text, found.providers, found.is_lone) == ("50000", ("p0",), True)


def test_more_than_half_is_a_majority_of_any_number() -> None:
    said = quotes("50000", "50000", "50000", "50000", "1", "2", "3")
    assert rate(agreed(said, None, POLICY, NOW)).text == "50000"


def test_a_rate_is_as_old_as_its_oldest_quote() -> None:
    old, new = quotes("50000", "50000")
    old = replace(old, at=NOW - 7)
    assert rate(agreed([new, old], None, POLICY, NOW)).at == NOW - 7


def test_two_against_two_is_no_majority() -> None:
    none(agreed(quotes("100", "101", "200", "201"), None, POLICY, NOW))


def test_a_lone_survivor_is_held_against_the_last_median() -> None:
    last = Median(Decimal(50000), NOW - 3_600_000)
    found = rate(agreed(quotes("54000"), last, POLICY, NOW))
    assert found.is_lone
    assert found.providers == ("p0",)
    why = none(agreed(quotes("56000"), last, POLICY, NOW))
    assert "more than 10 % away from the last median" in why.reason
    assert "alone" in none(agreed(quotes("50000"), None, POLICY, NOW)).reason
    old = Median(Decimal(50000), NOW - 86_400_001)
    none(agreed(quotes("50000"), old, POLICY, NOW))


def test_bounds_and_times_are_counted_to_the_end() -> None:
    found = rate(agreed(quotes("50000", "52500"), None, POLICY, NOW))
    assert (found.currency, found.text) == ("EUR", "51250")
    none(agreed(quotes("50000", "52500.01"), None, POLICY, NOW))
    last = Median(Decimal(50000), NOW - 86_400_000)
    assert rate(agreed(quotes("55000"), last, POLICY, NOW)).is_lone
    (aside,) = none(agreed(quotes("55000.01"), last, POLICY, NOW)).aside
    assert aside.reason == "more than 10 % away from 50000, the last median"
    assert aside.is_doubted
    rate(agreed(quotes("5", "5", at=NOW + 10_000), None, POLICY, NOW))
    none(agreed(quotes("5", "5", at=NOW + 10_001), None, POLICY, NOW))


def test_a_lone_word_never_becomes_the_median() -> None:
    assert median_now(quotes("50000"), POLICY, NOW) is None
    assert median_now(quotes("50000", "90000"), POLICY, NOW) is None
    both = quotes("50000", "50002", at=NOW - 5)
    assert median_now(both, POLICY, NOW) == Median(Decimal(50001), NOW - 5)


def test_what_is_old_is_never_used() -> None:
    stale = quotes("50000", "50100", at=NOW - 300_001)
    why = none(agreed(stale, Median(Decimal(50000), NOW), POLICY, NOW))
    assert why.reason == "no quote of the last 300 s"
    assert why.is_quoted
    assert not any(aside.is_doubted for aside in why.aside)
    rate(agreed(quotes("50000", "50100", at=NOW - 300_000), None, POLICY, NOW))


def test_what_nobody_quotes_is_told_from_what_nobody_has_said_yet() -> None:
    report = RatesReport(providers=(Provider("a", answered_at=1), Provider("b")))
    assert none(rate_of(report, "ZWG", NOW)) == NoRate(
        "ZWG", "b did not answer yet", is_quoted=True
    )
    report = RatesReport(providers=(Provider("a", answered_at=1),))
    assert not none(rate_of(report, "ZWG", NOW)).is_quoted


def test_what_one_alone_quotes_has_no_price_however_long_one_waits() -> None:
    (quote,) = quotes("50000")
    both = (Provider("p0", answered_at=NOW), Provider("p1"))
    waiting = RatesReport(providers=both, quotes={"EUR": (quote,)})
    assert none(rate_of(waiting, "EUR", NOW)).is_quoted
    over = replace(waiting, providers=(both[0], replace(both[1], answered_at=NOW)))
    why = none(rate_of(over, "EUR", NOW))
    assert why.reason == "only p0 quotes it, and one sets no price alone"
    assert not why.is_quoted
    known = replace(over, medians={"EUR": Median(Decimal(50_000), NOW)})
    assert rate(rate_of(known, "EUR", NOW)).is_lone


def test_a_fixed_rate_is_always_fresh() -> None:
    quote = Quote(SET, "EUR", Decimal(50000), 0)
    report = RatesReport(providers=(Provider(SET, 0),), quotes={"EUR": (quote,)})
    found = rate(rate_of(report, "EUR", NOW))
    assert (found.providers, found.is_lone, found.at) == ((SET,), False, NOW)


@given(
    honest=st.lists(st.decimals("49000", "51000", places=2), min_size=2, max_size=6),
    lies=st.lists(RATES, max_size=5),
)
def test_the_median_is_within_the_bounds_of_the_honest(
    honest: list[Decimal], lies: list[Decimal]
) -> None:
    lies = lies[: len(honest) - 1]  # fewer than the honest
    found = agreed(quotes(*honest, *lies), None, POLICY, NOW)
    if isinstance(found, Rate):  # whoever agrees with an honest one may be counted
        low, high = min(honest), max(honest)
        margin = Decimal(POLICY.bound_percent) / 100
        assert low * (1 - margin) <= found.rate <= high * (1 + margin)
        assert len(found.providers) >= 2


# -- numbers of providers ----------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "0", "-1", "NaN", "sNaN", "Infinity", "-Infinity", "1e400", "1e-400", "", "x",
        "1,5", "9" * 41, "1e16", Decimal("NaN"), Decimal("1e400"),
        0, -5, 10**16, True, None, 1.5, [1], {"a": 1}, "0." + "1" * 30,
    ],
)  # fmt: skip
def test_what_can_be_no_rate(value: object) -> None:
    with pytest.raises(InvalidAmount):
        rate_from(value)


def test_the_bounds_of_what_can_be_a_rate() -> None:
    assert [rate_from(r) for r in ("1e-8", "1e15", 7)] == [
        Decimal("1e-8"),
        Decimal("1e15"),
        Decimal(7),
    ]
    assert rate_from("1." + "1" * 24)
    for beyond in ("0.9e-8", "1.1e15", "1." + "1" * 25):
        with pytest.raises(InvalidAmount):
            rate_from(beyond)


def test_rates_are_written_plainly() -> None:
    texts = [rate_text(Decimal(r)) for r in ["5E+4", "100", "50000.50", "0.10"]]
    assert texts == ["50000", "100", "50000.5", "0.1"]


# -- sums --------------------------------------------------------------------------


@given(
    minor=st.integers(1, 10**9),
    decimals=st.integers(0, 4),
    one=st.decimals("0.01", "1e9", places=5),
)
def test_satoshi_are_rounded_up_by_less_than_one(
    minor: int, decimals: int, one: Decimal
) -> None:
    exact = Fraction(minor, 10**decimals) / Fraction(one) * SAT_PER_BTC
    if exact > MAX_SAT:
        with pytest.raises(InvalidAmount):
            sat_price(minor, decimals, one)
        return
    sat = sat_price(minor, decimals, one)
    assert exact <= sat < exact + 1


def test_documented_example() -> None:
    assert sat_price(1990, 2, Decimal(50000)) == 39800
    assert sat_price(1990, 2, Decimal("50000.01")) == 39800  # 39799.992…
    assert sat_price(1990, 2, Decimal("49999.99")) == 39801  # 39800.007…
    assert sat_price(MAX_SAT, 0, Decimal(SAT_PER_BTC)) == MAX_SAT
    with pytest.raises(InvalidAmount, match="21 million"):
        sat_price(MAX_SAT + 1, 0, Decimal(SAT_PER_BTC))
    with pytest.raises(InvalidAmount, match="more than nothing"):
        sat_price(0, 2, Decimal(50000))


@given(minor=st.integers(1, 10**9), one=st.decimals("1", "1e9", places=2))
def test_what_was_paid_is_worth_no_less_than_the_price(
    minor: int, one: Decimal
) -> None:
    exact = Fraction(minor, 100) / Fraction(one) * SAT_PER_BTC
    if exact <= MAX_SAT:
        assert minor_value(sat_price(minor, 2, one), "EUR", one) >= minor


@given(sat=st.integers(-MAX_SAT, MAX_SAT), one=RATES)
def test_the_worth_of_a_sum_and_of_its_return_are_the_same(
    sat: int, one: Decimal
) -> None:
    worth = minor_value(sat, "EUR", one)
    assert minor_value(-sat, "EUR", one) == -worth
    exact = Fraction(sat, SAT_PER_BTC) * Fraction(one) * 100
    assert abs(worth - exact) <= Fraction(1, 2)


def test_the_worth_counts_in_the_currencys_own_unit() -> None:
    values = [minor_value(39800, code, Decimal(50000)) for code in ("EUR", "JPY")]
    assert values == [1990, 20]
    assert minor_value(39800, "KWD", Decimal(50000)) == 19900
