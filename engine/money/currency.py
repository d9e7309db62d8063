"""Currencies and their smallest units. Pure.

ISO 4217 says which currencies there are and how many decimals each has. A gateway may
count otherwise (its mapping then says so), and have currencies of its own: to it a code
that the standard has not is one of two decimals. A price of a payment on the chain is
in a currency of the standard (`priced_in`). Amounts are whole numbers of the smallest
unit everywhere inside; decimal text is read digit by digit, never through a float.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from engine.errors import InvalidAmount

__all__ = [
    "CURRENCIES",
    "CURRENCY",
    "MAX_DECIMALS",
    "MAX_MINOR",
    "decimals_of",
    "minor_of",
    "minor_text",
    "money_text",
    "priced_in",
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

_TWO = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP
    BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB
    EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES
    KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
    MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD
    RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
    TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
"""

CURRENCIES: Final = frozenset([*_TWO.split(), *_OTHERS])
"""Those of ISO 4217 (list one, as of 2026-01-01) that have a smallest unit."""

_WHAT_IT_IS: Final = {
    "XAG": "silver by the ounce",
    "XAU": "gold by the ounce",
    "XPD": "palladium by the ounce",
    "XPT": "platinum by the ounce",
    "XBA": "a unit of the bond market",
    "XBB": "a unit of the bond market",
    "XBC": "a unit of the bond market",
    "XBD": "a unit of the bond market",
    "XDR": "the drawing right of the IMF",
    "XSU": "a unit of account of states",
    "XUA": "a unit of account of a bank",
    "XTS": "reserved for tests",
    "XXX": "for what has no currency",
}
"""Codes of the standard without a smallest unit: nothing is sold in them."""

_NUMBER = re.compile(r"[0-9]{1,16}(\.[0-9]{1,8})?", re.ASCII)


def decimals_of(currency: str) -> int:
    """How many decimals ISO 4217 gives the currency."""
    return _OTHERS.get(currency, 2)


def priced_in(currency: str) -> int:
    """How many decimals a price in this currency has.

    Raises `InvalidAmount`, with the reason, for what is no currency of the standard.
    """
    if (what := _WHAT_IT_IS.get(currency)) is not None:
        raise InvalidAmount(f"must be a currency: {currency} is {what}")
    if currency not in CURRENCIES:
        raise InvalidAmount("must be a currency of ISO 4217, like EUR")
    return decimals_of(currency)


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


def minor_text(minor: int, decimals: int) -> str:
    """Plain decimal text with all decimals: `12.50`, `-0.05`, `7`."""
    if not decimals:
        return str(minor)
    whole, rest = divmod(abs(minor), 10**decimals)
    return f"{'-' if minor < 0 else ''}{whole}.{rest:0{decimals}d}"


def money_text(minor: int, currency: str, decimals: int) -> str:
    """For people: `12.50 EUR`."""
    return f"{minor_text(minor, decimals)} {currency}"
