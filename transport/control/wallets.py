"""Wallets over HTTP: where a merchant's addresses come from, and how far they went.

Public halves only: what a node holds of secrets never leaves it, and how a wallet is
added is a matter of this machine (`paybell wallet`). Runs in the request's greenlet.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.gateways.wallets import WalletReport
from engine.merchants.name import MAX_NAME
from engine.merchants.scopes import Scope
from engine.payment.events import iso
from transport.http.auth import Auth
from transport.http.bottle_app import answer, environ
from transport.http.openapi import Operation
from transport.http.params import Query
from transport.http.problems import Problem
from transport.http.request_json import query
from transport.http.views import iso_or_none

__all__ = ["Wallets"]

AT_MOST = 50


class WalletsQuery(Query):
    """Of one merchant."""

    merchant: Annotated[
        Annotated[str, Meta(max_length=MAX_NAME)] | None,
        Meta(description="a key of the node may name one; absent: all that it sees"),
    ] = None


class WalletView(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet. `state`: active (new addresses come from it) or retired. `unpaid`: how
    many of its last addresses in a row were never paid, of at most `unpaid_at_most`
    that were looked at; where that is `gap` or more, `is_gap_reached`: most wallet
    programs look no further ahead, and will not show the next payment unless their gap
    limit is raised. `holds_keys`: the node can sign for it; `locked`: why not now.
    """

    id: str
    merchant: str
    state: str
    kind: str
    descriptor: str | None
    next_index: int
    unpaid: int
    unpaid_at_most: int
    gap: int
    is_gap_reached: bool
    holds_keys: bool
    locked: str | None
    created_at: str
    retired_at: str | None


class WalletsView(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first, fifty at most."""

    data: list[WalletView]


class Wallets:
    """One method for each operation."""

    def __init__(self, gateway: Gateway, auth: Auth) -> None:
        self._gateway = gateway
        self._auth = auth

    @Operation(
        name="list_wallets",
        method="GET",
        path="/v1/wallets",
        scope=Scope.READ,
        tag="merchants",
        summary="Where a merchant's addresses come from, and whether its wallet program"
        " looks far enough ahead.",
        query=WalletsQuery,
        answers={200: WalletsView},
    )
    def list_wallets(self) -> Any:
        principal = self._auth.require(environ())
        asked = query(environ(), WalletsQuery)
        merchant = asked.merchant or principal.merchant
        if merchant is not None and not principal.may_see(merchant):
            raise Problem(Code.FORBIDDEN, "This key sees its own merchant only.")
        found = self._gateway.wallet_reports(merchant, AT_MOST)
        return answer(WalletsView(data=[_shown(one) for one in found]))


def _shown(report: WalletReport) -> WalletView:
    wallet = report.wallet
    return WalletView(
        id=wallet.id,
        merchant=wallet.merchant,
        state="active" if report.is_present else "retired",
        kind=wallet.kind,
        descriptor=wallet.descriptor or None,
        next_index=report.next_index,
        unpaid=report.unpaid,
        unpaid_at_most=report.unpaid_at_most,
        gap=report.gap,
        is_gap_reached=report.unpaid >= report.gap,
        holds_keys=report.holds_keys,
        locked=report.locked,
        created_at=iso(wallet.created_at),
        retired_at=iso_or_none(wallet.retired_at),
    )
