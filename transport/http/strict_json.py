"""JSON, read strictly: what two parsers could read differently is refused.

UTF-8 only, no key twice in an object (parsers disagree on which one counts), no NaN,
no halves of characters, no nesting and no number of values without end: these are
counted before the text is read (`json_values.py`). Runs in the request's greenlet.
"""

import json
from decimal import Decimal
from typing import Any, Final

from engine.errors.codes import Code
from transport.bodies.strict_decoder import NotANumber, RepeatedKey, strict_decoder
from transport.http.json_values import has_at_most
from transport.http.problems import Problem

__all__ = [
    "LONGEST_SHOWN",
    "MOST_VALUES",
    "canonical",
    "parse_json",
    "shown_name",
    "too_many_values",
]

MOST_VALUES: Final = 1_000
"""In one request: the largest that there is, a payment with all its metadata, has 70.
To read 64 KiB with so many takes 2 ms, with as many as there can be 60."""

LONGEST_SHOWN: Final = 40


def parse_json(body: bytes, *, exact: bool = False) -> Any:
    """The value of a JSON text. Raises `Problem` 400, which says what is wrong.

    `exact`: numbers with a point are `Decimal`, digit by digit, never a float.
    """
    if not has_at_most(body, MOST_VALUES):
        raise too_many_values(MOST_VALUES)
    try:
        text = body.decode("utf-8")
        value = (_exact if exact else _plain).decode(text)
        if "\\u" in text:  # the only way in for half a surrogate pair
            _canonical_text(value).encode()
    except UnicodeError as error:
        raise _invalid("The body is not valid UTF-8.") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise _invalid(f"The body is not JSON: {error.msg} at {place}.") from error
    except RepeatedKey as error:
        raise _malformed(f"the key {shown_name(error.key)!r} occurs twice") from None
    except NotANumber as error:
        raise _malformed(f"{error.name} is not a JSON value") from None
    except RecursionError as error:
        raise _invalid("The body is nested too deeply.") from error
    except ValueError as error:  # an integer of more digits than Python reads
        raise _invalid("The body has a number that is too long.") from error
    return value


def canonical(value: Any) -> bytes:
    """One form of a JSON value, whatever the order of its keys and its spaces.

    Raises `Problem` 400: what was just not too deep to be read may be to be written.
    """
    try:
        return _canonical_text(value).encode()
    except RecursionError as error:
        raise _invalid("The body is nested too deeply.") from error


def too_many_values(most: int) -> Problem:
    """What is refused without a look at it."""
    return _invalid(f"The body is nested too deeply, or has more than {most} values.")


def shown_name(name: str) -> str:
    """A name that a client made up, cut to what an answer should repeat of it."""
    return name if len(name) <= LONGEST_SHOWN else name[:LONGEST_SHOWN] + "…"


def _canonical_text(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
    )


def _invalid(detail: str) -> Problem:
    return Problem(Code.INVALID_JSON, detail)


def _malformed(why: str) -> Problem:
    return _invalid(f"The body is not valid JSON: {why}.")


_plain: Final = strict_decoder()
_exact: Final = strict_decoder(parse_float=Decimal)
