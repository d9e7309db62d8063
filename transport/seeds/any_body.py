"""A body as web sites send it, whatever its Content-Type says.

The documents' own `curl` lines say the wrong type or none: `curl -d` calls JSON a form.
So what counts is how the body begins: a `{` is JSON, a `--` a form in parts (what a
browser makes of `FormData`), anything else a form of `name=value` pairs. Bounded in
bytes and in fields. Runs in the request's greenlet.
"""

from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Final
from urllib.parse import parse_qsl

from engine.codes import Code
from transport.http.problems import Problem
from transport.http.strict_json import parse_json
from transport.server.request_body import read_body

__all__ = ["BODY_BYTES", "fields_of"]

BODY_BYTES: Final = 16 * 1024
MAX_FIELDS: Final = 32


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
    boundary = body.lstrip().splitlines()[0][2:].decode("ascii")
    head = f'Content-Type: multipart/form-data; boundary="{boundary}"\r\n\r\n'
    message = BytesParser(policy=HTTP).parsebytes(head.encode() + body)
    if not message.is_multipart():
        raise ValueError("no parts")
    found = []
    for part in message.iter_parts():
        name = part.get_param("name", header="Content-Disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise ValueError("a part without a name")
        found.append((name, content.decode()))
    return found


def _malformed() -> Problem:
    return Problem(
        Code.INVALID_BODY,
        f"The body must be a form or a JSON object in UTF-8, with at most {MAX_FIELDS}"
        " fields, each of them once.",
    )
