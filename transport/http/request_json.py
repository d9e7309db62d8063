"""Reading a request: bounded, strict JSON; typed; and everything wrong told at once.

JSON is read strictly: UTF-8 only, no duplicate keys (parsers disagree on which one
counts), no NaN, no halves of characters. Every field is checked by itself against its
type, so that a client learns of all its mistakes, each with its place and with what is
allowed there. Floats are no integers here: 50000.0 satoshi are refused.

Runs in the request's greenlet; waits only for the body, under the server's deadline.
"""

import json
import re
import typing
from functools import cache
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from engine.errors import Code
from transport.http.problems import Problem, invalid
from transport.server.refusal import FieldError
from transport.server.request_body import read_body

__all__ = [
    "BATCH_BYTES",
    "BODY_BYTES",
    "canonical",
    "check",
    "json_body",
    "query",
    "typed",
]

BODY_BYTES = 64 * 1024
BATCH_BYTES = 1024 * 1024

MAX_ERRORS = 20
MAX_PARAMETERS = 20
LONGEST_SHOWN = 40

_JSON = re.compile(
    r'application/json[ \t]*(;[ \t]*charset="?utf-8"?[ \t]*)?', re.IGNORECASE
)

T = TypeVar("T", bound=msgspec.Struct)


class _Malformed(ValueError):
    """Not the JSON that we read; the text is for people."""


def json_body(
    environ: dict[str, Any],
    limit_bytes: int = BODY_BYTES,
    *,
    may_be_empty: bool = False,
) -> Any:
    """The body as a JSON value; an empty one is {} where it may be.

    Raises `Problem` 400 or 415, and `BodyError` 408 or 413.
    """
    body = read_body(environ, limit_bytes)
    if not body and may_be_empty:
        return {}
    _require_json(environ)
    return _parse(body)


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
    for name, value in _pairs(environ.get("QUERY_STRING", "")):
        if name in values:
            errors.append(FieldError(f"?{_shown(name)}", "is given more than once"))
        values[name] = value
    result = check(values, kind, pointer="?", strict=False)
    if isinstance(result, tuple):
        errors.extend(result)
    if errors or isinstance(result, tuple):
        raise invalid(*errors[:MAX_ERRORS])
    return result


def check(
    value: Any, kind: type[T], *, pointer: str = "/", strict: bool = True
) -> T | tuple[FieldError, ...]:
    """`value` as `kind`, or what is wrong with it. `pointer` precedes field names."""
    if not isinstance(value, dict):
        return (FieldError("", f"must be an object, not {_described(value)}"),)
    hints = _fields(kind)
    errors = [
        FieldError(
            pointer + _escaped(name),
            f"is not known here; known are: {', '.join(hints) or 'none'}",
        )
        for name in value
        if name not in hints
    ]
    taken: dict[str, Any] = {}
    for name, (hint, allowed, required) in hints.items():
        if name in value:
            converted = _convert(value[name], hint, strict)
            if isinstance(converted, msgspec.ValidationError):
                text = f"must be {allowed}; {_described(value[name])} is not"
                errors.append(FieldError(pointer + name, text))
            else:
                taken[name] = converted
        elif required:
            errors.append(FieldError(pointer + name, f"is required: {allowed}"))
    if errors:
        return tuple(errors[:MAX_ERRORS])
    return kind(**taken)


def canonical(value: Any) -> bytes:
    """One form of a JSON value, whatever the order of its keys and its spaces.

    Raises `Problem` 400: what was just not too deep to be read may be to be written.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
    except RecursionError as error:
        raise Problem(Code.INVALID_JSON, "The body is nested too deeply.") from error
    return text.encode()


def _require_json(environ: dict[str, Any]) -> None:
    if environ.get("HTTP_CONTENT_ENCODING", "identity").strip() != "identity":
        raise Problem(
            Code.UNSUPPORTED_MEDIA_TYPE,
            "Compressed bodies are not read: send it as it is.",
        )
    if not _JSON.fullmatch(environ.get("CONTENT_TYPE", "").strip()):
        raise Problem(
            Code.UNSUPPORTED_MEDIA_TYPE,
            "The body must be JSON: Content-Type: application/json.",
        )


def _parse(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant
        )
        if "\\u" in text:  # the only way in for half a surrogate pair
            canonical(value)
    except UnicodeError as error:
        raise Problem(Code.INVALID_JSON, "The body is not valid UTF-8.") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise Problem(
            Code.INVALID_JSON, f"The body is not JSON: {error.msg} at {place}."
        ) from error
    except _Malformed as error:
        raise Problem(
            Code.INVALID_JSON, f"The body is not JSON that is read here: {error}"
        ) from None
    except RecursionError as error:
        raise Problem(Code.INVALID_JSON, "The body is nested too deeply.") from error
    except ValueError as error:  # an integer of more digits than Python reads
        raise Problem(
            Code.INVALID_JSON, "The body has a number that is too long."
        ) from error
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Malformed(f"the key {_shown(name)!r} occurs twice.")
            seen.add(name)
    return found


def _refuse_constant(name: str) -> Any:
    raise _Malformed(f"{name} is not a JSON value.")


def _pairs(text: str) -> list[tuple[str, str]]:
    if not text:
        return []
    try:
        return parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except (ValueError, UnicodeError) as error:
        raise Problem(
            Code.INVALID_QUERY,
            "The query string cannot be read: name=value pairs joined by &, at most"
            f" {MAX_PARAMETERS}, percent-encoded UTF-8.",
        ) from error


def _convert(value: Any, hint: Any, strict: bool) -> Any:
    try:
        converted = msgspec.convert(value, hint, strict=strict)
    except msgspec.ValidationError as error:
        return error
    # A pattern's $ would let a newline at the end through.
    if isinstance(converted, str) and converted.endswith("\n"):
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


def _described(value: Any) -> str:
    """What came, without quoting text: it may be a secret, or a megabyte."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            bits = value.bit_length()
            return str(value) if bits <= 128 else "a number of many digits"
        case float():
            return str(value)
        case str():
            return f"text of {len(value)} characters" if value else "empty text"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return f"an object of {len(value)} entries"
    return "that"


def _shown(name: str) -> str:
    return name if len(name) <= LONGEST_SHOWN else name[:LONGEST_SHOWN] + "…"


def _escaped(name: str) -> str:
    """A name within a JSON pointer (RFC 6901)."""
    return _shown(name).replace("~", "~0").replace("/", "~1")
