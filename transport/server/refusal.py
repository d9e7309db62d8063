"""How a problem answer (RFC 9457) is sent in place of what was asked for.

For the gate of WebSockets and for the server itself; routes answer through the WSGI
application. Sends nothing itself.
"""

from http import HTTPStatus
from typing import Any

import msgspec

from engine.codes import Code
from transport.problem_body import MEDIA_TYPE, problem_body
from transport.server.request_id import HEADER

__all__ = [
    "Refusal",
    "full_response",
    "problem",
    "refusal_headers",
    "refusing",
]


class Refusal(msgspec.Struct, frozen=True):
    """An answer instead of the 101: a status, a problem+json body, more headers."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


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
