"""Currencies and their smallest units. Pure.

ISO 4217 says how many decimals a currency has; two, but for those below. A gateway may
count otherwise (its mapping then says so). Amounts are whole numbers of the smallest
unit everywhere inside; decimal text is read digit by digit, never through a float.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from engine.errors import InvalidAmount

__all__ = [
    "CURRENCY",
    "MAX_DECIMALS",
    "MAX_MINOR",
    "decimals_of",
    "minor_of",
    "money_text",
]

MAX_MINOR: Final = 2**53 - 1
"""What JavaScript reads exactly; 90 million million euro."""

MAX_DECIMALS: Final = 8

CURRENCY: Final = r"^[A-Z]{3}$"

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_OTHERS: Final = (
    dict.fromkeys(_NONE.split(), 0)
    | dict.fromkeys(_THREE.split(), 3)
    | dict.fromkeys(["CLF", "UYW"], 4)
)

_NUMBER = re.compile(r"[0-9]{1,16}(\.[0-9]{1,8})?", re.ASCII)


def decimals_of(currency: str) -> int:
    """How many decimals ISO 4217 gives the currency."""
    return _OTHERS.get(currency, 2)


def minor_of(value: object, decimals: int, *, is_minor: bool = False) -> int:
    """An amount as a whole number of the smallest unit: `"12.50"`, with 2 decimals, is
    1250. `is_minor`: the value counts those units already.

    Takes text, `int` or `Decimal`. Raises `InvalidAmount`.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidAmount("must be a number")
    if isinstance(value, Decimal) and not -40 <= value.adjusted() <= 40:
        raise InvalidAmount("must be a plain decimal number")  # its digits fill memory
    text = format(value, "f") if isinstance(value, Decimal) else str(value).strip()
    if len(text) > 40 or not _NUMBER.fullmatch(text):
        raise InvalidAmount("must be a plain decimal number that is not negative")
    try:
        minor = Decimal(text).scaleb(0 if is_minor else decimals)
    except InvalidOperation as error:
        raise InvalidAmount("is not a number that we can count") from error
    if minor != minor.to_integral_value():
        what = "a whole number" if is_minor else f"of at most {decimals} decimals"
        raise InvalidAmount(f"must be {what}")
    if minor > MAX_MINOR:
        raise InvalidAmount(f"must be at most {MAX_MINOR} of the smallest unit")
    return int(minor)


def money_text(minor: int, currency: str, decimals: int) -> str:
    """For people: `12.50 EUR`."""
    amount = Decimal(minor).scaleb(-decimals) if decimals else Decimal(minor)
    return f"{amount:f} {currency}"
