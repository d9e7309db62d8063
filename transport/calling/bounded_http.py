"""What every HTTP client of ours has in common: sessions, bodies that end, strict JSON.

Whoever answers may be wrong, slow, broken or hostile. A session takes nothing from the
environment (no proxy, no netrc) and keeps no cookie; a body is counted while it comes,
after decompression; JSON is read as the type that is wanted, or not at all. What is
raised quotes nothing of what came. The clients above make their own errors of it.
"""

import logging
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar

import msgspec
import requests
import urllib3.response
from requests.adapters import HTTPAdapter

from engine.runtime.yielding import yield_to_hub
from transport.calling.trust import ca_file

__all__ = [
    "AnswerTooLarge",
    "AnswerUnreadable",
    "looks_like",
    "new_session",
    "read_bounded",
    "read_json",
]

_CHUNK = 64 * 1024
_PIECES_PER_YIELD = 8  # about a millisecond

T = TypeVar("T")

# Its warnings hold whole URLs, and with them a token. What fails is told by us.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class AnswerTooLarge(Exception):
    """`str` completes the sentence "the source …"."""


class AnswerUnreadable(Exception):
    """`str` says what was sent instead: "a web page instead of JSON"."""


def new_session(pool_maxsize: int) -> requests.Session:
    """For one host; `pool_maxsize` idle connections are kept."""
    session = requests.Session()
    # What is asked, and with which credentials, is decided by our configuration alone.
    session.trust_env = False
    session.verify = ca_file()
    session.headers.update({"User-Agent": "paybell", "Accept-Encoding": "gzip"})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=pool_maxsize)
        session.mount(scheme, adapter)
    return session


def read_bounded(raw: urllib3.response.BaseHTTPResponse, max_bytes: int) -> bytes:
    """The whole body, decompressed. Raises `AnswerTooLarge` before it holds more."""
    declared = raw.headers.get("Content-Length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > max_bytes:
        raise AnswerTooLarge(f"wants to send more than {max_bytes:,} bytes")
    parts, size = [], 0
    for number, part in enumerate(_stream(raw), 1):
        if number % _PIECES_PER_YIELD == 0:  # what is there already is read at once
            yield_to_hub()
        size += len(part)
        if size > max_bytes:
            raise AnswerTooLarge(f"sent more than {max_bytes:,} bytes")
        parts.append(part)
    return b"".join(parts)


def _stream(raw: urllib3.response.BaseHTTPResponse) -> Iterator[bytes]:
    """Pieces of at most `_CHUNK` decompressed bytes: bombs are counted unfolding."""
    while piece := raw.read(_CHUNK, decode_content=True):
        yield piece


def read_json(body: bytes | memoryview, type_: type[T]) -> T:
    """The body as this type, strictly. Raises `AnswerUnreadable`.

    msgspec's words say which field is wrong and of what type it should be; they do not
    quote the body.
    """
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        raise AnswerUnreadable(f"an answer that is wrong: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AnswerUnreadable(looks_like(bytes(body))) from error


def looks_like(body: bytes) -> str:
    """What was sent in place of the JSON that was wanted."""
    if not body.strip():
        return "an empty answer"
    if body.lstrip()[:1] == b"<":
        return "a web page instead of JSON"
    return "broken or cut off JSON" if body.lstrip()[:1] in b"{[" else "no JSON"
