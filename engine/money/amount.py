"""Money: integer satoshi inside, BTC only as text at the edge.

Pure functions, no state; anybody may call them from any greenlet. Everything that
counts money in Paybell is an `int` of satoshi; BTC appears only as decimal text in
payment URIs and in what some providers send, and is parsed exactly. Binary floats are
refused by type, because 0.1 + 0.2 is not money.
"""

import re
from decimal import Decimal
from urllib.parse import quote

from engine.errors import InvalidAmount

__all__ = [
    "MAX_SAT",
    "SAT_PER_BTC",
    "btc_to_sat",
    "check_sat",
    "payment_uri",
    "sat_to_btc",
    "tolerance_within",
]

SAT_PER_BTC = 100_000_000

#: No more bitcoin will ever exist (consensus MAX_MONEY), in satoshi.
MAX_SAT = 21_000_000 * SAT_PER_BTC

#: Plain decimal text. ASCII digits only: `\d` would let other scripts' digits in.
_DECIMAL = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?", re.ASCII)


def btc_to_sat(text: str | Decimal | int) -> int:
    """Exact satoshi of an amount in BTC: "0.0005" -> 50000.

    Text must be plain decimal (no sign, exponent, comma, space). A `Decimal` may come
    from a JSON parser and is taken by value. Raises `InvalidAmount`.
    """
    if isinstance(text, bool) or not isinstance(text, str | Decimal | int):
        raise InvalidAmount(
            f"an amount in BTC is decimal text, not {type(text).__name__}: "
            "binary floating point cannot hold it exactly"
        )
    if isinstance(text, str):
        return _text_to_sat(text)
    if isinstance(text, int):
        return _checked_btc(text)
    return _decimal_to_sat(text)


def tolerance_within(wanted_sat: int, amount_sat: int, percent: int) -> int:
    """How much too little counts as paid: what is wanted, and no more than a share.

    A tolerance in satoshi alone would make an order of so much free. Rounded down, so
    that of a few satoshi all are asked for.
    """
    assert 0 <= percent < 100, percent
    assert wanted_sat >= 0 < amount_sat, (wanted_sat, amount_sat)
    return min(wanted_sat, amount_sat * percent // 100)


def check_sat(amount: object) -> int:
    """`amount` itself if it is a whole number of satoshi from 1 to `MAX_SAT`."""
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise InvalidAmount("an amount in satoshi is a whole number")
    if amount < 1:
        raise InvalidAmount("an amount must be at least 1 satoshi")
    if amount > MAX_SAT:
        raise InvalidAmount(f"an amount is at most {MAX_SAT} satoshi (21 million BTC)")
    return amount


def sat_to_btc(sat: int) -> str:
    """BTC as the shortest plain decimal: 50000 -> "0.0005", 100000000 -> "1"."""
    if isinstance(sat, bool) or not isinstance(sat, int):
        raise InvalidAmount(f"satoshi are an int, not {type(sat).__name__}")
    whole, rest = divmod(abs(sat), SAT_PER_BTC)
    sign = "-" if sat < 0 else ""
    fraction = f"{rest:08d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def payment_uri(address: str, amount_sat: int | None, label: str | None) -> str:
    """The BIP 321 URI of a payment: `bitcoin:<address>?amount=<BTC>&label=<text>`.

    BIP 321: the amount is in decimal BTC, the label percent-encoded UTF-8 (a space is
    %20: "+" has no special meaning in these URIs).
    """
    query = []
    if amount_sat is not None:
        query.append(f"amount={sat_to_btc(check_sat(amount_sat))}")
    if label:
        query.append(f"label={quote(label, safe='')}")
    return f"bitcoin:{address}" + ("?" + "&".join(query) if query else "")


def _text_to_sat(text: str) -> int:
    shown = repr(text if len(text) <= 40 else text[:40] + "…")
    match = _DECIMAL.fullmatch(text) if len(text) <= 41 else None
    if match is None:
        raise InvalidAmount(
            f"{shown} is not an amount in BTC: digits and at most one point, "
            'as in "0.0005" (no sign, exponent, comma or space)'
        )
    whole, fraction = match.group(1), match.group(2) or ""
    if fraction[8:].strip("0"):
        raise InvalidAmount(
            f"{shown} has more than 8 decimals: the smallest amount is 0.00000001 BTC"
        )
    _checked_btc(int(whole))
    return _within(int(whole) * SAT_PER_BTC + int(fraction[:8].ljust(8, "0")))


def _decimal_to_sat(value: Decimal) -> int:
    if not value.is_finite():
        raise InvalidAmount(f"{value} is not an amount in BTC")
    if value.is_signed() and value != 0:
        raise InvalidAmount(f"{_shown(value)} BTC is negative")
    # By digits and exponent, never by arithmetic: the caller's decimal context may
    # round, and 1E+999999999 must not become a number with a billion digits.
    _sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # finite, see above
    if value == 0:
        return 0
    if value.adjusted() > 8:
        raise InvalidAmount(f"{_shown(value)} BTC is more than 21 million BTC")
    trailing = 0
    while trailing < len(digits) and digits[-1 - trailing] == 0:
        trailing += 1
    if exponent + trailing < -8:
        raise InvalidAmount(
            f"{_shown(value)} has more than 8 decimals: "
            "the smallest amount is 0.00000001 BTC"
        )
    significant = int("".join(map(str, digits[: len(digits) - trailing])))
    return _within(significant * 10 ** (exponent + trailing + 8))


def _checked_btc(btc: int) -> int:
    if btc < 0:
        raise InvalidAmount(f"{btc} BTC is negative")
    return _within(btc * SAT_PER_BTC)


def _within(sat: int) -> int:
    if sat > MAX_SAT:
        raise InvalidAmount(f"{sat_to_btc(sat)} BTC is more than 21 million BTC")
    return sat


def _shown(value: Decimal) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:40] + "…"
