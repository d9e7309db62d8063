"""A body as web sites send it, whatever its Content-Type says.

The documents' own `curl` lines say the wrong type or none: `curl -d` calls JSON a form.
So what counts is how the body begins: a `{` is JSON, a `--` a form in parts (what a
browser makes of `FormData`), anything else a form of `name=value` pairs. Bounded in
bytes and in fields. Runs in the request's greenlet.

Python's `email` is not asked about the parts: its grammar of headers needs seconds for
16 KB of some strangers, and recurses.
"""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from engine.errors.codes import Code
from transport.http.problems import Problem
from transport.http.strict_json import parse_json
from transport.server.request_body import read_body

__all__ = ["BODY_BYTES", "fields_of"]

BODY_BYTES: Final = 16 * 1024
MAX_FIELDS: Final = 32

#: The line before each part: RFC 2046 has at most 70 characters after the dashes.
_DELIMITER: Final = re.compile(rb"--[0-9A-Za-z'()+_,./:=?-]{1,70}(?=\r\n)")
#: Bytes before a part's content; a browser needs some 50 and the name.
_HEAD_BYTES: Final = 512
#: .NET writes the name without quotes.
_NAME: Final = re.compile(
    rb"\r\nContent-Disposition:[ \t]*form-data;[ \t]*"
    rb"""name=(?:"([^"\r\n]*)"|([^\s";]+))(?=[ \t]*(?:;|\r\n))""",
    re.IGNORECASE,
)
#: Content that is not what is meant (base64): no browser sends it (RFC 7578, 4.7).
_ENCODED: Final = re.compile(
    rb"\r\nContent-Transfer-Encoding:(?![ \t]*(?:7bit|8bit|binary)\r\n)",
    re.IGNORECASE,
)


def fields_of(environ: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The body's fields by name, and whether their values are typed (JSON's are).

    Raises `Problem` 400, and `BodyError` 408 or 413.
    """
    body = read_body(environ, BODY_BYTES)
    start = body.lstrip()[:2]
    if start[:1] == b"{":
        value = parse_json(body)
        return (value, True) if isinstance(value, dict) else ({}, True)
    try:
        pairs = _parts(body) if start == b"--" else _pairs(body)
    except (UnicodeError, ValueError) as error:
        raise _malformed() from error
    fields = dict(pairs)
    if len(fields) != len(pairs) or len(pairs) > MAX_FIELDS:
        raise _malformed()
    return fields, False


def _pairs(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(
        body.decode(),
        keep_blank_values=True,
        errors="strict",
        max_num_fields=MAX_FIELDS,
    )


def _parts(body: bytes) -> list[tuple[str, str]]:
    """multipart/form-data (RFC 7578); the boundary is the first line's, not the
    header's."""
    body = body.lstrip()
    found = _DELIMITER.match(body)
    if found is None:
        raise ValueError("no boundary")
    delimiter = b"\r\n" + found[0]
    _, *parts, end = (b"\r\n" + body).split(delimiter, MAX_FIELDS + 2)
    if len(parts) > MAX_FIELDS or end.rstrip() != b"--":
        raise ValueError("too many parts, or no last boundary")
    return [_part(part) for part in parts]


def _part(part: bytes) -> tuple[str, str]:
    head_end = part.find(b"\r\n\r\n", 0, _HEAD_BYTES)
    if head_end < 0:
        raise ValueError("a part's head does not end, or is too long")
    head = part[: head_end + 2]
    name = _NAME.search(head)
    if not head.startswith(b"\r\n") or name is None or _ENCODED.search(head):
        raise ValueError("a part without a name, or in an encoding of mail")
    quoted, bare = name.groups()
    said: bytes = bare if quoted is None else quoted
    return said.decode(), part[head_end + 4 :].decode()


def _malformed() -> Problem:
    return Problem(
        Code.INVALID_BODY,
        f"The body must be a form or a JSON object in UTF-8, with at most {MAX_FIELDS}"
        " fields, each of them once.",
    )
