"""Money that is sent on, over HTTP: what is on its way, and the switch that stops it.

Runs in the request's greenlet.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.name import DEFAULT
from engine.merchants.scopes import Scope
from engine.payment.events import iso
from engine.wallet.outgoing import Outgoing, OutgoingKind, OutgoingState
from transport.control.seen import seen_payment
from transport.http.auth import Auth
from transport.http.bottle_app import answer, environ
from transport.http.openapi import Operation
from transport.http.params import Query
from transport.http.problems import Problem
from transport.http.request_json import json_body, query, typed

__all__ = ["Forwarding"]

PER_PAGE = 50


class ForwardingQuery(Query):
    """Of one merchant."""

    merchant: Annotated[
        str | None, Meta(description="a key of the node may name one; absent: default")
    ] = None


class ForwardingRequest(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """`paused`: nothing new is sent on, also after a restart."""

    paused: bool


class OutgoingView(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction of ours. `replaces`: the id of the one whose fee it raises."""

    id: str
    kind: OutgoingKind
    state: OutgoingState
    txid: str
    to: str
    sent_sat: int
    fee_sat: int
    vsize: int
    payments: tuple[str, ...]
    signed_at: str
    replaces: str | None
    block_hash: str | None
    reason: str | None


class ForwardingView(msgspec.Struct, frozen=True, kw_only=True):
    """The newest transactions first, fifty of them at most. `per_day_sat`: the most for
    the merchant in 24 hours, null without a limit; `sent_today_sat` of it have gone."""

    paused: bool
    paused_since: str | None
    per_day_sat: int | None
    sent_today_sat: int
    outgoing: tuple[OutgoingView, ...]


class RetryView(msgspec.Struct, frozen=True, kw_only=True):
    """`failed`: how many transactions of the payment had failed; their coins are
    looked at anew within a round of the forwarder."""

    payment_id: str
    failed: int


class Forwarding:
    """One method for each operation."""

    def __init__(self, gateway: Gateway, auth: Auth, per_day_sat: int | None) -> None:
        self._gateway = gateway
        self._auth = auth
        self._per_day_sat = per_day_sat

    @Operation(
        name="forwarding",
        method="GET",
        path="/v1/forwarding",
        scope=Scope.READ,
        tag="node",
        summary="Whether money is sent on, and a merchant's newest transactions.",
        query=ForwardingQuery,
        answers={200: ForwardingView},
    )
    def forwarding(self) -> Any:
        principal = self._auth.require(environ())
        asked = query(environ(), ForwardingQuery)
        merchant = asked.merchant or principal.merchant or DEFAULT
        if not principal.may_see(merchant):
            raise Problem(Code.FORBIDDEN, "This key sees its own merchant only.")
        return answer(self._view(merchant))

    @Operation(
        name="put_forwarding",
        method="PUT",
        path="/v1/forwarding",
        scope=Scope.OPERATOR,
        tag="node",
        summary="Pause sending money on, or resume it. What is on its way is looked"
        " after all the same.",
        request=ForwardingRequest,
        answers={200: ForwardingView},
    )
    def put_forwarding(self) -> Any:
        principal = self._auth.require(environ())
        wanted = typed(json_body(environ()), ForwardingRequest)
        if wanted.paused:
            self._gateway.pause_forwarding(principal.key_id or "")
        else:
            self._gateway.resume_forwarding()
        return answer(self._view(principal.merchant or DEFAULT, wanted.paused))

    @Operation(
        name="retry_forward",
        method="POST",
        path="/v1/payments/<payment_id>/forward",
        scope=Scope.OPERATOR,
        tag="payments",
        summary="Try a forward again that has failed, also with coins that a source"
        " said were spent. What is on its way is left alone.",
        answers={202: RetryView},
        problems=(404, 409),
    )
    def retry_forward(self, payment_id: str) -> Any:
        principal = self._auth.require(environ())
        payment = seen_payment(self._gateway, payment_id, principal)
        failed = self._gateway.retry_forward(payment)
        if not failed:
            raise Problem(
                Code.WRONG_PAYMENT_STATE,
                "No transaction that sent this payment's money on has failed.",
            )
        return answer(RetryView(payment_id=payment.id, failed=failed), 202)

    def _view(self, merchant: str, paused: bool | None = None) -> ForwardingView:
        now = self._gateway.forwarding_paused()
        found = self._gateway.outgoing_of(merchant, "", PER_PAGE)
        return ForwardingView(
            paused=now is not None if paused is None else paused,
            paused_since=None if now is None else iso(now.at),
            per_day_sat=self._per_day_sat,
            sent_today_sat=self._gateway.sent_today(merchant),
            outgoing=tuple(_shown(one) for one in found),
        )


def _shown(outgoing: Outgoing) -> OutgoingView:
    return OutgoingView(
        id=outgoing.id,
        kind=outgoing.kind,
        state=outgoing.state,
        txid=outgoing.txid,
        to=outgoing.to,
        sent_sat=outgoing.sent_sat,
        fee_sat=outgoing.plan.fee_sat,
        vsize=outgoing.vsize,
        payments=tuple(dict.fromkeys(c.payment_id for c in outgoing.plan.coins)),
        signed_at=iso(outgoing.at),
        replaces=outgoing.replaces or None,
        block_hash=outgoing.block_hash or None,
        reason=outgoing.reason or None,
    )
