"""The node itself over HTTP: health, metrics, watchers, sources, the document.

Runs in the request's greenlet. Health and readiness need no key, so they are asked of
the engine at most once a second, however often they are asked for.
"""

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import bottle
import msgspec

from engine.bitcoin.address import parse_address
from engine.errors import Code, InvalidAddress
from engine.gateway import Gateway, NodeHealth, SourceState, WatcherState
from transport.control.metrics import Metrics
from transport.control.operations import NODE as TABLE
from transport.http import openapi
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import Api, ApiSettings, answer, environ
from transport.http.cursors import read_text, text_cursor
from transport.http.inputs import NoFields
from transport.http.params import CursorQuery
from transport.http.problems import Problem
from transport.http.request_json import json_body, query, typed
from transport.http.views import (
    CoreView,
    HealthView,
    PollAccepted,
    ReadyView,
    SourcePage,
    SourceView,
    WatcherPage,
    WatcherView,
    WebSocketHealth,
    freshness_view,
    iso_or_none,
)
from transport.server.refusal import FieldError

__all__ = ["routes"]

HEALTH_KEPT_S = 1.0
NOT_READY_RETRY_S = "2"

T = TypeVar("T")


def routes(app: Api, gateway: Gateway, auth: Auth, settings: ApiSettings) -> None:
    """Put the node's routes into `app`."""
    node = _Node(app, gateway, auth, settings)
    for operation in TABLE:
        app.add(operation, getattr(node, operation.name))


class _Node:
    """One method for each operation of the table, by its name."""

    def __init__(
        self, app: Api, gateway: Gateway, auth: Auth, settings: ApiSettings
    ) -> None:
        self._app = app
        self._gateway = gateway
        self._auth = auth
        self._settings = settings
        self._health = _Remembered(gateway.health, HEALTH_KEPT_S)
        self._metrics = Metrics(gateway)

    # -- is it well ------------------------------------------------------------------

    def health(self) -> Any:
        health = self._health.get()
        return answer(
            HealthView(
                status="ok" if health.ready else "degraded",
                service="paybell",
                version=self._settings.version,
                network=self._settings.network,
                reasons=health.reasons,
                websocket=WebSocketHealth(enabled=True, clients=health.sessions),
                watchers=health.watchers,
                quarantined=health.quarantined,
                freshness=freshness_view(health.freshness),
            )
        )

    def ready(self) -> Any:
        health: NodeHealth = self._health.get()
        if not health.ready:
            raise Problem(
                Code.NOT_READY,
                f"No new payments are taken: {'; '.join(health.reasons)}",
                errors=tuple(FieldError("", reason) for reason in health.reasons),
                headers={"Retry-After": NOT_READY_RETRY_S},
            )
        return answer(
            ReadyView(
                ready=True,
                watchers=health.watchers,
                freshness=freshness_view(health.freshness),
            )
        )

    def metrics(self) -> Any:
        self._whole_node()
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return bottle.HTTPResponse(self._metrics.page(), 200, {"Content-Type": kind})

    def openapi(self) -> Any:
        return answer(
            openapi.document(self._app.operations, self._settings.version),
            headers={"Cache-Control": "no-cache"},
        )

    # -- watchers --------------------------------------------------------------------

    def list_watchers(self) -> Any:
        self._whole_node()
        asked = query(environ(), CursorQuery)
        after = read_text(asked.cursor) if asked.cursor is not None else ""
        found = self._gateway.watchers(asked.limit + 1, after)
        page = found[: asked.limit]
        more = len(found) > len(page)
        return answer(
            WatcherPage(
                core=[
                    CoreView(
                        name=core.name,
                        state=core.state,
                        incarnation=core.incarnation,
                        backlog=core.backlog,
                    )
                    for core in self._gateway.core()
                ],
                data=[_watcher_view(state) for state in page],
                next_cursor=text_cursor(page[-1].payment_id) if more else None,
            )
        )

    def get_watcher(self, address: str) -> Any:
        return answer(_watcher_view(self._watcher(address)))

    def poll_watcher(self, address: str) -> Any:
        state = self._watcher(address, takes_body=True)
        if not self._gateway.poll(state.address):
            raise _not_watched()
        accepted = PollAccepted(address=state.address, payment_id=state.payment_id)
        return answer(accepted, 202)

    def _watcher(self, text: str, *, takes_body: bool = False) -> WatcherState:
        """The watcher, if it is there for this caller: others' are not (404)."""
        principal = self._auth.require(environ())
        if takes_body:
            typed(json_body(environ(), may_be_empty=True), NoFields)
        try:
            address = parse_address(text, self._settings.network).text
        except InvalidAddress as error:
            raise _not_watched() from error
        state = self._gateway.watcher(address)
        if state is None or not self._is_own(state, principal):
            raise _not_watched()
        return state

    def _is_own(self, state: WatcherState, principal: Principal) -> bool:
        if principal.merchant is None:
            return True
        payment = self._gateway.payment(state.payment_id)
        return payment is not None and principal.may_see(payment.terms.merchant)

    def list_sources(self) -> Any:
        self._auth.require(environ())
        found = self._gateway.sources()
        return answer(SourcePage(data=[_source_view(state) for state in found]))

    def _whole_node(self) -> None:
        """What concerns everybody is not for the key of one merchant."""
        if self._auth.require(environ()).merchant is not None:
            raise Problem(
                Code.FORBIDDEN, "This wants a key of the whole node, not a merchant's."
            )


def _not_watched() -> Problem:
    return Problem(Code.WATCHER_NOT_FOUND, "This address is not watched.")


def _watcher_view(state: WatcherState) -> WatcherView:
    values = msgspec.structs.asdict(state)
    for name in ("seen_at", "next_poll_at", "next_deadline_at"):
        values[name] = iso_or_none(values[name])
    return WatcherView(**values)


def _source_view(state: SourceState) -> SourceView:
    values = msgspec.structs.asdict(state)
    values["last_answer_at"] = iso_or_none(state.last_answer_at)
    return SourceView(**values)


class _Remembered(Generic[T]):
    """A value that costs something, kept for a moment."""

    def __init__(self, make: Callable[[], T], keep_s: float) -> None:
        self._make = make
        self._keep_s = keep_s
        self._kept: tuple[float, T] | None = None

    def get(self) -> T:
        now = time.monotonic()
        if self._kept is None or now - self._kept[0] >= self._keep_s:
            self._kept = now, self._make()
        return self._kept[1]
