"""The body of a problem answer (RFC 9457): made here for every part of the edge.

The `code` says to programs what went wrong, and `type` is where this node explains it.
Below all of `transport/`, so that the server, the routes and the dev chain say it in
one way. Values only, no I/O.
"""

from http import HTTPStatus

import msgspec
from msgspec import UNSET, UnsetType

from engine.errors.codes import Code

__all__ = ["MEDIA_TYPE", "FieldError", "ProblemBody", "problem_body"]

MEDIA_TYPE = "application/problem+json"


class FieldError(msgspec.Struct, frozen=True):
    """One mistake in the request.

    `path` is a JSON pointer into the body ("/amount_sat"; "" is the whole body), or
    "?name" for a query parameter.
    """

    path: str
    message: str


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """An error (RFC 9457).

    `code` says to programs what went wrong; `type` is a path of this node that explains
    it. `request_id` is the X-Request-Id of the response: the node's log names it.
    `limit`: the setting of the node that this ran into. `cursor`: the one to go on
    from.
    """

    kind: str
    title: str
    status: int
    detail: str
    code: Code
    errors: tuple[FieldError, ...] = ()
    request_id: str | UnsetType = UNSET
    limit: str | UnsetType = UNSET
    cursor: str | UnsetType = UNSET


def problem_body(
    code: Code,
    detail: str,
    errors: tuple[FieldError, ...] = (),
    limit: str | None = None,
    *,
    base: str = "",
) -> ProblemBody:
    """What a problem answer says; its status is the code's.

    `base`: the path under which clients reach this node, without a slash at its end.
    """
    return ProblemBody(
        kind=f"{base}/docs/errors#{code}",
        title=HTTPStatus(code.status).phrase,
        status=code.status,
        detail=detail,
        code=code,
        errors=errors,
        limit=UNSET if limit is None else limit,
    )
