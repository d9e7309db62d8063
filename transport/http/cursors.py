"""Cursors of lists: opaque to clients, so that what is in them may change.

Pure. A cursor is a position, not a right: what it leads to is filtered as always.
"""

import base64
import binascii

from transport.bodies.problem_body import FieldError
from transport.http.problems import Problem, invalid

__all__ = [
    "age_cursor",
    "number_cursor",
    "place_cursor",
    "read_age",
    "read_number",
    "read_place",
    "read_text",
    "text_cursor",
]

_MAX_NUMBER = 1 << 62


def number_cursor(position: int | None) -> str | None:
    """The cursor of a number; None stays None: there is no more."""
    return None if position is None else text_cursor(str(position))


def text_cursor(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def read_number(cursor: str | None) -> int | None:
    """Raises `Problem` 422 for what is no cursor of ours."""
    if cursor is None:
        return None
    return _number(read_text(cursor))


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise _unknown()
    number = int(text)
    if not 0 < number < _MAX_NUMBER:
        raise _unknown()
    return number


def place_cursor(kind: str, place: int | None) -> str | None:
    """The cursor of a place in one of some listings; None stays None."""
    return None if place is None else text_cursor(f"{kind}{place}")


def read_place(kind: str, cursor: str | None) -> int | None:
    """Raises `Problem` 422 for what is no cursor of ours, or of another listing."""
    if cursor is None:
        return None
    text = read_text(cursor)
    if not text.startswith(kind):
        raise _unknown()
    return _number(text.removeprefix(kind))


def age_cursor(place: tuple[int, str]) -> str:
    """Of what was made then (ms) and has this id."""
    return text_cursor(f"{place[0]} {place[1]}")


def read_age(cursor: str) -> tuple[int, str]:
    """Raises `Problem` 422 for what is no cursor of ours."""
    made_at, _, name = read_text(cursor).partition(" ")
    if not made_at.isascii() or not made_at.isdigit() or len(made_at) > 18 or not name:
        raise _unknown()
    return int(made_at), name


def read_text(cursor: str) -> str:
    """Raises `Problem` 422 for what is no cursor of ours."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise _unknown() from error


def _unknown() -> Problem:
    return invalid(
        FieldError(
            "?cursor",
            "must be the next_cursor of an earlier response to the same question",
        )
    )
