"""Ids that are made here: nobody guesses one, and a double click selects it."""

import secrets
import string
from typing import Final

__all__ = ["new_id", "new_payment_id", "new_refund_id", "successor_id"]

_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_CHARS: Final = 22  # 131 bits
_TIME_CHARS: Final = 8  # of these in a payment's; 83 bits are left


def new_id(prefix: str) -> str:
    """An id that cannot be guessed, like ch_3fK…"""
    return prefix + _random(_ID_CHARS)


def new_payment_id(now: int) -> str:
    """One that sorts by the time (ms) it was made: in the database's trees new
    payments are neighbours, not strewn over all pages."""
    return f"pay_{_digits(now, _TIME_CHARS)}{_random(_ID_CHARS - _TIME_CHARS)}"


def successor_id(expired_at: int, number: int) -> str:
    """Of the payment that follows one that expired then (ms): as `new_payment_id`, but
    for a number that is given in place of a random one."""
    length = _ID_CHARS - _TIME_CHARS
    rest = _digits(number % len(_ALPHABET) ** length, length)
    return f"pay_{_digits(expired_at, _TIME_CHARS)}{rest}"


def new_refund_id(now: int) -> str:
    """The same for a refund."""
    return f"ref_{_digits(now, _TIME_CHARS)}{_random(_ID_CHARS - _TIME_CHARS)}"


def _random(length: int) -> str:
    return _digits(secrets.randbelow(len(_ALPHABET) ** length), length)


def _digits(number: int, length: int) -> str:
    """A number as so many letters and digits, in the order of ASCII."""
    found = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        found.append(_ALPHABET[digit])
    return "".join(reversed(found))
