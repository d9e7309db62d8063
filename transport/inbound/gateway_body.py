"""A gateway's body, and what its mapping finds in it. Pure; trusts nothing.

JSON is read strictly (`transport/http/strict_json.py`: depth and number of values are
bounded, no key twice, numbers digit by digit), a form by RFC 1866 with a bound on its
fields. Whoever sent it is checked in `gateway_signature.py`.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl

from engine.errors.codes import Code
from transport.http.problems import Problem
from transport.http.strict_json import parse_json

__all__ = ["BODY_BYTES", "Body", "read_gateway_body"]

BODY_BYTES: Final = 64 * 1024

_MAX_FIELDS: Final = 200

MOST_PLACES: Final = 40
"""Of a number, before the point and behind it; all satoshi that there are have 16."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,3}", re.ASCII)


class Body:
    """What came, by place. `repr` shows nothing: it may hold a customer's data."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "<Body>"

    def find(self, places: Iterable[str]) -> str | int | Decimal | bool | None:
        """The first of these that is there and says something."""
        for place in places:
            found = self._at(place)
            if isinstance(found, str | int | Decimal) and found != "":
                return found
        return None

    def text(self, places: Iterable[str]) -> str | None:
        """Likewise, as text: 1 is "1", true is "true", 12.50 is "12.50"."""
        found = self.find(places)
        if found is None:
            return None
        if isinstance(found, bool):
            return "true" if found else "false"
        return _plain(found) if isinstance(found, Decimal) else str(found).strip()

    def raw_text(self, place: str) -> str:
        """As a signature is made of it; empty if it is not there."""
        found = self._at(place)
        return found if isinstance(found, str) else self.text((place,)) or ""

    def _at(self, place: str) -> Any:
        value = self._value
        for name in _steps(place):
            if isinstance(value, dict):
                value = value.get(name)
            elif isinstance(value, list) and _INDEX.fullmatch(name):
                value = value[int(name)] if int(name) < len(value) else None
            else:
                return None
        return value


def read_gateway_body(raw: bytes, kind: str) -> Body:
    """`kind`: "json" or "form", as the mapping says; what a Content-Type says is not
    asked, as gateways write any. Raises `Problem` 400."""
    if kind == "json":
        return Body(parse_json(raw, exact=True))
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError as error:  # not UTF-8, no form, too many fields
        raise Problem(
            Code.BAD_REQUEST,
            f"The body is no form in UTF-8 with at most {_MAX_FIELDS} fields.",
        ) from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Problem(Code.BAD_REQUEST, "A field of the form occurs twice.")
    return Body(fields)


def _steps(place: str) -> list[str]:
    """Of a JSON pointer (RFC 6901), or of names with dots between them."""
    if not place.startswith("/"):
        return place.split(".")
    steps = place[1:].split("/")
    return [step.replace("~1", "/").replace("~0", "~") for step in steps]


def _plain(value: Decimal) -> str:
    """Without an exponent; but a few bytes may name a number whose digits fill the
    memory (1e200000000), and that stays as it is: no amount, no invoice."""
    if not -MOST_PLACES <= value.adjusted() <= MOST_PLACES:
        return str(value)
    return format(value, "f")
