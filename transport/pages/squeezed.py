"""Answers of the pages compressed by gzip, for clients that take it: on a slow line the
code to scan is there in a second and not in three.

What is compressed holds no secret beside text that others choose (an attack like BREACH
needs both): a checkout page knows nothing that its address does not open.
"""

import gzip
from functools import lru_cache
from typing import Final

from bottle import HTTPResponse

from transport.http.bottle_app import environ
from transport.http.kept import is_known

__all__ = ["file_answer", "squeeze"]

_LEAST: Final = 1_000  # bytes; below, the packet goes out as soon
_QUICK: Final = 6  # of what is written anew for each request
_FILES: Final = 256


def file_answer(body: bytes, headers: dict[str, str]) -> HTTPResponse:
    """A file that does not change while the node runs, or 304 to who has it; `headers`
    has its ETag. Compressed it is another representation, with a tag of its own."""
    headers = {**headers, "Vary": "Accept-Encoding"}
    if len(body) >= _LEAST and _is_taken():
        body = _squeezed_file(body)
        headers["Content-Encoding"] = "gzip"
        headers["ETag"] = headers["ETag"].removesuffix('"') + '-gz"'
    if is_known(environ(), headers["ETag"]):
        headers.pop("Content-Encoding", None)  # there is no body
        return HTTPResponse(b"", 304, headers)
    return HTTPResponse(body, 200, headers)


def _is_taken() -> bool:
    """Whether the client of the request under way takes gzip (RFC 9110, 12.5.3)."""
    for part in environ().get("HTTP_ACCEPT_ENCODING", "")[:500].lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in {"gzip", "x-gzip"}:
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def squeeze(answer: HTTPResponse) -> HTTPResponse:
    """The answer, compressed if it is taken and worth it. Its body is bytes."""
    answer.set_header("Vary", "Accept-Encoding")
    if len(answer.body) >= _LEAST and _is_taken():
        answer.body = gzip.compress(answer.body, _QUICK, mtime=0)
        answer.set_header("Content-Encoding", "gzip")
    return answer


@lru_cache(maxsize=_FILES)
def _squeezed_file(body: bytes) -> bytes:
    """Of a file that does not change: compressed once, as small as can be."""
    return gzip.compress(body, 9, mtime=0)
