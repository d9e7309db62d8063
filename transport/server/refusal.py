"""How a problem answer (RFC 9457) is sent in place of what was asked for.

For the gate of WebSockets and for the server itself; routes answer through the WSGI
application. Sends nothing itself.
"""

import math
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from engine.errors.codes import Code
from transport.bodies.limit_names import LimitName
from transport.bodies.problem_body import MEDIA_TYPE, problem_body
from transport.server.request_id import ENVIRON, HEADER

__all__ = [
    "Refusal",
    "full_response",
    "problem",
    "rate_limited",
    "refusal_headers",
    "refusing",
]


class Refusal(msgspec.Struct, frozen=True):
    """An answer instead of what was asked for: a problem+json body (RFC 9457)."""

    code: Code
    detail: str
    headers: tuple[tuple[str, str], ...] = ()
    limit: str | None = None  # the setting that was run into

    @property
    def status(self) -> int:
        return self.code.status

    def body(self, base: str = "", request_id: str | UnsetType = UNSET) -> bytes:
        """`base`: the path under which clients reach us, before that of `type`."""
        made = problem_body(self.code, self.detail, limit=self.limit, base=base)
        return msgspec.json.encode(replace(made, request_id=request_id))


def problem(
    code: Code,
    detail: str,
    headers: tuple[tuple[str, str], ...] = (),
    limit: str | None = None,
) -> Refusal:
    """A refusal; its status is the code's."""
    return Refusal(code, detail, headers, limit)


def rate_limited(detail: str, retry_after_s: float, limit: LimitName) -> Refusal:
    """429, with the setting that was run into."""
    retry = (("Retry-After", str(math.ceil(retry_after_s))),)
    return Refusal(Code.RATE_LIMITED, detail, retry, limit=limit)


def full_response(refusal: Refusal, request_id: str, base: str = "") -> bytes:
    """A whole HTTP answer, after which the connection is closed."""
    phrase = HTTPStatus(refusal.status).phrase
    body = refusal.body(base, request_id)
    lines = [f"HTTP/1.1 {refusal.status} {phrase}", f"{HEADER}: {request_id}"]
    lines += [f"{name}: {value}" for name, value in refusal_headers(refusal, body)]
    return "\r\n".join((*lines, "Connection: close", "", "")).encode() + body


def refusal_headers(refusal: Refusal, body: bytes) -> list[tuple[str, str]]:
    return [
        ("Content-Type", MEDIA_TYPE),
        ("Content-Length", str(len(body))),
        *refusal.headers,
    ]


def refusing(refusal: Refusal) -> Any:
    """A WSGI application that answers with `refusal`."""

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        phrase = HTTPStatus(refusal.status).phrase
        request_id = environ.get(ENVIRON, UNSET)
        body = refusal.body(environ.get("SCRIPT_NAME", ""), request_id)
        start_response(f"{refusal.status} {phrase}", refusal_headers(refusal, body))
        return [body]

    return application
