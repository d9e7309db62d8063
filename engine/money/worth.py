"""What sums of bitcoin were worth in money, at the rate of the moment. Pure.

What is booked of one payment has a worth that only its own events change, so that it
never drifts: more of it is worth what the rate says (of a payment with a price: its
share of that price, so that the whole sum is worth the whole price), less of it takes
its share of what it was worth away, and nothing of it is worth nothing. Whatever was
booked and taken back comes to zero, at whatever rate the two happened.
"""

from decimal import Decimal

import msgspec

from engine.money.currency import MAX_MINOR, decimals_of
from engine.money.rates import Rate, minor_value

__all__ = [
    "Quoted",
    "Worth",
    "at_rate",
    "of_less",
    "of_price",
    "quoted",
    "quoted_in",
    "together",
]


class Worth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a sum of bitcoin was worth in money, by the rate of its moment."""

    currency: str  # ISO 4217
    minor: int  # in units of 10^-decimals
    decimals: int
    rate: str  # of one BTC in the currency, plain decimal text
    rate_at: int  # ms


class Quoted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one BTC was worth at a moment."""

    currency: str  # ISO 4217
    rate: str  # plain decimal text
    rate_at: int  # ms


def quoted(rate: Rate) -> Quoted:
    return Quoted(currency=rate.currency, rate=rate.text, rate_at=rate.at)


def quoted_in(worth: Worth | None) -> Quoted | None:
    """The rate by which it was valued."""
    if worth is None:
        return None
    return Quoted(currency=worth.currency, rate=worth.rate, rate_at=worth.rate_at)


def at_rate(sat: int, quote: Quoted | None) -> Worth | None:
    """So many satoshi at this rate; None: there is none, or it is beyond all that is
    counted in money."""
    if quote is None:
        return None
    minor = minor_value(sat, quote.currency, Decimal(quote.rate))
    if abs(minor) > MAX_MINOR:
        return None
    return Worth(
        currency=quote.currency,
        minor=minor,
        decimals=decimals_of(quote.currency),
        rate=quote.rate,
        rate_at=quote.rate_at,
    )


def of_price(minor: int, sat: int, asked_sat: int) -> int:
    """What `sat` are worth where `asked_sat` are worth the price: to the nearest unit,
    a half upwards."""
    assert asked_sat > 0, asked_sat
    return (2 * minor * sat + asked_sat) // (2 * asked_sat)


def of_less(before: Worth, sat: int, sat_before: int) -> Worth:
    """What is taken away of a worth, as a negative one, when of `sat_before` only `sat`
    are left."""
    assert 0 <= sat < sat_before, (sat, sat_before)
    left = of_price(before.minor, sat, sat_before)
    return msgspec.structs.replace(before, minor=left - before.minor)


def together(before: Worth | None, change: Worth) -> Worth | None:
    """Both; None: of nothing. The rate is that of the change."""
    if before is None:
        return change
    assert before.currency == change.currency, (before, change)
    minor = before.minor + change.minor
    return msgspec.structs.replace(change, minor=minor)
