"""A channel's own headers: what a client may ask for, and what a channel then has.

They let an endpoint stand behind a gateway that wants a key or a password. Their values
may be secrets: they come in, are sealed, and are never shown again. Pure.
"""

import base64
from collections.abc import Mapping

from msgspec import UNSET, UnsetType

from transport.bodies.problem_body import FieldError
from transport.http.inputs import BasicAuth
from transport.http.problems import invalid

__all__ = ["AUTHORIZATION", "own_headers"]

AUTHORIZATION = "Authorization"

_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
"""What frames the message (RFC 9110, 7.6.1; RFC 9112) or says what it is."""

_OUR_BEGINNINGS = ("proxy-", "webhook-")


def own_headers(
    before: Mapping[str, str],
    headers: Mapping[str, str] | UnsetType,
    basic_auth: BasicAuth | UnsetType | None,
) -> dict[str, str]:
    """The headers of a channel that had those of `before`, after what is asked.

    `headers` replaces all; `basic_auth` is the header Authorization, and null alone
    takes it away. Raises `Problem` 422.
    """
    if isinstance(headers, UnsetType):
        found = dict(before)
        if basic_auth is not UNSET:
            found.pop(_authorization(found), None)
    else:
        _check(headers)
        found = dict(headers)
    if isinstance(basic_auth, BasicAuth):
        if _authorization(found) in found:
            text = "is given in headers, too; leave one of them out"
            raise invalid(FieldError("/basic_auth", text))
        # RFC 7617, 2 and 2.1.
        pair = f"{basic_auth.username}:{basic_auth.password}".encode()
        found[AUTHORIZATION] = f"Basic {base64.b64encode(pair).decode('ascii')}"
    return found


def _authorization(headers: Mapping[str, str]) -> str:
    """The header's name as it is written there."""
    written = (name for name in headers if name.lower() == AUTHORIZATION.lower())
    return next(written, AUTHORIZATION)


def _check(headers: Mapping[str, str]) -> None:
    seen: set[str] = set()
    wrong = []
    for name in headers:
        lower = name.lower()
        if lower in _OURS or lower.startswith(_OUR_BEGINNINGS):
            wrong.append(FieldError(f"/headers/{name}", "is set by the node itself"))
        elif lower in seen:
            wrong.append(FieldError(f"/headers/{name}", "is given more than once"))
        seen.add(lower)
    if wrong:
        raise invalid(*wrong)
