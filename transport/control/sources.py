"""The chain sources over HTTP, and what a person should look at.

Runs in the request's greenlet; the source actor answers from memory.
"""

from typing import Any

import msgspec

from engine.chain.witness import Standing
from engine.gateway import Gateway, SourceState
from engine.merchants.scopes import Scope
from engine.payment.events import iso
from transport.http.auth import Auth
from transport.http.bottle_app import answer, environ
from transport.http.openapi import Operation
from transport.http.views import iso_or_none

__all__ = ["Sources"]


class ReadingView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a source's blocks are read after an absence: up to `height` of
    `to_height`, the source's tip. The counts are since `since`."""

    height: int
    to_height: int
    blocks_read: int
    blocks_left: int
    since: str


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """One source. `state` is that of its circuit breaker; `standing` what it is worth
    as a witness: only a current one proves that nothing was paid. `reason` says why it
    is not, `since_when` how long. `reading`: while more blocks are to be read than in
    one round (50); else null."""

    name: str
    kind: str
    state: str
    active: bool
    tip_height: int | None
    tip_hash: str | None
    last_answer_at: str | None
    lag_s: float | None
    requests: int
    errors: int
    last_error: str | None
    budget_per_min: float | None
    budget_left: float | None
    watched: int
    waiting: int
    standing: Standing | None
    reason: str | None
    since_when: str | None
    reading: ReadingView | None


class SourcePage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[SourceView]


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """What a person should look at, as long as it is so. `kind` is stable; `subject`
    is the name of a source or the id of a payment, or empty."""

    kind: str
    subject: str
    detail: str
    since: str


class AlertPage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[AlertView]


class Sources:
    """One method for each operation."""

    def __init__(self, gateway: Gateway, auth: Auth) -> None:
        self._gateway = gateway
        self._auth = auth

    @Operation(
        name="list_sources",
        method="GET",
        path="/v1/sources",
        scope=Scope.READ,
        tag="node",
        summary="The chain sources: state, standing, tip, lag, request budget,"
        " requests and errors.",
        answers={200: SourcePage},
    )
    def list_sources(self) -> Any:
        self._auth.require(environ())
        found = self._gateway.sources()
        return answer(SourcePage(data=[_source_view(state) for state in found]))

    @Operation(
        name="list_alerts",
        method="GET",
        path="/v1/alerts",
        scope=Scope.OPERATOR,
        tag="node",
        summary="What a person should look at now: sources that are behind or failing,"
        " payments that wait for one."
        " Needs a key of the whole node.",
        answers={200: AlertPage},
    )
    def list_alerts(self) -> Any:
        self._auth.require(environ())
        return answer(
            AlertPage(
                data=[
                    AlertView(
                        kind=alert.kind,
                        subject=alert.subject,
                        detail=alert.detail,
                        since=iso(alert.since),
                    )
                    for alert in self._gateway.alerts()
                ]
            )
        )


def _source_view(state: SourceState) -> SourceView:
    values = msgspec.structs.asdict(state)
    values["last_answer_at"] = iso_or_none(state.last_answer_at)
    values["since_when"] = iso_or_none(state.since_when)
    if state.reading is not None:
        reading = msgspec.structs.asdict(state.reading)
        values["reading"] = ReadingView(**reading | {"since": iso(reading["since"])})
    return SourceView(**values)
