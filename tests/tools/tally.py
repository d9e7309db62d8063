"""A WSGI application around a node's own: counts answers, and helps a fuzzer along.

`Tally` counts each answer by operation and status. It signs three quarters of the
webhooks that pass through, which nobody who makes data up could do: without, a fuzzer
never gets behind that door; and where there is an `address`, every other one of them
is about that. Of an answer without an end (a stream of events) it lets
through the first piece, and ends it.

Used by tests/integration/test_api_fuzz.py; runs in the greenlets of the connections.
"""

import contextlib
import hashlib
import hmac
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

from engine.errors import BodyError
from transport.http.openapi import template
from transport.server.request_body import read_body

__all__ = ["Tally"]

Environ = dict[str, Any]

MOST_BYTES = 1_000_000
ELSEWHERE = "elsewhere"  # no operation of the document: a method that is not taken


class Tally:
    """See the module. `app` is the node's Api; `secret` that of its webhooks."""

    def __init__(self, app: Any, secret: str) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        """By operation (method and path as documented) and status."""

        self.address = ""
        """Of a payment that is there: made-up webhooks would never hit one."""

        self._app = app
        self._secret = secret
        self._calls = 0
        self._operations = [
            (operation.method, template(operation.path)) for operation in app.operations
        ]

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        where = self._where(environ)
        self._calls += 1
        if where.endswith("/webhook/btc") and self._calls % 4:
            self._sign(environ)
        answered: list[tuple[int, bool]] = []

        def note(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            is_stream = ("text/event-stream" in value for _, value in headers)
            answered[:] = [(int(status[:3]), any(is_stream))]
            return start(status, headers, *more)

        body = self._app(environ, note)
        code, is_stream = answered[0]
        self.answers[where, code] += 1
        return _first_of(body) if is_stream else body

    def total(self) -> int:
        return self.answers.total()

    def share(self, status: int) -> float:
        """Of all answers."""
        of_it = sum(n for (_, code), n in self.answers.items() if code == status)
        return of_it / self.total()

    def without_success(self) -> set[str]:
        """Operations that were tried, and never answered 2xx."""
        good = {where for where, code in self.answers if 200 <= code < 300}
        return {where for where, _ in self.answers} - good - {ELSEWHERE}

    def lines(self) -> list[str]:
        statuses: Counter[int] = Counter()
        for (_, code), n in self.answers.items():
            statuses[code] += n
        told = ", ".join(f"{n} {code}" for code, n in sorted(statuses.items()))
        operations = {where for where, _ in self.answers} - {ELSEWHERE}
        return [f"{self.total()} requests to {len(operations)} operations: {told}"]

    def _where(self, environ: Environ) -> str:
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if asked in self._operations:
            return " ".join(asked)
        for method, path in self._operations:
            pattern = re.sub(r"\{.*?\}", "[^/]+", path)
            if asked[0] == method and re.fullmatch(pattern, asked[1]):
                return f"{method} {path}"
        return ELSEWHERE

    def _is_to_hit(self) -> bool:
        return bool(self.address) and self._calls % 2 == 0

    def _sign(self, environ: Environ) -> None:
        if environ["REQUEST_METHOD"] == "GET":
            said = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
            kept = [(name, value) for name, value in said if name != "secret"]
            if self._is_to_hit():
                kept = [(n, self.address if n == "addr" else v) for n, v in kept]
            environ["QUERY_STRING"] = urlencode([*kept, ("secret", self._secret)])
            return
        try:
            body = read_body(environ, MOST_BYTES)
        except BodyError:
            return  # the node will say so
        if self._is_to_hit():
            with contextlib.suppress(ValueError, TypeError):
                body = json.dumps(
                    {**json.loads(body), "address": self.address}
                ).encode()
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        digest = hmac.new(self._secret.encode(), body, hashlib.sha256)
        environ["HTTP_X_SIGNATURE"] = digest.hexdigest()


def _first_of(stream: Iterable[bytes]) -> Iterator[bytes]:
    try:
        for piece in stream:
            yield piece
            return
    finally:
        if close := getattr(stream, "close", None):
            close()
