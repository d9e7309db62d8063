"""The bottle application that all HTTP routes are put into, and how it answers.

Whatever happens in a handler, the client gets JSON: an answer, or a problem (RFC
9457). `Api.add` puts a route and its description in together, so that none is missing
from /openapi.json. It knows no payment. Handlers run in the connection's greenlet.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import bottle
import msgspec

from engine.errors.codes import Code
from engine.merchants.gateway_mapping import GatewayMapping
from engine.policy.defaults import MAX_MERCHANTS, MONITOR_S
from engine.ports import ChannelSender
from engine.wallet.forward_policy import ForwardPolicy
from transport.bodies.problem_body import MEDIA_TYPE
from transport.http.asking_limits import AskingLimits
from transport.http.auth import SCOPE
from transport.http.openapi import Operation
from transport.http.problems import CRASHED, Problem, problem_of, rate_limited
from transport.http.request_times import RequestTimes
from transport.http.strangers import LIMIT, TOO_MANY, Strangers
from transport.server.request_id import ENVIRON as REQUEST_ID
from transport.server.request_id import log_crash

__all__ = ["HttpAnswer", "Api", "ApiSettings", "answer", "environ"]

Handler = Callable[..., Any]

_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_encoder = msgspec.json.Encoder()

_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
#: What bottle refuses by itself, by its status; the rest is a crash.
_ROUTING = {
    c.status: c for c in (Code.BAD_REQUEST, Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED)
}
_ROUTE = "paybell.route"  # in the environ: method and template of what is timed
_OUT = "paybell.out"  # in the environ: what a route returned


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """What the API must know of the node it speaks for."""

    network: str
    version: str
    sender: ChannelSender
    """Sends the test event of a channel."""

    address_source: Callable[[], str] | None = None
    """A fresh address for a payment that names none; None: there is no wallet."""

    public_url: str = ""
    """Where clients reach the node, without a slash at its end, if it knows."""

    monitor_s: int = MONITOR_S
    """Late payments are looked for this long after a payment's expiry."""

    poll_intervals_s: Mapping[str, int] = field(default_factory=dict)
    """By merchant, where a system that it serves has a pace of its own."""

    tolerance_sat: int = 0
    """Of payments that name none: so much too little still counts as paid."""

    tolerance_percent: int = 1
    """Of all payments: a tolerance is never more than this share of the amount."""

    quorum_above_sat: int | None = None
    """Of all payments: more than this is confirmed only by two sources."""

    independent_sources: int = 1
    """Of how many operators there are sources."""

    gateways: Mapping[str, GatewayMapping] = field(default_factory=dict)
    """Those whose signed word confirms a payment without a chain, by name."""

    asking: AskingLimits = field(default_factory=AskingLimits)
    """Of what costs more than a call."""

    allow_private_webhooks: bool = False
    allow_webhook_ports: frozenset[int] = frozenset()
    max_merchants: int = MAX_MERCHANTS

    forwarding: ForwardPolicy = field(default_factory=ForwardPolicy)
    """By which rules money is sent on."""

    websocket_clients: Callable[[], int] | None = None
    """How many WebSockets are open; None: nobody counts them apart."""

    log_counts: Callable[[], dict[str, int]] = dict
    """What the process's log wrote, and what it did not; for the metrics."""


class _LateRouter(bottle.Router):  # type: ignore[misc]  # the package has no types
    """Bottle's, which compiles all routes of a method anew for each that is added: a
    third of what a node computes before it listens. Here once, for the first call."""

    def __init__(self) -> None:
        super().__init__()
        self._late: set[str] = set()

    def _compile(self, method: str) -> None:
        self._late.add(method)
        self.dyna_regexes[method] = []

    def match(self, environ: dict[str, Any]) -> Any:
        """As bottle's."""
        while self._late:
            super()._compile(self._late.pop())
        return super().match(environ)


