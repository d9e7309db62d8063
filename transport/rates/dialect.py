"""What is particular to one provider: where it is asked, and how its answer is read.

A dialect reads JSON that was parsed exactly (numbers are `Decimal`) and says what it
found, currency by currency; whether a number can be a rate is judged elsewhere. Pure.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from msgspec import Struct

__all__ = [
    "Dialect",
    "Malformed",
    "Said",
    "Slow",
    "a_text",
    "moment",
    "member",
    "table",
]

MAX_MOMENT = 2**33
"""Unix time in seconds; the year 2242."""


class Malformed(ValueError):
    """Not the answer that is documented; the text says where, in our own words."""


class Slow(Exception):
    """An answer that asks for a pause, without HTTP's words for it."""


class Said(NamedTuple):
    """One number of an answer. `at_s`: when it was so, if the provider says."""

    currency: str
    value: object
    at_s: int | None = None


class Dialect(Struct, frozen=True):
    """`paths`: one request each, in this order. `read` may raise the errors above."""

    name: str
    url: str
    paths: tuple[str, ...]
    read: Callable[[Any], Iterable[Said]]


def member(value: object, name: str) -> object:
    """A member of an object. Raises `Malformed`."""
    if not isinstance(value, Mapping) or name not in value:
        raise Malformed(f"an answer without {name!r}")
    return value[name]


def table(value: object, name: str) -> Mapping[str, object]:
    """A member that is itself an object."""
    found = member(value, name)
    if not isinstance(found, Mapping):
        raise Malformed(f"an answer whose {name!r} is no object")
    return found


def a_text(value: object, name: str) -> str:
    """A member that is text."""
    found = member(value, name)
    if not isinstance(found, str):
        raise Malformed(f"an answer whose {name!r} is no text")
    return found


def moment(value: object, name: str) -> int:
    """Unix time in seconds, a number or its text."""
    found = member(value, name)
    if isinstance(found, str) and found.isascii() and found.isdigit():
        found = Decimal(found) if len(found) <= 12 else None
    if not isinstance(found, Decimal) or not 0 < found < MAX_MOMENT:
        raise Malformed(f"an answer whose {name!r} is no Unix time")
    return int(found)
