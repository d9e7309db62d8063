"""A provider's JSON, digit by digit: every number is a `Decimal`, none a float.

A key that is there twice is refused, as NaN is and Infinity. Pure; the body's size is
bounded by whoever read it.
"""

from decimal import Decimal
from typing import Any

from transport.bodies.strict_decoder import NotANumber, RepeatedKey, strict_decoder
from transport.rates.dialect import Malformed

__all__ = ["exact_json"]


def exact_json(body: bytes) -> Any:
    """Raises `Malformed`."""
    try:
        return _decoder.decode(body.decode("utf-8"))
    except RepeatedKey:
        raise Malformed("an object with a key twice") from None
    except NotANumber:
        raise Malformed("a number that is none") from None
    except RecursionError as error:
        raise Malformed("an answer that is nested too deeply") from error
    except (ValueError, ArithmeticError) as error:  # no JSON, no UTF-8, no number
        what = "a web page" if body.lstrip()[:1] == b"<" else "no JSON"
        raise Malformed(f"{what} in place of rates") from error


_decoder = strict_decoder(parse_float=Decimal, parse_int=Decimal)
