"""JSON-RPC over HTTP, as Bitcoin nodes speak it: single calls and batches.

It knows ids, errors, credentials and bounds, and no method: `bitcoind` does. Called
from the blocking source actor's greenlet, by one caller at a time.

Bitcoin Core's httprpc.cpp and httpserver.cpp: an error comes with HTTP 500, 404 or 400
when a single call was made in JSON-RPC 1, and with 200 in a batch or in JSON-RPC 2
(Core 28 and later), as from bcoin. So the body is read whatever the status. What is
refused before it is a call has no JSON: 401 (credentials), 403 (rpcallowip,
rpcwhitelist), 404 (another path than /), 503 or, in old ones, 500 (the work queue is
full). We ask in JSON-RPC 1, which all know. Only calls that read may be made: one is
sent again when its connection breaks.
"""

import itertools
from base64 import b64encode
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from engine.chain.source_url import SourceUrl, parse_source_url
from engine.errors import SourceBusy, SourceError, SourceGarbage, SourceUnavailable
from engine.runtime.yielding import yield_to_hub
from transport.chain.http_client import (
    DEADLINE_S,
    MAX_BYTES,
    Request,
    Response,
    SourceHttp,
    decode,
    garbage,
    no_json,
)

__all__ = ["Call", "JsonRpc", "Reply", "RpcError"]

QUEUE_FULL_S = 2.0
"""How long a node is left alone that has more to do than its work queue holds."""

LARGE_BYTES = 1024 * 1024
"""What it takes a millisecond to look through, after it was put together."""

WARMING_UP_S = 2.0
"""How long a node is left alone that is starting (-28). It is at work, not down: it is
not asked more and more rarely the longer that takes."""

_MISC_ERROR = -1
_NOT_FOUND = -5
_IN_WARMUP = -28
_NO_METHOD = -32601
_NO_BATCHES = (-32600, _NO_METHOD, -32700)  # what a server without batches calls one

# With these the body, if it is a reply, says more than the status.
_STATUSES = (200, 400, 401, 403, 404, 500, 503)

T = TypeVar("T")

Call = tuple[str, Sequence[object]]
"""A method and its parameters."""


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

    def __init__(self, name: str, method: str, code: int, words: str) -> None:
        self.rpc_code = code
        self.words = words
        self.is_not_found = code == _NOT_FOUND or (
            code == _MISC_ERROR and "not found" in words.lower()
        )
        self.is_unknown_method = code == _NO_METHOD
        super().__init__(
            f"{name}: {method}: {words or 'error'} ({code})",
            WARMING_UP_S if code == _IN_WARMUP else None,
        )


