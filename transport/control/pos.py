"""What the page of a till (`/pos`) has to know, in one answer from memory.

Which keys may ask, and why no others, says `transport/http/till.py`. Runs in the
request's greenlet.
"""

from typing import Any

import msgspec

from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from transport.http.auth import Auth
from transport.http.bottle_app import Api, ApiSettings, answer, environ
from transport.http.openapi import Operation
from transport.http.till import TillAccountView, accounts_of, cashier

__all__ = ["TillView", "routes"]


class TillView(msgspec.Struct, frozen=True, kw_only=True):
    """`accounts`: none if the merchant has no Lightning account."""

    merchant: str
    shop: str
    network: str
    accounts: list[TillAccountView]


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
        " their connections stand. Only for a key of one merchant with the scopes read"
        " and create, and no other.",
        answers={200: TillView},
    )
    def get_pos(self) -> Any:
        merchant = cashier(self._auth.require(environ()))
        record = self._gateway.merchant(merchant)
        return answer(
            TillView(
                merchant=merchant,
                shop=record.display_name,
                network=self._settings.network,
                accounts=accounts_of(merchant, self._gateway),
            )
        )
