"""Problem answers (RFC 9457), and how one is sent in place of what was asked for.

The one place where their body is made: routes, the gate of WebSockets and the server
itself take it from here. The `code` says to programs what went wrong, and `type` is
where this node explains it. Sends nothing itself.
"""

from http import HTTPStatus
from typing import Any

import msgspec

from engine.errors import Code
from transport.server.request_id import HEADER

__all__ = [
    "MEDIA_TYPE",
    "FieldError",
    "ProblemBody",
    "Refusal",
    "full_response",
    "problem",
    "problem_body",
    "refusal_headers",
    "refusing",
]

MEDIA_TYPE = "application/problem+json"


class FieldError(msgspec.Struct, frozen=True):
    """One thing that is wrong with what was sent.

    `path` is a JSON pointer into the body ("/amount_sat", "" is the whole body), or
    "?name" for a query parameter.
    """

    path: str
    message: str


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """The JSON object of RFC 9457, with `code` and `errors` as extension members.

    `type` is a path of this node: the explanation of `code`.
    """

    kind: str
    title: str
    status: int
    detail: str
    code: Code
    errors: tuple[FieldError, ...] = ()


class Refusal(msgspec.Struct, frozen=True):
    """An answer instead of the 101: a status, a problem+json body, more headers."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def problem_body(
    code: Code, detail: str, errors: tuple[FieldError, ...] = ()
) -> ProblemBody:
    """What a problem answer says; its status is the code's."""
    return ProblemBody(
        kind=f"/docs/errors#{code}",
        title=HTTPStatus(code.status).phrase,
        status=code.status,
        detail=detail,
        code=code,
        errors=errors,
    )


def problem(
    code: Code, detail: str, headers: tuple[tuple[str, str], ...] = ()
) -> Refusal:
    """A refusal in the form of RFC 9457."""
    body = msgspec.json.encode(problem_body(code, detail))
    return Refusal(code.status, body, headers)


def full_response(refusal: Refusal, request_id: str) -> bytes:
    """A whole HTTP answer, after which the connection is closed."""
    phrase = HTTPStatus(refusal.status).phrase
    lines = [f"HTTP/1.1 {refusal.status} {phrase}", f"{HEADER}: {request_id}"]
    lines += [f"{name}: {value}" for name, value in refusal_headers(refusal)]
    return "\r\n".join((*lines, "Connection: close", "", "")).encode() + refusal.body


def refusal_headers(refusal: Refusal) -> list[tuple[str, str]]:
    return [
        ("Content-Type", MEDIA_TYPE),
        ("Content-Length", str(len(refusal.body))),
        *refusal.headers,
    ]


def refusing(refusal: Refusal) -> Any:
    """A WSGI application that answers with `refusal`."""

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        phrase = HTTPStatus(refusal.status).phrase
        start_response(f"{refusal.status} {phrase}", refusal_headers(refusal))
        return [refusal.body]

    return application
