"""One HTTP call to the node, repeated where that is safe, and its answer.

Repeated: what was certainly not done (no connection; 429 and 503, with which the node
refuses before it begins), and, where doing it twice does no more than once, also what
may have been done (an answer that did not come; 502 and 504 of a proxy). A POST that
makes something is such a call only with an Idempotency-Key, the same each time.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from typing import Any, Callable
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from paybell_client.errors import Answer, CursorGone, PaybellError, Problem, Unreachable

__all__ = ["Calls"]

CONNECT_S = 5.0
LONGEST_WAIT_S = 30.0
"""Before one repetition. Where Retry-After asks for a longer one it is an error."""
MAX_ANSWER = 64 * 1024 * 1024
"""Bytes; 1,000 events are about 1 MB."""

_NOT_DONE = frozenset({429, 503})
_MAYBE_DONE = frozenset({502, 504})


class _Bearer(AuthBase):
    """The key. As `auth`, so that requests looks for none in a .netrc; and no repr of
    a session shows it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class Calls:
    """Calls to one node with one key. For one thread at a time."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_s: float,
        attempts: int,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url must be http(s)://host[:port][/path]")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("url must have no user, query or fragment")
        if attempts < 1 or timeout_s <= 0:
            raise ValueError("attempts and timeout_s must be positive")
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._sleep = sleep
        self._session = requests.Session()
        # Repetitions are ours: urllib3 does not know which are safe.
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=0))
        self._session.auth = _Bearer(key)
        self._session.headers["User-Agent"] = "paybell-client-python/0.1.0"
        self._session.headers["Accept"] = "application/json"

    def close(self) -> None:
        self._session.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        wait_s: float = 0.0,
        attempts: int | None = None,
    ) -> Any:
        """The answer's JSON; None for an answer without a body.

        `repeatable`: doing it twice does no more than once. `wait_s`: how long the node
        may hold its answer back, beyond `timeout_s`. Raises `PaybellError`.
        """
        left = self._attempts if attempts is None else attempts
        pause_s = 0.25
        while True:
            left -= 1
            try:
                return self._once(method, path, query, body, headers, wait_s)
            except Unreachable as failed:
                if left <= 0 or (failed.may_have_happened and not repeatable):
                    raise
                wait = pause_s
            except _Refused as refused:
                is_safe = repeatable or refused.status in _NOT_DONE
                wait = pause_s if refused.after_s is None else refused.after_s
                if left <= 0 or not is_safe or wait > LONGEST_WAIT_S:
                    raise refused.error from None
            # Nobody comes back before Retry-After, and not all at one moment.
            self._sleep(wait + random.uniform(0, pause_s))
            pause_s = min(pause_s * 2, 8.0)

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        wait_s: float,
    ) -> Any:
        data = None if body is None else json.dumps(body).encode()
        sent = dict(headers or {})
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        try:
            with self._session.request(
                method,
                self.url + path,
                params=query,
                data=data,
                headers=sent,
                timeout=(CONNECT_S, self._timeout_s + wait_s),
                allow_redirects=False,  # the key goes to this node and to no other
                stream=True,
            ) as response:
                return _read(response, str((query or {}).get("after", "")))
        except requests.exceptions.RequestException as error:
            happened = not _never_left(error)
            words = f"no answer from {self.url}: {type(error).__name__}"
            raise Unreachable(words, may_have_happened=happened) from error


def _never_left(error: requests.exceptions.RequestException) -> bool:
    """Whether there was no connection on which the request could have gone out."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))


class _Refused(Exception):
    """An answer after which the call may be repeated; `error` is what it comes to."""

    def __init__(self, status: int, after_s: float | None, error: PaybellError) -> None:
        super().__init__(status)
        self.status = status
        self.after_s = after_s
        self.error = error


def _read(response: requests.Response, after: str) -> Any:
    content = _bounded(response)
    status = response.status_code
    media = response.headers.get("Content-Type", "").partition(";")[0].strip()
    try:
        value = json.loads(content) if content and media.endswith("json") else None
    except ValueError as error:
        raise Answer(f"{status} with {media} that is none") from error
    if 200 <= status < 300:
        if content and value is None:
            raise Answer(f"{status} with {media or 'no type'} in place of JSON")
        return value
    problem = _error(status, media, value, after)
    if status in _NOT_DONE or status in _MAYBE_DONE:
        raise _Refused(status, _seconds(response.headers.get("Retry-After")), problem)
    raise problem


def _bounded(response: requests.Response) -> bytes:
    content = bytearray()
    for piece in response.iter_content(65_536):
        content += piece
        if len(content) > MAX_ANSWER:
            raise Answer(f"an answer of more than {MAX_ANSWER} bytes")
    return bytes(content)


def _error(status: int, media: str, value: Any, after: str) -> PaybellError:
    if not isinstance(value, dict) or "code" not in value:
        return Answer(f"{status} with {media or 'no type'}: not an answer of Paybell's")
    if status == 410 and isinstance(value.get("cursor"), str):
        return CursorGone(status, value, after)
    return Problem(status, value)


def _seconds(text: str | None) -> float | None:
    """Of Retry-After, which Paybell writes in seconds; a date of a proxy's is None."""
    return float(text) if text and text.isascii() and text.isdigit() else None
