"""An answer instead of what was asked for, in the form of RFC 9457; sends nothing."""

import json
from http import HTTPStatus
from typing import Any

import msgspec

__all__ = ["Refusal", "full_response", "problem", "refusal_headers", "refusing"]


class Refusal(msgspec.Struct, frozen=True):
    """An answer instead of the 101: a status, a problem+json body, more headers."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def problem(
    status: int, detail: str, headers: tuple[tuple[str, str], ...] = ()
) -> Refusal:
    """A refusal in the form of RFC 9457."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Refusal(status, json.dumps(body).encode(), headers)


def full_response(refusal: Refusal) -> bytes:
    """A whole HTTP answer, after which the connection is closed."""
    phrase = HTTPStatus(refusal.status).phrase
    lines = [f"HTTP/1.1 {refusal.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in refusal_headers(refusal)]
    return "\r\n".join((*lines, "Connection: close", "", "")).encode() + refusal.body


def refusal_headers(refusal: Refusal) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/problem+json"),
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
