"""What the page of a till (`/pos`) has to know, in one answer from memory.

Which keys may ask, and why no others, says `transport/http/till.py`. Runs in the
request's greenlet.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from engine.payment.events import iso
from engine.store.epochs import Position
from transport.http.auth import Auth
from transport.http.bottle_app import Api, ApiSettings, answer, environ
from transport.http.openapi import Operation
from transport.http.till import TillAccountView, accounts_of, cashier
from transport.http.till_offer import (
    TillMethodView,
    TillRateView,
    methods_of_till,
    rate_of_till,
)

__all__ = ["TillView", "routes"]


class TillView(msgspec.Struct, frozen=True, kw_only=True):
    """`till`: the name of the key. `accounts`: none if the merchant has no Lightning
    account; `methods`: by which a sale can be paid. `rate`: null where the keypad knows
    satoshi alone. `tips`: in percent. `cursor`: where `GET /v1/events` goes on from
    what this answer, and whatever is asked after it, shows."""

    merchant: str
    shop: str
    till: str
    network: str
    now: str
    accounts: list[TillAccountView]
    methods: Sequence[TillMethodView]
    rate: TillRateView | None
    tips: tuple[int, ...]
    cursor: str


def routes(app: Api, gateway: Gateway, auth: Auth, settings: ApiSettings) -> None:
    """Put the route into `app`."""
    app.add_all(_Till(gateway, auth, settings))


class _Till:
    """The handler."""

    def __init__(self, gateway: Gateway, auth: Auth, settings: ApiSettings) -> None:
        self._gateway = gateway
        self._auth = auth
        self._settings = settings

    @Operation(
        name="get_pos",
        method="GET",
        path="/v1/pos",
        scope=Scope.READ,
        tag="lightning",
        summary="What the page /pos shows: the merchant's Lightning accounts and how"
        " their connections stand, by which methods a sale can be paid, and the rate of"
        " its currency. Only for a key of one merchant with the scopes read and create,"
        " and no other.",
        answers={200: TillView},
    )
    def get_pos(self) -> Any:
        principal = self._auth.require(environ())
        merchant = cashier(principal)
        gateway, settings = self._gateway, self._settings
        record = gateway.merchant(merchant)
        methods = methods_of_till(
            record, gateway, draws_addresses=settings.address_source is not None
        )
        last = gateway.health().last_offset
        return answer(
            TillView(
                merchant=merchant,
                shop=record.display_name,
                till=principal.name,
                network=settings.network,
                now=iso(gateway.now()),
                accounts=accounts_of(merchant, gateway),
                methods=methods,
                rate=rate_of_till(record, gateway),
                tips=record.till.tips,
                cursor=str(Position(gateway.epochs().present, last)),
            )
        )
