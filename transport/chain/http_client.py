"""A bounded HTTP client for chain sources: every answer is small, soon, or an error.

A source may be wrong, slow, broken or hostile. Here its answers are limited in time
(one deadline from connecting to the last byte, so that drip feeding ends too) and in
size (counted while it streams, after decompression), and whatever is no answer becomes
one of the three errors of `engine.chain.feed` with one line for people. It knows no
path and no format: `esplora` and `bitcoind` do. It runs in the blocking source actor's
greenlet and needs gevent's patched sockets for the deadline.

Errors name the source, the path and what was wrong. They never hold credentials, the
URL's user, host or query, nor anything that the source wrote.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import gevent
import msgspec
import requests
import urllib3.exceptions

from engine.errors import SourceBusy, SourceError, SourceGarbage, SourceUnavailable
from engine.policy.waits import parse_retry_after
from transport.calling.bounded_http import (
    AnswerTooLarge,
    AnswerUnreadable,
    looks_like,
    new_session,
    read_bounded,
    read_json,
)
from transport.calling.http_failures import is_broken_pipe, reason

__all__ = [
    "AnswerCutOff",
    "DEADLINE_S",
    "MAX_BYTES",
    "Request",
    "Response",
    "SourceHttp",
    "decode",
    "garbage",
    "no_json",
]

DEADLINE_S = 10.0
"""From connecting to the last byte of an ordinary answer."""

MAX_BYTES = 4 * 1024 * 1024
"""An ordinary answer; a page of Esplora's transactions is some hundred kilobytes."""

LATE_S = 5.0
"""How long a source is left alone, at once, that let a whole deadline pass: waiting
costs more than being refused. Others are asked meanwhile."""

_RETRY_AFTER_CAP_S = 3600.0  # no source is left alone for longer because it asked

T = TypeVar("T")


class AnswerCutOff(SourceGarbage):
    """The answer was cut off at the limit; asking for less may help."""


class Request(msgspec.Struct, frozen=True):
    """One question to a source. It only reads: it is sent again if a connection breaks.

    An answer with another status than those that are accepted is an error.
    """

    path: str
    body: bytes | None = None
    """What to POST; None: a GET."""

    accept: tuple[int, ...] = (200,)
    max_bytes: int = MAX_BYTES
    deadline_s: float | None = None
    """From connecting to the last byte; None: the source's own."""

    label: str | None = None
    """Stands for the path in errors."""

    media_type: str = "application/json"
    """Of the body."""


class Response(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    retry_after_s: float | None = None


class _Deadline(Exception):
    """Raised by gevent in the middle of a request. No BaseException, see 1.3."""


class SourceHttp:
    """One source's connection. Not for two greenlets at a time.

    `headers` is called for each request, for credentials that may change on disk.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        headers: Callable[[], dict[str, str]] = dict,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.name = name
        self.requests = 0  # sent upstream so far
        self._base_url = base_url.rstrip("/")  # without user, password and query
        self._headers = headers
        self._deadline_s = deadline_s
        self._session = new_session(pool_maxsize=2)

    def __repr__(self) -> str:
        return f"<SourceHttp {self.name}>"

    def close(self) -> None:
        """Leave no connection open. It may be asked again."""
        self._session.close()

    def ask(self, request: Request) -> Response:
        """The answer. Raises `SourceError`."""
        where = f"{self.name}: {request.label or request.path.partition('?')[0]}"
        own = self._deadline_s
        deadline_s = own if request.deadline_s is None else request.deadline_s
        try:
            with gevent.Timeout(deadline_s, _Deadline):
                try:
                    return self._once(request, where, deadline_s)
                except SourceError:
                    raise
                except (requests.RequestException, urllib3.exceptions.HTTPError) as e:
                    if not is_broken_pipe(e):
                        raise
                # The server closed an idle connection just as we used it (bcoin does
                # after 5 s). On a new one it either answers or is really unavailable.
                return self._once(request, where, deadline_s)
        except _Deadline as error:
            text = f"{where} did not answer in full within {deadline_s:g} s"
            raise SourceUnavailable(text, LATE_S) from error
        except SourceError:
            raise
        except urllib3.exceptions.DecodeError as error:
            raise garbage(where, "broken compression") from error
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
            ValueError,  # http.client and urllib3 on hostile status lines and headers
        ) as error:
            raise SourceUnavailable(f"{where} {reason(error)}") from error

    def _once(self, request: Request, where: str, deadline_s: float) -> Response:
        self.requests += 1
        try:
            headers = self._headers()
        except SourceError:
            # Core takes its cookie away when it ends, and before it has ended it waits,
            # for half a minute, for connections that are left open.
            self.close()
            raise
        if request.body is not None:
            headers["Content-Type"] = request.media_type
        response = self._session.request(
            "GET" if request.body is None else "POST",
            self._base_url + request.path,
            data=request.body,
            headers=headers,
            stream=True,
            allow_redirects=False,
            timeout=deadline_s + 1,  # of each read; the deadline around us comes first
        )
        whole = False
        try:
            if response.status_code not in request.accept:
                raise _refusal(response, where)
            try:
                received = read_bounded(response.raw, request.max_bytes)
            except AnswerTooLarge as error:
                raise AnswerCutOff(f"{where} {error}") from error
            whole = True
            return Response(response.status_code, received, _retry_after_s(response))
        finally:
            if not whole:
                # Not `response.close()` alone, which would read on to reuse it.
                response.raw.close()
            response.close()


def garbage(where: str, what: str) -> SourceGarbage:
    """The error of a source that sent `what`. `where`: its name and path."""
    return SourceGarbage(f"{where} sent {what}")


def decode(body: bytes | memoryview, type_: type[T], where: str) -> T:
    """The body as this type, strictly. Raises `SourceGarbage`.

    `where` is the source's name and path. msgspec's words say which field is wrong and
    of what type it should be; they do not quote the body.
    """
    try:
        return read_json(body, type_)
    except AnswerUnreadable as error:
        raise garbage(where, str(error)) from error


def no_json(where: str, body: bytes) -> SourceGarbage:
    """The error of a source that sent this in place of what was asked for."""
    return garbage(where, looks_like(body))


def _refusal(response: requests.Response, where: str) -> SourceError:
    status = response.status_code
    wait_s = _retry_after_s(response)
    if status == 429 or (status == 503 and wait_s is not None):
        return SourceBusy(f"{where} asks us to slow down ({status})", wait_s)
    if status in (401, 403):
        return SourceUnavailable(f"{where} refuses our credentials ({status})")
    if 300 <= status <= 399:
        return SourceGarbage(
            f"{where} redirects ({status}), which is not followed; "
            "configure the address it leads to"
        )
    if status >= 500 or status == 408:
        return SourceUnavailable(f"{where} failed ({status})", wait_s)
    return SourceGarbage(f"{where} answered with status {status}")


def _retry_after_s(response: requests.Response) -> float | None:
    wait_s = parse_retry_after(response.headers.get("Retry-After"), time.time())
    return None if wait_s is None else min(wait_s, _RETRY_AFTER_CAP_S)
