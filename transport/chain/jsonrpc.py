"""JSON-RPC over HTTP, as Bitcoin nodes speak it: single calls and batches.

It knows ids, errors, credentials and bounds, and no method: `bitcoind` does. Called
from the blocking source actor's greenlet, by one caller at a time.

Core before 28 answers errors with HTTP 500 or 404, JSON-RPC 2 and bcoin with 200: the
body is read whatever the status. Only calls that read may be made: one is sent again
when its connection breaks.
"""

import itertools
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from engine.errors import SourceGarbage, SourceUnavailable
from transport.chain.http_client import (
    DEADLINE_S,
    MAX_BYTES,
    Request,
    SourceHttp,
    decode,
    garbage,
)

__all__ = ["JsonRpc", "Reply", "RpcError"]

DEFAULT_PORT = 8332

_MISC_ERROR = -1
_NOT_FOUND = -5
_NO_BATCHES = (-32600, -32601, -32700)  # what a server without batches calls one

# With these the body, if it is a reply, says more than the status.
_STATUSES = (200, 400, 401, 404, 500)

T = TypeVar("T")


class Failure(msgspec.Struct):
    code: int
    message: str = ""


class Reply(msgspec.Struct):
    """JSON-RPC 1 always has both; JSON-RPC 2 (Core 28) leaves one out."""

    id: int | None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Failure | None = None


class RpcError(SourceUnavailable):
    """The node answered with an error: it works, but not for this."""

    def __init__(self, name: str, method: str, failure: Failure) -> None:
        self.rpc_code = failure.code
        words = "".join(c if c.isprintable() else "?" for c in failure.message[:100])
        self.is_not_found = failure.code == _NOT_FOUND or (
            failure.code == _MISC_ERROR and "not found" in words.lower()
        )
        super().__init__(f"{name}: {method}: {words or 'error'} ({failure.code})")


class JsonRpc:
    """A node at `http://user:password@host:port`, or with `?cookie=/path/.cookie`.

    Core's cookie file is read anew for each request, as it changes whenever the node
    starts. Raises ValueError for a URL that is none, without quoting it.
    """

    def __init__(self, url: str, name: str, deadline_s: float = DEADLINE_S) -> None:
        base, credentials = _parse_url(url)
        self.name = name
        self.requests = 0  # sent upstream so far
        self._credentials = credentials
        self._http = SourceHttp(name, base, self._authorization, deadline_s)
        self._ids = itertools.count(1)
        self._batches = True  # until the node refuses one

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, params: list[object], type_: type[T]) -> T:
        result = self.result(method, self.replies(method, [params])[0])
        return decode(result, type_, f"{self.name}: {method}")

    def replies(
        self,
        method: str,
        calls: Sequence[Sequence[object]],
        max_bytes: int = MAX_BYTES,
        deadline_s: float | None = None,
    ) -> list[Reply]:
        """The replies to calls of one method, in the order of the calls.

        Several go as one batch, unless the node does not know batches.
        """
        if len(calls) > 1 and not self._batches:
            return [
                self.replies(method, [one], max_bytes, deadline_s)[0] for one in calls
            ]
        ids = [next(self._ids) for _ in calls]
        questions = [
            {"jsonrpc": "1.0", "id": number, "method": method, "params": params}
            for number, params in zip(ids, calls, strict=True)
        ]
        body = self._post(
            method, questions if len(calls) > 1 else questions[0], max_bytes, deadline_s
        )
        where = f"{self.name}: {method}"
        if len(calls) == 1:
            replies = [decode(body, Reply, where)]
        elif body.lstrip()[:1] == b"{":
            reply = decode(body, Reply, where)
            if reply.error is None or reply.error.code not in _NO_BATCHES:
                self.result(method, reply)
                raise self.garbage(method, "one answer to a batch")
            self._batches = False
            return self.replies(method, calls, max_bytes, deadline_s)
        else:
            replies = decode(body, list[Reply], where)
        by_id = {reply.id: reply for reply in replies}
        if len(replies) != len(ids) or by_id.keys() != set(ids):
            raise self.garbage(method, "answers to other questions (wrong id)")
        return [by_id[number] for number in ids]

    def _post(
        self, method: str, question: object, max_bytes: int, deadline_s: float | None
    ) -> bytes:
        """The body of an answer in JSON; errors that are none are told by status."""
        try:
            answer = self._http.ask(
                Request(
                    "/",
                    msgspec.json.encode(question),
                    accept=_STATUSES,
                    max_bytes=max_bytes,
                    deadline_s=deadline_s,
                    label=method,
                )
            )
        finally:
            self.requests = self._http.requests
        if answer.status == 401:
            raise SourceUnavailable(f"{self.name}: wrong RPC user or password")
        if answer.status == 500 and not _is_reply(answer.body):
            raise SourceUnavailable(f"{self.name}: {method} failed (500)")
        return answer.body

    def result(self, method: str, reply: Reply) -> bytes:
        """The result as JSON. Raises `RpcError` if the node answered with an error."""
        if reply.error is not None:
            raise RpcError(self.name, method, reply.error)
        return bytes(reply.result)

    def garbage(self, method: str, what: str) -> SourceGarbage:
        return garbage(f"{self.name}: {method}", what)

    def _authorization(self) -> dict[str, str]:
        secret = self._credentials()
        if secret is None:
            return {}
        return {"Authorization": f"Basic {b64encode(secret).decode()}"}


def _is_reply(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=Reply | list[Reply])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _parse_url(url: str) -> tuple[str, Callable[[], bytes | None]]:
    """(URL without user and query, where to get "user:password" for a request)."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        # Not chained: urllib's words quote what it took for the port.
        raise ValueError("the node's URL cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the node's URL must be http://user:password@host:port")
    if parts.path.strip("/") or parts.fragment or set(query) - {"cookie"}:
        raise ValueError("the node's URL has more than ?cookie= after the port")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    base = f"{parts.scheme}://{host}:{port}"
    if "cookie" in query:
        path = query["cookie"][0]
        return base, lambda: _read_cookie(path)
    if parts.username is None and parts.password is None:
        return base, lambda: None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    secret = f"{user}:{password}".encode()
    return base, lambda: secret


def _read_cookie(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1_000).strip()
    except OSError as error:
        raise SourceUnavailable(
            f"the node's cookie file cannot be read ({error.strerror})"
        ) from error
