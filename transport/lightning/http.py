"""A bounded HTTP client for Lightning nodes: every answer is small, soon, or an error.

As that of chain sources (`transport/chain/http_client.py`), with two differences: it
may be asked from several greenlets at once, and what is asked may move money. So a
request is sent again on a broken connection only if its `repeat` says that twice is no
worse than once; and an error tells whether what was asked may have been done
(`engine/lightning/node.py`).

It knows no path and no format; some nodes answer with bare words, so a body is bytes
until somebody reads it. Errors name the account, the path and what was wrong: never
credentials, the URL, nor anything that the node wrote. Blocks the greenlet that asks;
needs gevent's patched sockets for the deadline.
"""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import gevent
import msgspec
import requests
import urllib3.exceptions

from engine.errors.lightning import (
    LightningError,
    NodeBusy,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from engine.policy.waits import parse_retry_after
from transport.calling.bounded_http import (
    AnswerTooLarge,
    AnswerUnreadable,
    new_session,
    read_bounded,
    read_json,
)
from transport.calling.http_failures import is_broken_pipe, reason

__all__ = [
    "DEADLINE_S",
    "MAX_BYTES",
    "NodeHttp",
    "NodeRequest",
    "NodeResponse",
    "decode",
    "garbage",
    "refusal",
    "retry_after_s",
    "text_of",
]

DEADLINE_S = 10.0
"""From connecting to the last byte of an ordinary answer."""

MAX_BYTES = 1024 * 1024
"""An ordinary answer; a page of 100 paid invoices of phoenixd is about 200 KB."""

_RETRY_AFTER_CAP_S = 3600.0
_CONNECTIONS = 8  # idle ones that are kept
_WORDS_BYTES = 400  # of a bare text that is read at all

T = TypeVar("T")


class NodeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. An answer with another status than those in `accept` is an error."""

    path: str
    body: bytes | None = None  # what to POST; None: a GET
    media_type: str = "application/json"  # of the body
    headers: Mapping[str, str] = {}  # beside those of the account
    accept: tuple[int, ...] = (200,)
    max_bytes: int = MAX_BYTES
    deadline_s: float = DEADLINE_S
    label: str = ""  # stands for the path in errors
    repeat: bool = False  # a POST that may be sent twice; a GET always may


class NodeResponse(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    body: bytes
    retry_after_s: float | None = None


class _Deadline(Exception):
    """Raised by gevent in the middle of a request. No BaseException."""


class NodeHttp:
    """One account's connections. `headers` is called for each request; they hold the
    credentials. `repr` shows none."""

    def __init__(
        self, name: str, base_url: str, headers: Callable[[], dict[str, str]] = dict
    ) -> None:
        self.name = name
        self.requests = 0  # sent so far
        self._base_url = base_url.rstrip("/")  # without user, password and query
        self._headers = headers
        self._session = new_session(pool_maxsize=_CONNECTIONS)

    def __repr__(self) -> str:
        return f"<NodeHttp {self.name}>"

    def close(self) -> None:
        """Leave no connection open. It may be asked again."""
        self._session.close()

    def where(self, request: NodeRequest) -> str:
        """The subject of what is said of this request's answer."""
        return f"{self.name}: {request.label or request.path.partition('?')[0]}"

    def ask(self, request: NodeRequest) -> NodeResponse:
        """The answer. Raises `LightningError`."""
        where = self.where(request)
        again = request.repeat or request.body is None
        try:
            with gevent.Timeout(request.deadline_s, _Deadline):
                try:
                    return self._once(request, where)
                except (requests.RequestException, urllib3.exceptions.HTTPError) as e:
                    if not (again and is_broken_pipe(e)):
                        raise
                # An idle connection that it closed just as we used it, most likely.
                return self._once(request, where)
        except _Deadline as error:
            text = f"{where} did not answer in full within {request.deadline_s:g} s"
            raise NodeUnavailable(text) from error
        except LightningError:
            raise
        except urllib3.exceptions.DecodeError as error:
            raise garbage(where, "broken compression") from error
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
            ValueError,  # http.client and urllib3 on hostile status lines and headers
        ) as error:
            raise NodeUnavailable(f"{where} {reason(error)}") from error

    def _once(self, request: NodeRequest, where: str) -> NodeResponse:
        self.requests += 1
        headers = {**self._headers(), **request.headers}
        if request.body is not None:
            headers["Content-Type"] = request.media_type
        response = self._session.request(
            "GET" if request.body is None else "POST",
            self._base_url + request.path,
            data=request.body,
            headers=headers,
            stream=True,
            allow_redirects=False,
            timeout=request.deadline_s + 1,  # of each read; the deadline comes first
        )
        whole = False
        try:
            wait_s = retry_after_s(response.headers.get("Retry-After"))
            if response.status_code not in request.accept:
                raise refusal(where, response.status_code, wait_s)
            try:
                body = read_bounded(response.raw, request.max_bytes)
            except AnswerTooLarge as error:
                raise NodeGarbage(f"{where} {error}") from error
            whole = True
            return NodeResponse(
                status=response.status_code, body=body, retry_after_s=wait_s
            )
        finally:
            if not whole:
                # Not `response.close()` alone, which would read on to reuse it.
                response.raw.close()
            response.close()


def garbage(where: str, what: str) -> NodeGarbage:
    """The error of a node that sent `what`. `where`: see `NodeHttp.where`."""
    return NodeGarbage(f"{where} sent {what}")


def decode(body: bytes, type_: type[T], where: str) -> T:
    """The body as this type, strictly. Raises `NodeGarbage`, which quotes nothing."""
    try:
        return read_json(body, type_)
    except AnswerUnreadable as error:
        raise garbage(where, str(error)) from error


def text_of(response: NodeResponse) -> str:
    """The bare words of an answer that is no JSON, one line, to be compared with words
    that we know; never to be shown."""
    text = response.body[:_WORDS_BYTES].decode("utf-8", "replace")
    return " ".join(text.split())


def refusal(where: str, status: int, retry_after_s: float | None) -> LightningError:
    """The error that an answer with this HTTP status is."""
    if status == 429 or (status == 503 and retry_after_s is not None):
        return NodeBusy(f"{where} asks us to slow down ({status})", retry_after_s)
    if status in (401, 403):
        return NodeRefused(f"{where} refuses our key ({status})", "key")
    if 300 <= status <= 399:
        return NodeGarbage(
            f"{where} redirects ({status}), which is not followed; "
            "configure the address it leads to"
        )
    if status >= 500 or status == 408:
        return NodeUnavailable(f"{where} failed ({status})", retry_after_s)
    return NodeGarbage(f"{where} answered with status {status}")


def retry_after_s(value: str | None) -> float | None:
    """Of this header; None: it says none that makes sense. At most an hour."""
    wait_s = parse_retry_after(value, time.time())
    return None if wait_s is None else min(wait_s, _RETRY_AFTER_CAP_S)
