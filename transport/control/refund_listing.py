"""All refunds of a merchant over HTTP, for whoever looks after them.

Those of one payment, and what is done with one, are in `refunds.py`. Runs in the
request's greenlet.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.name import MAX_NAME
from engine.merchants.scopes import Scope
from transport.http.auth import Auth
from transport.http.bottle_app import answer, environ
from transport.http.cursors import read_text, text_cursor
from transport.http.openapi import Operation, link
from transport.http.params import CursorQuery
from transport.http.problems import Problem
from transport.http.refund_types import RefundView, refund_view
from transport.http.request_json import query

__all__ = ["RefundListing"]


class AllRefundsQuery(CursorQuery):
    """A page of a merchant's refunds."""

    merchant: Annotated[
        Annotated[str, Meta(max_length=MAX_NAME)] | None,
        Meta(description="a key of the node may name one; absent: all that it sees"),
    ] = None


class RefundPage(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first."""

    data: list[RefundView]
    next_cursor: str | None


class RefundListing:
    """One method for each operation."""

    def __init__(self, gateway: Gateway, auth: Auth) -> None:
        self._gateway = gateway
        self._auth = auth

    @Operation(
        name="list_all_refunds",
        method="GET",
        path="/v1/refunds",
        scope=Scope.READ,
        tag="refunds",
        summary="A merchant's refunds, newest first.",
        query=AllRefundsQuery,
        answers={200: RefundPage},
        links={
            "next": link("list_all_refunds", "cursor", "/next_cursor"),
            "payment": link("get_payment", "payment_id", "/data/0/payment_id"),
        },
    )
    def list_all_refunds(self) -> Any:
        principal = self._auth.require(environ())
        asked = query(environ(), AllRefundsQuery)
        merchant = asked.merchant or principal.merchant
        if merchant is not None and not principal.may_see(merchant):
            raise Problem(Code.FORBIDDEN, "This key sees its own merchant only.")
        before = None if asked.cursor is None else read_text(asked.cursor)
        found = self._gateway.refunds_page(merchant, before, asked.limit + 1)
        page = found[: asked.limit]
        more = len(found) > len(page)
        return answer(
            RefundPage(
                data=[refund_view(refund) for refund in page],
                next_cursor=text_cursor(page[-1].id) if more else None,
            )
        )
