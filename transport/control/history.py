"""`GET /v1/history`: the past in numbers, a value for every step of a time.

Steps without anything are filled in, so that a page draws what it gets. Reads a few
thousand rows at most, found by their key; runs in the request's greenlet.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from engine.payment.events import iso
from engine.payment.history import (
    CONFIRMATION,
    CONFIRMED,
    CREATED,
    DETECTION,
    EVERYONE,
    KEPT_S,
    VALUE,
    Sum,
    errors_of,
    quantile_ms,
)
from engine.policy.periods import DAY_S, HOUR_S, MINUTE_S
from transport.bodies.problem_body import FieldError
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import Api, answer, environ
from transport.http.openapi import Operation
from transport.http.params import Query
from transport.http.problems import Problem, invalid
from transport.http.request_json import query

__all__ = ["MAX_POINTS", "routes"]

MAX_POINTS: Final = 3_000

_STEPS: Final = {"minute": MINUTE_S, "hour": HOUR_S, "day": DAY_S}
_USUAL_S: Final = {MINUTE_S: 6 * HOUR_S, HOUR_S: 7 * DAY_S, DAY_S: 90 * DAY_S}
"""How far back, if nothing is said."""

_OF_NODE: Final = frozenset(("sources", "load"))

_SHARES: Final = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99}


Moment = Annotated[datetime, Meta(tz=True)]


class HistoryQuery(Query):
    """Of what, and of which time."""

    series: Annotated[
        Literal["payments", "detection", "confirmation", "sources", "load"],
        Meta(
            description="payments (created, confirmed, value_sat), detection (from a"
            " payment's creation to its first sight), confirmation (from there to"
            " confirmed), sources (errors of each), load (sessions, backlog); the last"
            " two only for a key of the whole node"
        ),
    ] = "payments"
    step: Annotated[
        Literal["minute", "hour", "day"],
        Meta(description="minute (two days are kept, of the whole node), hour or day"),
    ] = "hour"
    since: Annotated[
        Moment | None, Meta(description="a time in RFC 3339, with its offset")
    ] = None
    until: Annotated[
        Moment | None, Meta(description="a time in RFC 3339, with its offset")
    ] = None
    merchant: Annotated[
        Annotated[str, Meta(max_length=64)] | None,
        Meta(description="for a key of the whole node: of this merchant alone"),
    ] = None


class HistoryView(msgspec.Struct, frozen=True, kw_only=True):
    """A column of times (RFC 3339) at which steps of `step_s` begin, and a column of
    values for each name, as long. `values`: null where there is nothing to say (no
    payment was detected, the node was off).
    """

    series: str
    step_s: int
    merchant: str | None
    since: str
    until: str
    at: list[str]
    values: dict[str, list[int | None]]


def routes(app: Api, gateway: Gateway, auth: Auth) -> None:
    app.add_all(_History(gateway, auth))


class _History:
    def __init__(self, gateway: Gateway, auth: Auth) -> None:
        self._gateway = gateway
        self._auth = auth

    @Operation(
        name="get_history",
        method="GET",
        path="/v1/history",
        scope=Scope.READ,
        tag="history",
        summary="The past in numbers, for charts: a value for each minute, hour or day",
        query=HistoryQuery,
        answers={200: HistoryView},
    )
    def get_history(self) -> Any:
        principal = self._auth.require(environ())
        asked = query(environ(), HistoryQuery)
        merchant = _whose(principal, asked)
        step_s = _STEPS[asked.step]
        if step_s == MINUTE_S and merchant != EVERYONE:
            text = "minutes are kept of the whole node only: ask for hours"
            raise invalid(FieldError("?step", text))
        since, until = _bounds(asked, step_s, self._gateway.now() // 1_000)
        names = self._names(asked.series)
        found = self._gateway.history_sums(step_s, merchant, names, since, until)
        at = [*range(since, until, step_s)]
        values = _columns(asked.series, names, found, at)
        return answer(
            HistoryView(
                series=asked.series,
                step_s=step_s,
                merchant=merchant or None,
                since=iso(since * 1_000),
                until=iso(until * 1_000),
                at=[iso(moment * 1_000) for moment in at],
                values=values,
            )
        )

    def _names(self, series: str) -> Sequence[str]:
        match series:
            case "payments":
                return CREATED, CONFIRMED, VALUE
            case "sources":
                return [errors_of(source.name) for source in self._gateway.sources()]
            case "load":
                return "sessions", "backlog"
        return (DETECTION if series == "detection" else CONFIRMATION,)


def _whose(principal: Principal, asked: HistoryQuery) -> str:
    """Raises `Problem` 403."""
    if asked.series in _OF_NODE and (principal.merchant or asked.merchant) is not None:
        text = "Sources and load are the whole node's; of a merchant there are none."
        raise Problem(Code.FORBIDDEN, text)
    if principal.merchant is not None:
        if asked.merchant not in (None, principal.merchant):
            raise Problem(Code.FORBIDDEN, "This key is another merchant's.")
        return principal.merchant
    return asked.merchant or EVERYONE


def _bounds(asked: HistoryQuery, step_s: int, now_s: int) -> tuple[int, int]:
    """From the beginning of a step to the end of one. Raises `Problem` 422."""
    until = now_s if asked.until is None else int(asked.until.timestamp())
    until = min(until, now_s) // step_s * step_s + step_s
    since = until - _USUAL_S[step_s]
    if asked.since is not None:
        since = int(asked.since.timestamp()) // step_s * step_s
    since = max(since, now_s // step_s * step_s - KEPT_S[step_s])
    if not 0 < (until - since) // step_s <= MAX_POINTS:
        text = f"must be before until, by at most {MAX_POINTS} steps"
        raise invalid(FieldError("?since", text))
    return since, until


Columns = dict[str, list[int | None]]


def _columns(
    series: str, names: Sequence[str], found: Sequence[Sum], at: Sequence[int]
) -> Columns:
    by_name: dict[str, dict[int, Sum]] = {name: {} for name in names}
    for one in found:
        by_name[one.series][one.at] = one
    if series == "payments":
        value = _column(by_name[VALUE], at, lambda one: one.total, 0)
        counts = (
            (name, _column(by_name[name], at, lambda one: one.n, 0))
            for name in (CREATED, CONFIRMED)
        )
        return {**dict(counts), VALUE: value}
    if series == "sources":
        return {n: _column(by_name[n], at, lambda one: one.total, None) for n in names}
    if series == "load":
        return {n: _column(by_name[n], at, lambda one: one.most, None) for n in names}
    sums = by_name[names[0]]
    columns: Columns = {"n": _column(sums, at, lambda one: one.n, 0)}
    for name, share in _SHARES.items():
        columns[name] = [
            quantile_ms(sums[t].bins, share) if t in sums else None for t in at
        ]
    return columns


def _column(
    sums: Mapping[int, Sum],
    at: Sequence[int],
    way: Callable[[Sum], int | None],
    otherwise: int | None,
) -> list[int | None]:
    return [way(sums[t]) if t in sums else otherwise for t in at]
