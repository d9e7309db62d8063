"""A large JSON text with one list in it, read piece by piece.

`{"payments":[…]}` of a mebibyte is taken apart at the commas of its list in one quick
step that reads nothing of the items; each item is then read strictly by itself, as if
it had come alone, and others run in between. So no body holds the hub longer than the
largest single request does. Runs in the request's greenlet.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from engine.errors.codes import Code
from engine.runtime.yielding import yield_to_hub
from transport.bodies.problem_body import FieldError
from transport.http.json_values import has_at_most
from transport.http.problems import Problem, invalid
from transport.http.strict_json import (
    canonical,
    parse_json,
    shown_name,
    too_many_values,
)

__all__ = ["JsonList", "read_list"]

TURN_BYTES: Final = 32 * 1024
"""Of items that are read before others have their turn: some 2 ms."""

TURN_ITEMS: Final = 50
MAX_ERRORS: Final = 20

_HEAD: Final = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"(?:[^"\\]|\\.){1,200}"[ \t\r\n]*:')
_TAIL: Final = re.compile(rb"[ \t\r\n]*\}[ \t\r\n]*")


class JsonList(msgspec.Struct, frozen=True):
    """The items, each as it was read, or the `Problem` why it cannot be."""

    items: list[Any | Problem]
    canonical: bytes
    """One form of the whole body, as `strict_json.canonical` makes it."""


def read_list(
    body: bytes, name: str, *, most_values: int, item_bytes: int, allowed: str
) -> JsonList:
    """The list in `{"<name>": […]}`. Raises `Problem` 400 or 422.

    The body may have `most_values` values, at any depth; an item that is longer than
    `item_bytes` is a problem of its own. `allowed` completes "must be …". How many
    items there may be the caller checks.
    """
    if not has_at_most(body, most_values):
        raise too_many_values(most_values)
    pieces = _pieces(body, name, allowed)
    items: list[Any | Problem] = []
    parts: list[bytes] = []
    read = turn = 0
    for number, raw in enumerate(pieces):
        piece = bytes(raw)
        if read + len(piece) > TURN_BYTES or turn == TURN_ITEMS:
            yield_to_hub()
            read = turn = 0
        read, turn = read + len(piece), turn + 1
        if len(piece) > item_bytes:
            kib = item_bytes // 1024
            detail = f"One of the {name} may have at most {kib} KiB."
            items.append(Problem(Code.BODY_TOO_LARGE, detail))
            parts.append(piece)
            continue
        value = _read(piece, f"/{name}/{number}")
        items.append(value)
        parts.append(canonical(value))
    head = canonical({name: []}).removesuffix(b"]}")
    return JsonList(items, head + b",".join(parts) + b"]}")


def _pieces(body: bytes, name: str, allowed: str) -> Sequence[msgspec.Raw]:
    """The items as they came, none of them read."""
    try:
        top = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:  # it is JSON, and no object
        raise invalid(FieldError("", "must be an object")) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _not_json(body, error) from error
    unknown = f"is unknown; known fields: {name}"
    wrong = [FieldError(f"/{shown_name(key)}", unknown) for key in top if key != name]
    if name not in top:
        wrong.append(FieldError(f"/{name}", f"is required: {allowed}"))
    if wrong:
        raise invalid(*wrong[:MAX_ERRORS])
    listed = bytes(top[name])
    head = _HEAD.match(body)
    if (
        head is None
        or not (rest := body[head.end() :].lstrip()).startswith(listed)
        or not _TAIL.fullmatch(rest, len(listed))
    ):
        raise Problem(
            Code.INVALID_JSON,
            f"The body is not valid JSON: the key {name!r} occurs twice.",
        )
    try:
        return msgspec.json.decode(listed, type=list[msgspec.Raw])
    except msgspec.ValidationError as error:
        raise invalid(FieldError(f"/{name}", f"must be {allowed}")) from error


def _not_json(body: bytes, error: Exception) -> Problem:
    if isinstance(error, RecursionError):
        return Problem(Code.INVALID_JSON, "The body is nested too deeply.")
    try:
        body.decode("utf-8")
    except UnicodeError:
        return Problem(Code.INVALID_JSON, "The body is not valid UTF-8.")
    return Problem(Code.INVALID_JSON, f"The body is not JSON: {error}.")


def _read(piece: bytes, place: str) -> Any:
    """One item, strictly. What is no JSON makes the whole body none."""
    try:
        return parse_json(piece)
    except Problem as problem:
        raise Problem(problem.code, f"{problem.detail} (in {place})") from problem
