"""The chain sources over HTTP, and what a person should look at.

Runs in the request's greenlet; the source actor answers from memory.
"""

from hashlib import blake2b
from heapq import nsmallest
from typing import Any

import msgspec

from engine.chain.witness import Standing
from engine.gateway import Gateway, SourceState
from engine.merchants.scopes import Scope
from engine.payment.events import iso
from engine.ports import Alert
from engine.runtime.yielding import yielding_every
from transport.http.auth import Auth
from transport.http.bottle_app import answer, environ
from transport.http.cursors import age_cursor, read_age
from transport.http.openapi import Operation, link
from transport.http.params import DEFAULT_LIMIT, AlertsQuery
from transport.http.request_json import query
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
    is the name of a source or the id of a payment, or empty. `merchant`: whom it
    concerns; null: the node."""

    kind: str
    subject: str
    detail: str
    since: str
    merchant: str | None


class AlertPage(msgspec.Struct, frozen=True, kw_only=True):
    data: list[AlertView]
    next_cursor: str | None


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
        summary="What a person should look at now, the oldest first: sources that are"
        " behind or failing, payments that wait for one. All, or with `limit` so many,"
        " and where to go on. Needs a key of the whole node.",
        query=AlertsQuery,
        answers={200: AlertPage},
        links={"next": link("list_alerts", "cursor", "/next_cursor")},
    )
    def list_alerts(self) -> Any:
        self._auth.require(environ())
        asked = query(environ(), AlertsQuery)
        found = self._gateway.alerts()
        if asked.limit is None and asked.cursor is None:
            data = [_alert_view(alert) for alert in yielding_every(found, 200)]
            return answer(AlertPage(data=data, next_cursor=None))
        after = (0, "") if asked.cursor is None else read_age(asked.cursor)
        limit = asked.limit or DEFAULT_LIMIT
        behind = nsmallest(
            limit + 1, (alert for alert in found if _place(alert) > after), key=_place
        )
        page, more = behind[:limit], len(behind) > limit
        return answer(
            AlertPage(
                data=[_alert_view(alert) for alert in page],
                next_cursor=age_cursor(_place(page[-1])) if more else None,
            )
        )


def _place(alert: Alert) -> tuple[int, str]:
    """By age; a page goes on behind its last one, even if that is over by then. A
    subject may be long, and a cursor may not."""
    named = f"{alert.kind} {alert.subject}".encode()
    return alert.since, blake2b(named, digest_size=8).hexdigest()


def _alert_view(alert: Alert) -> AlertView:
    return AlertView(
        kind=alert.kind,
        subject=alert.subject,
        detail=alert.detail,
        since=iso(alert.since),
        merchant=alert.merchant,
    )


def _source_view(state: SourceState) -> SourceView:
    values = msgspec.structs.asdict(state)
    values["last_answer_at"] = iso_or_none(state.last_answer_at)
    values["since_when"] = iso_or_none(state.since_when)
    if state.reading is not None:
        reading = msgspec.structs.asdict(state.reading)
        values["reading"] = ReadingView(**reading | {"since": iso(reading["since"])})
    return SourceView(**values)
