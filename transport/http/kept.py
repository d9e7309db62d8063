"""An answer that does not change while the node runs: made once, asked after by ETag.

Browsers and proxies keep it and ask whether it is still the same (RFC 9110 13.1.2);
then a 304 without a body answers. No I/O; runs in the request's greenlet.
"""

import hashlib
from typing import Any

from transport.http.bottle_app import HttpAnswer

__all__ = ["Kept", "etag_of", "is_known"]


class Kept:
    """A body and its tag."""

    __slots__ = ("_body", "_headers")

    def __init__(self, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._body = body
        self._headers = {
            "Content-Type": "application/json",
            "Cache-Control": "no-cache",
            "ETag": etag_of(body),
            **(headers or {}),
        }

    def answer(self, environ: dict[str, Any]) -> HttpAnswer:
        """200 with all of it, or 304 to who has it already."""
        if not is_known(environ, self._headers["ETag"]):
            return HttpAnswer(self._body, 200, self._headers)
        return HttpAnswer(b"", 304, self._headers)


def etag_of(body: bytes) -> str:
    """A strong tag: 16 hexadecimal digits of its SHA-256, in quotes."""
    return f'"{hashlib.sha256(body).hexdigest()[:16]}"'


def is_known(environ: dict[str, Any], etag: str) -> bool:
    """Whether If-None-Match names this tag. Compared weakly, as it has to be there."""
    known = environ.get("HTTP_IF_NONE_MATCH", "")
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return etag in tags or known.strip() == "*"
