"""Errors as the API tells them: `application/problem+json` (RFC 9457).

A handler raises `Problem`; the application answers with its body. `problem_of` turns
what the engine and the wire raise into a `Problem`, in one place, so that a mistake
has the same status on every path. Texts are for people: what was wrong, where, and
what is allowed. No I/O; runs in the request's greenlet.
"""

import sqlite3
from http import HTTPStatus

import msgspec

from engine.gateway import Duplicate, EngineBusy, NotFound
from engine.payment.rules import Refused
from engine.store.sqlite.journal import advice
from transport.server.request_body import BodyError

__all__ = [
    "MEDIA_TYPE",
    "FieldError",
    "Problem",
    "ProblemBody",
    "problem_of",
    "retry_later",
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
    """The JSON object of RFC 9457, with `errors` as an extension member."""

    kind: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()


class Problem(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str | None = None,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail
        self.title = title or HTTPStatus(status).phrase
        self.errors = errors
        self.headers = headers or {}

    def value(self) -> ProblemBody:
        """What the body says, for answers that hold several problems."""
        return ProblemBody(
            title=self.title,
            status=self.status,
            detail=self.detail,
            errors=self.errors,
        )

    def body(self) -> bytes:
        return msgspec.json.encode(self.value())


def retry_later(status: int, detail: str, retry_after_s: float) -> Problem:
    """429 or 503: the same request may be sent again after so many seconds."""
    seconds = str(max(1, int(-(-retry_after_s // 1))))
    return Problem(status, detail, headers={"Retry-After": seconds})


def problem_of(error: Exception) -> Problem:
    """The answer to an error. What is not known is a 500 that tells nothing."""
    match error:
        case Problem():
            return error
        case NotFound():
            return Problem(404, str(error))
        case Refused() | Duplicate():
            return Problem(409, str(error))
        case EngineBusy():
            detail = error.detail
            if error.unknown:
                detail += "; whether it was done is not known: look, or ask again"
            return retry_later(503, detail, error.retry_after_s)
        case BodyError():
            return Problem(error.status, str(error))
        case sqlite3.Error():
            detail = f"The database cannot be read now: {advice(error)}"
            return retry_later(503, detail, 5)
    return Problem(500, "Something went wrong here; it has been logged.")
