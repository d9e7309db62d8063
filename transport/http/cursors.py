"""Cursors of lists: opaque to clients, so that what is in them may change.

Pure. A cursor is a position, not a right: what it leads to is filtered as always.
"""

import base64
import binascii

from transport.http.problems import Problem, invalid
from transport.problem_body import FieldError

__all__ = ["number_cursor", "read_number", "read_text", "text_cursor"]

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
    text = read_text(cursor)
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise _unknown()
    number = int(text)
    if not 0 < number < _MAX_NUMBER:
        raise _unknown()
    return number


def read_text(cursor: str) -> str:
    """Raises `Problem` 422 for what is no cursor of ours."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise _unknown() from error


def _unknown() -> Problem:
    return invalid(
        FieldError("?cursor", "must be the next_cursor of an earlier response")
    )