class Api(bottle.Bottle):  # type: ignore[misc]  # the package has no types
    """Bottle without its HTML: errors of routing, too, are problems."""

    def __init__(self, strangers: Strangers | None = None) -> None:
        super().__init__()
        # Bottle lets nobody set an attribute that is there.
        self.__dict__["router"] = _LateRouter()
        self.operations: list[Operation] = []
        self.times = RequestTimes()
        self._strangers = strangers or Strangers()
        self.install(_Problems())

    def add(
        self, operation: Operation, handler: Handler, *, streams: bool = False
    ) -> None:
        """A route of the API, with its entry in the OpenAPI document.

        Only one that `streams` may change `bottle.response`: others say all in what
        they return, and bottle's is not even made for them.
        """
        self.route(
            operation.path,
            operation.method,
            handler,
            name=operation.name,
            streams=streams,
            scope=operation.scope if operation.needs_key else None,
            limited_by_itself=operation.needs_key or operation.limited_by_itself,
        )
        self.operations.append(operation)

    def add_all(self, handlers: object) -> None:
        """Every method of `handlers` above which an `Operation` stands, in order."""
        for name, method in vars(type(handlers)).items():
            operation = getattr(method, "operation", None)
            if isinstance(operation, Operation):
                self.add(operation, getattr(handlers, name))

    def wsgi(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """As bottle's, with the headers that every answer has.

        An `HttpAnswer` is whole: it passes by what bottle does to make one.
        """
        began = time.perf_counter()
        out = self._handle(environ)
        base = environ.get("SCRIPT_NAME", "")
        if isinstance(out, HttpAnswer):
            route = environ.get(_ROUTE)
            if route is not None:
                self.times.took(route, time.perf_counter() - began)
            self.times.ended(out.line)
            headers = _led_by(base, out.headers) if base else out.headers
            start_response(out.line, headers)
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [out.body]

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            self.times.ended(status)
            return start_response(status, _led_by(base, _with_always(headers)), *rest)

        environ[_OUT] = out
        answered: Iterable[bytes] = super().wsgi(environ, start)
        return answered

    def _handle(self, environ: dict[str, Any]) -> Any:
        """What the route returns; bottle asks again for what was no `HttpAnswer`."""
        if _OUT in environ:
            return environ.pop(_OUT)
        try:
            route, args = self.router.match(environ)
        except bottle.HTTPError:
            return self._turned_away(environ) or super()._handle(environ)
        # For a route that says nothing it is done here, so that none is forgotten.
        if not route.config.get("limited_by_itself", False):
            refused = self._turned_away(environ)
            if refused is not None:
                return refused
        environ[SCOPE] = route.config.get("scope")
        if route.config.get("streams", True) or not environ["PATH_INFO"].isascii():
            return super()._handle(environ)
        environ[_ROUTE] = environ["REQUEST_METHOD"], route.rule
        bottle.request.bind(environ)
        try:
            out = route.call(**args)
        except bottle.HTTPResponse as response:
            out = response
        if not isinstance(out, HttpAnswer):
            bottle.response.bind()
        return out

    def _turned_away(self, environ: dict[str, Any]) -> "HttpAnswer | None":
        """429 for an address from which too much comes without a key."""
        wait_s = self._strangers.wait_s(environ)
        if wait_s == 0:
            return None
        problem = rate_limited(TOO_MANY, wait_s, LIMIT)
        return _as_answer(problem, environ)

    def default_error_handler(self, error: Any) -> bytes:
        """What bottle itself refuses: no such path, no such method."""
        response = bottle.response
        code = _ROUTING.get(error.status_code, Code.INTERNAL_ERROR)
        if code is Code.METHOD_NOT_ALLOWED:
            allowed = _allowed(error.get_header("Allow", ""))
            response.set_header("Allow", allowed)
            if bottle.request.method == "OPTIONS":
                response.status = 204
                return b""
            detail = f"This path supports only {allowed}."
        elif code is Code.NOT_FOUND:
            detail = "There is nothing at this path. /openapi.json lists all paths."
        elif code is Code.BAD_REQUEST:
            detail = "The path must be percent-encoded UTF-8."
        else:
            detail = CRASHED
            if error.exception is not None:
                _log_route_crash(error.exception)
        response.content_type = MEDIA_TYPE
        return Problem(code, detail).body(environ())


class _Problems:
    """A bottle plugin: what a handler raises becomes an answer."""

    name = "problems"
    api = 2

    def apply(self, callback: Handler, _route: Any) -> Handler:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                return callback(*args, **kwargs)
            except bottle.HTTPResponse:
                raise
            except Exception as error:  # noqa: BLE001  # a border: whatever happens is an answer
                problem = problem_of(error)
                if problem.status == 500:
                    _log_route_crash(error)
                return _as_answer(problem, environ())

        return guarded


class HttpAnswer:
    """A whole answer: nothing is left to be found out about it."""

    __slots__ = ("body", "headers", "line")

    def __init__(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        self.body = body
        self.line = _LINES[status]
        self.headers = [*{**_ALWAYS, **headers}.items()]
        if status not in (204, 304):  # these have none (RFC 9110 8.6)
            self.headers.append(("Content-Length", str(len(body))))


def _as_answer(problem: Problem, environ: dict[str, Any]) -> HttpAnswer:
    head = {"Content-Type": MEDIA_TYPE, **problem.headers}
    return HttpAnswer(problem.body(environ), problem.status, head)


def answer(
    value: Any, status: int = 200, headers: dict[str, str] | None = None
) -> HttpAnswer:
    """A JSON answer; `value` may be encoded already (bytes)."""
    body = value if isinstance(value, bytes) else _encoder.encode(value)
    head = {"Content-Type": "application/json", **(headers or {})}
    return HttpAnswer(body, status, head)


def environ() -> dict[str, Any]:
    """The WSGI environ of the request under way in this greenlet."""
    found: dict[str, Any] = bottle.request.environ
    return found


def _with_always(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    present = {name.lower() for name, _ in headers}
    more = _ALWAYS.items()
    return headers + [(n, v) for n, v in more if n.lower() not in present]


def _led_by(base: str, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """With what a proxy took off our paths before each `Location` of ours."""
    return [
        (name, base + value if name == "Location" and value[:1] == "/" else value)
        for name, value in headers
    ]


def _allowed(methods: str) -> str:
    found = {method.strip() for method in methods.split(",") if method.strip()}
    if "GET" in found:
        found.add("HEAD")
    return ", ".join(sorted(found | {"OPTIONS"}))


def _log_route_crash(error: BaseException) -> None:
    log_crash(
        error,
        method=bottle.request.method,
        path=bottle.request.path,
        request_id=bottle.request.environ.get(REQUEST_ID, ""),
    )
