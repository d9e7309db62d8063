"""Reading a request: its JSON body or its query string, as one of our types.

Every field is checked by itself against its type, so that a client learns of all its
mistakes at once, each with its place, with what is allowed there and with what came.
Floats are no integers here: 50000.0 satoshi are refused.

Runs in the request's greenlet; waits only for the body, under the server's deadline.
"""

import itertools
import json
import re
import typing
from functools import cache
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, UnsetType

from engine.delivery import email
from engine.errors.codes import Code
from transport.bodies.problem_body import FieldError
from transport.http.input_values import CaPem
from transport.http.problems import Problem, invalid
from transport.http.strict_json import LONGEST_SHOWN, parse_json, shown_name
from transport.server.request_body import read_body

__all__ = [
    "BATCH_BYTES",
    "BODY_BYTES",
    "check",
    "json_body",
    "json_text",
    "query",
    "query_pairs",
    "typed",
]

BODY_BYTES = 64 * 1024
BATCH_BYTES = 1024 * 1024

MAX_ERRORS = 20
MAX_PARAMETERS = 20

_JSON = re.compile(
    r'application/json[ \t]*(;[ \t]*charset="?utf-8"?[ \t]*)?', re.IGNORECASE
)

_OF_LINES = (CaPem, CaPem | UnsetType, *email.LINES)

T = TypeVar("T", bound=msgspec.Struct)


def json_body(
    environ: dict[str, Any],
    limit_bytes: int = BODY_BYTES,
    *,
    may_be_empty: bool = False,
    also: str = "",
) -> Any:
    """The body as a JSON value; an empty one is {} where it may be. `also`: another
    media type that it may say it has.

    Raises `Problem` 400 or 415, and `BodyError` 408 or 413.
    """
    body = read_body(environ, limit_bytes)
    if not body and may_be_empty:
        return {}
    _require_json(environ, also)
    return parse_json(body)


def json_text(environ: dict[str, Any], limit_bytes: int) -> bytes:
    """The body, which says that it is JSON, not read yet.

    Raises `Problem` 415, and `BodyError` 408 or 413.
    """
    body = read_body(environ, limit_bytes)
    _require_json(environ)
    return body


def typed(value: Any, kind: type[T]) -> T:
    """A JSON value as `kind`. Raises `Problem` 422 that names everything wrong."""
    result = check(value, kind)
    if isinstance(result, tuple):
        raise invalid(*result)
    return result


def query(environ: dict[str, Any], kind: type[T]) -> T:
    """The query string as `kind`. Raises `Problem` 400 or 422."""
    values: dict[str, str] = {}
    errors = []
    for name, value in query_pairs(environ):
        if name in values:
            errors.append(FieldError(f"?{shown_name(name)}", "is given more than once"))
        values[name] = value
    result = check(values, kind, pointer="?", strict=False)
    if isinstance(result, tuple):
        errors.extend(result)
    if errors or isinstance(result, tuple):
        raise invalid(*errors[:MAX_ERRORS])
    return result


def query_pairs(
    environ: dict[str, Any], most: int = MAX_PARAMETERS, *, strict: bool = True
) -> list[tuple[str, str]]:
    """The query string's names and values, in order.

    `strict`: every part must have an equals sign. Raises `Problem` 400.
    """
    text = environ.get("QUERY_STRING", "")
    if not text:
        return []
    try:
        return parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=strict,
            errors="strict",
            max_num_fields=most,
        )
    except (ValueError, UnicodeError) as error:
        raise Problem(
            Code.INVALID_QUERY,
            "The query string must be name=value pairs joined by &, percent-encoded"
            f" UTF-8, at most {most} of them.",
        ) from error


def check(
    value: Any, kind: type[T], *, pointer: str = "/", strict: bool = True
) -> T | tuple[FieldError, ...]:
    """`value` as `kind`, or what is wrong with it. `pointer` precedes field names."""
    if not isinstance(value, dict):
        return (FieldError("", f"must be an object (got {_described(value)})"),)
    hints = _fields(kind)
    unknown = itertools.islice(
        (name for name in value if name not in hints), MAX_ERRORS
    )
    errors = [
        FieldError(
            pointer + _escaped(name),
            f"is unknown; known fields: {', '.join(hints) or 'none'}",
        )
        for name in unknown
    ]
    taken: dict[str, Any] = {}
    for name, (hint, allowed, required) in hints.items():
        if name in value:
            converted = _convert(value[name], hint, strict)
            if isinstance(converted, msgspec.ValidationError):
                got = _described(value[name], may_quote=not _takes_text(hint))
                text = f"must be {allowed} (got {got})"
                errors.append(FieldError(pointer + name, text))
            else:
                taken[name] = converted
        elif required:
            errors.append(FieldError(pointer + name, f"is required: {allowed}"))
    if errors:
        return tuple(errors[:MAX_ERRORS])
    return kind(**taken)


def _require_json(environ: dict[str, Any], also: str = "") -> None:
    if environ.get("HTTP_CONTENT_ENCODING", "identity").strip() != "identity":
        raise Problem(
            Code.UNSUPPORTED_MEDIA_TYPE,
            "Compressed bodies are not supported. Send the body without"
            " Content-Encoding.",
        )
    said = environ.get("CONTENT_TYPE", "").strip()
    if not _JSON.fullmatch(said) and said.lower() != (also or "application/json"):
        raise Problem(
            Code.UNSUPPORTED_MEDIA_TYPE,
            "The body must be JSON, with Content-Type: application/json.",
        )


def _convert(value: Any, hint: Any, strict: bool) -> Any:
    try:
        converted = msgspec.convert(value, hint, strict=strict)
    except msgspec.ValidationError as error:
        return error
    # A pattern's $ would let a newline at the end through.
    if (
        isinstance(converted, str)
        and converted.endswith("\n")
        and hint not in _OF_LINES
    ):
        return msgspec.ValidationError("newline at the end")
    return converted


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, tuple[Any, str, bool]]:
    """By name: the type, what is allowed (for people), and whether it must be there."""
    return {
        field.encode_name: (field.type, _allowed(field.type), field.required)
        for field in msgspec.structs.fields(kind)
    }


def _allowed(hint: Any) -> str:
    """The outermost description of a type."""
    if typing.get_origin(hint) is Annotated:
        for meta in reversed(hint.__metadata__):
            if isinstance(meta, Meta) and meta.description:
                return meta.description
    for inner in typing.get_args(hint):
        found = _allowed(inner)
        if found:
            return found
    return ""


def _takes_text(hint: Any) -> bool:
    """Whether text may come there: a wrong one may hold a secret, as a URL may."""
    return hint is str or any(map(_takes_text, typing.get_args(hint)))


def _described(value: Any, *, may_quote: bool = False) -> str:
    """What came: as it is if it is short, else how much of it there was.

    Text only where nobody has a reason to send a secret: answers are logged elsewhere.
    """
    match value:
        case None | bool():
            return json.dumps(value)
        case int() if value.bit_length() > 128:
            return "a number of many digits"
        case int() | float():
            return str(value)
        case str() if may_quote and len(value) <= LONGEST_SHOWN:
            return json.dumps(value, ensure_ascii=False)
        case str():
            return f"a text of {len(value)} characters"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return f"an object of {len(value)}"
    return "something else"


def _escaped(name: str) -> str:
    """A name within a JSON pointer (RFC 6901)."""
    return shown_name(name).replace("~", "~0").replace("/", "~1")
