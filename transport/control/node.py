"""The node itself over HTTP: health, metrics, the document.

Runs in the request's greenlet. Health and readiness need no key, so they are asked of
the engine at most once a second, however often they are asked for.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

import bottle
import msgspec

from engine.chain.witness import Standing
from engine.errors.codes import Code
from engine.gateway import Gateway, NodeHealth
from engine.merchants.scopes import Scope
from engine.ports import Freshness
from transport.bodies.problem_body import FieldError
from transport.control.forwarding import Forwarding
from transport.control.metrics import Metrics
from transport.control.rates import Rates
from transport.control.sources import Sources
from transport.control.till_forwards import TillForwards
from transport.control.upstreams import Upstreams
from transport.control.wallets import Wallets
from transport.control.watchers import Watchers
from transport.http import openapi
from transport.http.auth import Auth
from transport.http.bottle_app import Api, ApiSettings, answer, environ
from transport.http.kept import Kept
from transport.http.openapi import Operation, Text
from transport.http.problems import Problem
from transport.http.views import iso_or_none, public_reason

__all__ = ["routes"]

HEALTH_KEPT_S = 1.0
NOT_READY_RETRY_S = "2"

T = TypeVar("T")


def routes(app: Api, gateway: Gateway, auth: Auth, settings: ApiSettings) -> None:
    """Put the node's routes into `app`."""
    app.add_all(_Node(app, gateway, auth, settings))
    app.add_all(Sources(gateway, auth))
    app.add_all(Upstreams(gateway, auth))
    app.add_all(Rates(gateway, auth))
    app.add_all(Forwarding(gateway, auth, settings.forwarding.per_day_sat))
    app.add_all(TillForwards(gateway, auth))
    app.add_all(Wallets(gateway, auth))
    app.add_all(Watchers(gateway, auth, settings.network))


class WebSocketHealth(msgspec.Struct, frozen=True, kw_only=True):
    enabled: bool
    clients: int


class FreshnessView(msgspec.Struct, frozen=True, kw_only=True):
    """How up to date the chain data is. `live`: the source that is asked is current.
    Else `standing` is behind or failing; `reason` says why, `since_when` how long."""

    source: str
    live: bool
    since: str | None
    tip_height: int | None
    standing: Standing | None
    reason: str | None
    since_when: str | None


class HealthView(msgspec.Struct, frozen=True, kw_only=True):
    """The process is running. `GET /ready` says whether it accepts new payments,
    `GET /v1/alerts` what the alerts are that are counted here by kind. `lightning`: how
    many accounts are live, behind, connecting or failing; empty without any.
    `forwarding_at_limit`: merchants whose money waits, as what a day may move has gone
    on already."""

    status: Literal["ok", "degraded"]
    service: str
    version: str
    network: str
    reasons: tuple[str, ...]
    websocket: WebSocketHealth
    watchers: int
    quarantined: int
    freshness: FreshnessView
    alerts: dict[str, int]
    forwarding: Literal["on", "paused"]
    forwarding_at_limit: int
    lightning: dict[str, int]


class ReadyView(msgspec.Struct, frozen=True, kw_only=True):
    """The node accepts new payments."""

    ready: bool
    watchers: int
    freshness: FreshnessView


class _Node:
    """One method for each operation."""

    def __init__(
        self, app: Api, gateway: Gateway, auth: Auth, settings: ApiSettings
    ) -> None:
        self._app = app
        self._gateway = gateway
        self._auth = auth
        self._settings = settings
        self._health = _Remembered(gateway.health, HEALTH_KEPT_S)
        self._document: Kept | None = None  # made for the first who asks
        self._metrics = Metrics(gateway, settings.log_counts, app.times)

    # -- is it well ------------------------------------------------------------------

    @Operation(
        name="health",
        method="GET",
        path="/health",
        tag="node",
        summary="Whether the process is running. Always 200; `status` gives its"
        " condition.",
        answers={200: HealthView},
        needs_key=False,
    )
    def health(self) -> Any:
        health = self._health.get()
        clients = self._settings.websocket_clients
        return answer(
            HealthView(
                status="ok" if health.ready and not _is_blind(health) else "degraded",
                service="paybell",
                version=self._settings.version,
                network=self._settings.network,
                reasons=health.reasons,
                websocket=WebSocketHealth(
                    enabled=True,
                    clients=health.sessions if clients is None else clients(),
                ),
                watchers=health.watchers,
                quarantined=health.quarantined,
                freshness=_freshness_view(health.freshness),
                alerts=dict(Counter(alert.kind for alert in health.alerts)),
                forwarding="paused" if health.forwarding_paused else "on",
                forwarding_at_limit=health.forwarding_at_limit,
                lightning=dict(health.lightning),
            )
        )

    @Operation(
        name="ready",
        method="GET",
        path="/ready",
        tag="node",
        summary="Whether new payments are accepted; 503 with the reasons if not.",
        answers={200: ReadyView},
        needs_key=False,
    )
    def ready(self) -> Any:
        health: NodeHealth = self._health.get()
        if not health.ready:
            raise Problem(
                Code.NOT_READY,
                f"No new payments are accepted: {'; '.join(health.reasons)}",
                errors=tuple(FieldError("", reason) for reason in health.reasons),
                headers={"Retry-After": NOT_READY_RETRY_S},
            )
        return answer(
            ReadyView(
                ready=True,
                watchers=health.watchers,
                freshness=_freshness_view(health.freshness),
            )
        )

    @Operation(
        name="metrics",
        method="GET",
        path="/metrics",
        scope=Scope.READ,
        tag="node",
        summary="Metrics in Prometheus text format. Needs a key of the whole node.",
        answers={200: Text("text/plain")},
    )
    def metrics(self) -> Any:
        principal = self._auth.require(environ())
        if principal.merchant is not None:  # it tells of all merchants at once
            raise Problem(Code.FORBIDDEN, "Metrics need a key of the whole node.")
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return bottle.HTTPResponse(self._metrics.page(), 200, {"Content-Type": kind})

    @Operation(
        name="openapi",
        method="GET",
        path="/openapi.json",
        tag="node",
        summary="This document.",
        answers={200: Text("application/json", "object")},
        needs_key=False,
    )
    def openapi(self) -> Any:
        if self._document is None:
            settings = self._settings
            made = openapi.document(
                self._app.operations, settings.version, settings.public_url
            )
            self._document = Kept(msgspec.json.encode(made))
        return self._document.answer(environ())


def _is_blind(health: NodeHealth) -> bool:
    """Whether something is wrong with those who say what was paid; a payment's own
    trouble is not."""
    return any(alert.kind.startswith(("source", "upstream")) for alert in health.alerts)


def _freshness_view(freshness: Freshness) -> FreshnessView:
    return FreshnessView(
        source=freshness.source,
        live=freshness.live,
        since=iso_or_none(freshness.since),
        tip_height=freshness.tip_height,
        standing=freshness.standing,
        reason=public_reason(freshness),
        since_when=iso_or_none(freshness.since_when),
    )


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
