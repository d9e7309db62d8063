"""What a bitcoin is worth, over HTTP: what counts, whose word it is, who was set aside.

Runs in the request's greenlet; answered from memory.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from engine.money.currency import CURRENCY
from engine.money.rates import NoRate, Provider, Rate, RatesReport, rate_of, rate_text
from engine.payment.events import iso
from engine.runtime.yielding import yielding_every
from transport.http.auth import Auth
from transport.http.bottle_app import answer, environ
from transport.http.openapi import Operation
from transport.http.params import Query
from transport.http.request_json import query
from transport.http.views import iso_or_none

__all__ = ["Rates"]


class RatesQuery(Query):
    """Of one currency, or of all."""

    currency: Annotated[
        Annotated[str, Meta(pattern=CURRENCY + r"(?!\n)")] | None,
        Meta(description="three capital letters, like EUR; absent for all currencies"),
    ] = None


class RateProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """One provider. `state` is that of its circuit breaker; `error`: why its last
    answer was none, since `failing_since`. `refused`: by currency, why what it said
    last can be no rate."""

    name: str
    state: str
    asked_at: str | None
    answered_at: str | None
    failing_since: str | None
    error: str | None
    refused: dict[str, str]


class AsideView(msgspec.Struct, frozen=True, kw_only=True):
    """A quote that does not count, and why."""

    provider: str
    rate: str
    at: str
    reason: str


class RateView(msgspec.Struct, frozen=True, kw_only=True):
    """One BTC in the currency. `rate` is null if no price could be made now; `reason`
    says why. `at`: of the oldest quote of the median, `age_s` seconds ago."""

    currency: str
    rate: str | None
    at: str | None
    age_s: float | None
    providers: tuple[str, ...]
    is_lone: bool
    reason: str | None
    aside: tuple[AsideView, ...]


class RatesPage(msgspec.Struct, frozen=True, kw_only=True):
    """`providers`: in the order of `--rates`; none: this node knows no rates. A quote
    counts for `fresh_s`; who is further than `bound_percent` from the others is set
    aside; one alone counts for `lone_s` after the last median."""

    data: list[RateView]
    providers: list[RateProviderView]
    fresh_s: int
    bound_percent: int
    lone_s: int


class Rates:
    """`GET /v1/rates`."""

    def __init__(self, gateway: Gateway, auth: Auth) -> None:
        self._gateway = gateway
        self._auth = auth

    @Operation(
        name="list_rates",
        method="GET",
        path="/v1/rates",
        scope=Scope.READ,
        tag="node",
        summary="What one BTC is worth by currency: the rate that a price would be made"
        " with now, whose median it is, and which providers are set aside and why.",
        query=RatesQuery,
        answers={200: RatesPage},
    )
    def list_rates(self) -> Any:
        self._auth.require(environ())
        asked = query(environ(), RatesQuery)
        report, now = self._gateway.rates(), self._gateway.now()
        currencies = list(report.quotes) if asked.currency is None else [asked.currency]
        return answer(
            RatesPage(
                data=[_rate(report, c, now) for c in yielding_every(currencies, 20)],
                providers=[_provider(one) for one in report.providers],
                fresh_s=report.policy.fresh_s,
                bound_percent=report.policy.bound_percent,
                lone_s=report.policy.lone_s,
            )
        )


def _rate(report: RatesReport, currency: str, now: int) -> RateView:
    found = rate_of(report, currency, now)
    aside = tuple(
        AsideView(
            provider=one.provider,
            rate=rate_text(one.rate),
            at=iso(one.at),
            reason=one.reason,
        )
        for one in found.aside
    )
    if isinstance(found, NoRate):
        return RateView(
            currency=currency,
            rate=None,
            at=None,
            age_s=None,
            providers=(),
            is_lone=False,
            reason=found.reason,
            aside=aside,
        )
    assert isinstance(found, Rate)
    return RateView(
        currency=currency,
        rate=found.text,
        at=iso(found.at),
        age_s=max(now - found.at, 0) / 1000,
        providers=found.providers,
        is_lone=found.is_lone,
        reason=None,
        aside=aside,
    )


def _provider(one: Provider) -> RateProviderView:
    return RateProviderView(
        name=one.name,
        state=one.state,
        asked_at=iso_or_none(one.asked_at),
        answered_at=iso_or_none(one.answered_at),
        failing_since=iso_or_none(one.failing_since),
        error=one.error,
        refused=dict(one.refused),
    )
