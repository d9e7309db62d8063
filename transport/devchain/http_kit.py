"""The little that the dev chain's HTTP faces share: reading a body, answering.

Not for other routes: they have `transport/http`. Runs in request greenlets.
"""

from typing import Any

import msgspec
from bottle import HTTPResponse, request

__all__ = ["Body", "CallRefused", "read_body", "respond"]

#: JSON, text or bytes.
Body = dict[str, Any] | list[Any] | str | bytes


class CallRefused(Exception):
    """To be answered as `text` with `status`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def respond(status: int, answer: Body, content_type: str = "") -> HTTPResponse:
    """An answer with the content type of its kind, or the given one."""
    if isinstance(answer, str):
        content_type = content_type or "text/plain"
    elif isinstance(answer, bytes):
        content_type = content_type or "application/octet-stream"
    else:
        content_type = content_type or "application/json"
        answer = msgspec.json.encode(answer)
    headers = {"Content-Type": content_type, "Cache-Control": "no-store"}
    return HTTPResponse(answer, status, headers)


def read_body(limit: int) -> bytes | None:
    """The request's body, or None if it is longer than `limit`; reads no further."""
    length = request.content_length
    if length > limit:
        return None
    if length < 0:
        chunked = "chunked" in request.get_header("Transfer-Encoding", "").lower()
        length = limit + 1 if chunked else 0
    body: bytes = request.environ["wsgi.input"].read(length)
    return body if len(body) <= limit else None
