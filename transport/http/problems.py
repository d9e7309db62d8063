"""Errors as the API tells them: `application/problem+json` (RFC 9457).

A handler raises `Problem`; the application answers with its body. `problem_of` turns
what the engine and the wire raise into a `Problem`, in one place: the code and the
status are those of the error's class (`engine/errors/`). No I/O; runs in the
request's greenlet.
"""

from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from engine.errors import EngineBusy, EngineError, StoreUnreadable
from engine.errors.codes import Code
from engine.store.epochs import Position
from transport.bodies.limit_names import LimitName
from transport.bodies.problem_body import FieldError, ProblemBody, problem_body
from transport.server.request_id import ENVIRON as REQUEST_ID

__all__ = [
    "CRASHED",
    "Problem",
    "cursor_gone",
    "invalid",
    "problem_of",
    "rate_limited",
    "retry_later",
]

CRASHED = "Something went wrong in the node. The details are in its log."


class Problem(Exception):
    """An answer that is an error; its status is the code's."""

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
        limit: str | None = None,
        cursor: str | None = None,
    ) -> None:
        """`limit`: the setting that was run into (`engine/settings/table.py`).
        `cursor`: the one to go on from."""
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.limit = limit
        self.cursor = cursor

    @property
    def status(self) -> int:
        return self.code.status

    def value(self, base: str = "") -> ProblemBody:
        """What the body says, for answers that hold several problems. `base`: the path
        under which clients reach us."""
        body = problem_body(self.code, self.detail, self.errors, self.limit, base=base)
        return body if self.cursor is None else replace(body, cursor=self.cursor)

    def body(self, environ: dict[str, Any]) -> bytes:
        """The answer's body; it names the request, as the log does."""
        request_id = environ.get(REQUEST_ID, UNSET)
        value = self.value(environ.get("SCRIPT_NAME", ""))
        return msgspec.json.encode(replace(value, request_id=request_id))


def invalid(*errors: FieldError) -> Problem:
    """422: `errors` names all that is wrong, the detail the first of it."""
    detail = f"{errors[0].path or 'the body'} {errors[0].message}"
    if len(errors) > 1:
        detail += f" (and {len(errors) - 1} more)"
    return Problem(Code.INVALID_REQUEST, detail, errors=errors)


def cursor_gone(going_on_from: Position, *, is_kept: bool = True) -> Problem:
    """410: the cursor is of another database, or of this one before a restore; or, if
    what comes after it `is_kept` no longer, it is too old."""
    if is_kept:
        detail = (
            "This cursor is of another database, or of this one before a backup was"
            f" restored. Go on from {going_on_from}: what comes after it you have not"
            " read, or cannot be sure to have read."
        )
    else:
        detail = (
            "Some of the events after this cursor are kept no longer"
            " (--keep-events-days). Look at the payments themselves, and go on from"
            f" {going_on_from}."
        )
    return Problem(Code.CURSOR_GONE, detail, cursor=str(going_on_from))


def retry_later(code: Code, detail: str, retry_after_s: float) -> Problem:
    """503: the same request may be sent again after so many seconds."""
    return Problem(code, detail, headers=_retry_after(retry_after_s))


def rate_limited(detail: str, retry_after_s: float, limit: LimitName) -> Problem:
    """429, as `retry_later`, with the setting that was run into."""
    headers = _retry_after(retry_after_s)
    return Problem(Code.RATE_LIMITED, detail, headers=headers, limit=limit)


def problem_of(error: Exception) -> Problem:
    """The answer to an error. What is not known is a 500 that tells nothing."""
    match error:
        case Problem():
            return error
        case EngineBusy():
            detail = error.detail
            if error.unknown:
                detail += "; it is not known whether the request was carried out:"
                " check, or repeat it"
            return retry_later(error.code, detail, error.retry_after_s)
        case StoreUnreadable():
            detail = f"The database cannot be read at the moment: {error.advice}"
            return retry_later(Code.STORE_UNAVAILABLE, detail, 5)
        case EngineError() if error.code.status == 503:
            return retry_later(error.code, str(error), 5)
        case EngineError() if error.code.status < 500:
            return Problem(error.code, str(error))
    return Problem(Code.INTERNAL_ERROR, CRASHED)


def _retry_after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, int(-(-seconds // 1))))}