class JsonRpc:
    """A node at `http://user:password@host:port`, or with `?cookie=/path/.cookie`, or
    at `https://host/token`; see `engine.chain.source_url`.

    Core's cookie file is read anew for each request, as it changes whenever the node
    starts. Raises ValueError for a URL that is none, without quoting it.
    """

    methods: tuple[str, ...] = ()
    """Which ones are called; a node may have a list of those that it allows."""

    def __init__(
        self, url: str | SourceUrl, name: str, deadline_s: float = DEADLINE_S
    ) -> None:
        self._url = parse_source_url("bitcoind", url) if isinstance(url, str) else url
        self.name = name
        self.requests = 0  # sent upstream so far
        self._http = SourceHttp(name, self._url.base, self._authorization, deadline_s)
        self._ids = itertools.count(1)
        self._batches = True  # until the node refuses one

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, params: Sequence[object], type_: type[T]) -> T:
        result = self.result(method, self.replies([(method, params)])[0])
        return decode(result, type_, f"{self.name}: {method}")

    def replies(
        self,
        calls: Sequence[Call],
        max_bytes: int = MAX_BYTES,
        deadline_s: float | None = None,
    ) -> list[Reply]:
        """The replies, in the order of the calls.

        Several go as one batch, unless the node does not know batches.
        """
        if len(calls) > 1 and not self._batches:
            return [self.replies([one], max_bytes, deadline_s)[0] for one in calls]
        label = calls[0][0]  # of a batch, which are of one kind, the first
        ids = [next(self._ids) for _ in calls]
        questions = [
            {"jsonrpc": "1.0", "id": number, "method": method, "params": params}
            for number, (method, params) in zip(ids, calls, strict=True)
        ]
        body = self._post(
            label, questions if len(calls) > 1 else questions[0], max_bytes, deadline_s
        )
        where = f"{self.name}: {label}"
        if len(body) > LARGE_BYTES:
            yield_to_hub()
        if len(calls) == 1:
            replies = [decode(body, Reply, where)]
            if replies[0].id is None:
                self.result(label, replies[0])  # it may say that it read no question
        elif body.lstrip()[:1] == b"{":
            reply = decode(body, Reply, where)
            if reply.error is None or reply.error.code not in _NO_BATCHES:
                self.result(label, reply)
                raise self.garbage(label, "one answer to a batch")
            self._batches = False
            return self.replies(calls, max_bytes, deadline_s)
        else:
            replies = decode(body, list[Reply], where)
        by_id = {reply.id: reply for reply in replies}
        if len(replies) != len(ids) or by_id.keys() != set(ids):
            raise self.garbage(label, "answers to other questions (wrong id)")
        return [by_id[number] for number in ids]

    def _post(
        self, label: str, question: object, max_bytes: int, deadline_s: float | None
    ) -> bytes:
        """The body of an answer in JSON; errors that are none are told by status."""
        try:
            answer = self._http.ask(
                Request(
                    self._url.path,
                    msgspec.json.encode(question),
                    accept=_STATUSES,
                    max_bytes=max_bytes,
                    deadline_s=deadline_s,
                    label=label,
                )
            )
        finally:
            self.requests = self._http.requests
        if answer.status == 200 or _is_reply(answer.body):
            return answer.body
        raise self._refusal(label, answer)

    def _refusal(self, label: str, answer: Response) -> SourceError:
        """What an answer means that holds no JSON. The node's words stay out of it."""
        hosted = self._url.path != "/"
        match answer.status:
            case 401:
                what = "token in its URL" if hosted else "RPC user or password"
                return SourceUnavailable(f"{self.name}: wrong {what} (401)")
            case 403:
                needed = ",".join(self.methods)
                first = "the token in its URL, " if hosted else ""
                return SourceUnavailable(
                    f"{self.name}: refuses us (403): {first}rpcallowip must hold this"
                    f" machine's address, and rpcwhitelist, if it is set, {needed}"
                )
            case 404 if not answer.body:
                return SourceUnavailable(
                    f"{self.name}: nothing answers at the path of its URL (404)"
                )
            case 500 | 503 if b"work queue depth exceeded" in answer.body[:200].lower():
                return SourceBusy(
                    f"{self.name}: has too much to do (its RPC work queue is full;"
                    " rpcworkqueue= makes it longer)",
                    QUEUE_FULL_S,
                )
            case 503 if answer.retry_after_s is not None:
                return SourceBusy(
                    f"{self.name}: {label} asks us to slow down (503)",
                    answer.retry_after_s,
                )
            case 500 | 503:
                return SourceUnavailable(
                    f"{self.name}: {label} failed ({answer.status})"
                )
        return no_json(f"{self.name}: {label}", answer.body)

    def result(self, method: str, reply: Reply) -> bytes:
        """The result as JSON. Raises `RpcError` if the node answered with an error."""
        return bytes(self.large_result(method, reply))

    def large_result(self, method: str, reply: Reply) -> memoryview:
        """As `result`, where it stands in the answer: to copy megabytes takes 2 ms."""
        error = reply.error
        if error is not None:
            words = self._printable(error.message)
            raise RpcError(self.name, method, error.code, words)
        return memoryview(reply.result)

    def _printable(self, words: str) -> str:
        """A node's words, fit for a log: short, printable, and no secret of ours."""
        for secret in self._url.secrets:
            words = words.replace(secret, "…")
        return "".join(c if c.isprintable() else "?" for c in words[:100])

    def garbage(self, method: str, what: str) -> SourceGarbage:
        return garbage(f"{self.name}: {method}", what)

    def _authorization(self) -> dict[str, str]:
        url = self._url
        if url.cookie is not None:
            secret = _read_cookie(url.cookie)
        elif url.user is not None:
            secret = f"{url.user}:{url.password}".encode()
        else:
            return {}
        return {"Authorization": f"Basic {b64encode(secret).decode()}"}


def _is_reply(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=Reply | list[Reply])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _read_cookie(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1_000).strip()
    except OSError as error:
        raise SourceUnavailable(
            f"the node's cookie file cannot be read ({error.strerror})"
        ) from error
