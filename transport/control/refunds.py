"""Refunds over HTTP: ask for one, look, withdraw it, say that it was paid.

A sum goes to an address that the shop names, or to one that the payer names behind a
claim link (`claims.py`). Runs in the request's greenlet and waits for the engine there.
"""

from base64 import b64encode
from typing import Any

import msgspec

from engine.errors import EngineBusy, Refused
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from engine.payment.model import Payment
from engine.payment.refund import Refund, RefundState
from engine.payment.refund_rules import cancelled
from engine.secrets.vault import Vault
from engine.store.records import IdempotentAnswer
from engine.store.writes import KeptAnswer
from transport.control.idempotency import IDEMPOTENCY_KEY, Idempotency, KeyReservation
from transport.control.new_refund import left_sat, new_refund
from transport.control.seen import seen_payment
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import ApiSettings, answer, environ
from transport.http.openapi import Operation, link
from transport.http.problems import Problem
from transport.http.refund_types import (
    CancelRefundRequest,
    PaidRefundRequest,
    PsbtView,
    RefundRequest,
    RefundsView,
    RefundView,
    refund_view,
)
from transport.http.request_json import json_body, typed
from transport.http.strict_json import canonical

__all__ = ["Refunds"]

TRIES = 5
"""A payment may move on between a look at it and the commit: look again."""


class Refunds:
    """One method for each operation."""

    def __init__(
        self,
        gateway: Gateway,
        auth: Auth,
        vault: Vault,
        settings: ApiSettings,
        idempotency: Idempotency,
    ) -> None:
        self._gateway = gateway
        self._auth = auth
        self._vault = vault
        self._settings = settings
        self._idempotency = idempotency

    @Operation(
        name="create_refund",
        method="POST",
        path="/v1/payments/<payment_id>/refund",
        scope=Scope.REFUND,
        tag="refunds",
        summary="Give money back, to an address or by a claim link. `claim_url` is"
        " returned only in this response.",
        request=RefundRequest,
        body_may_be_absent=True,
        headers=(IDEMPOTENCY_KEY,),
        answers={201: RefundView},
        answer_headers={201: ("Location", "Idempotent-Replayed")},
        problems=(404, 409),
        links={"refunds": link("list_refunds", "payment_id", "/payment_id")},
    )
    def create_refund(self, payment_id: str) -> Any:
        principal = self._auth.require(environ())
        value = json_body(environ(), may_be_empty=True)
        payment = seen_payment(self._gateway, payment_id, principal)
        return self._idempotency.run(
            environ(),
            principal,
            [payment.terms.merchant],
            canonical(value),
            lambda reservation: self._create(value, payment.id, principal, reservation),
            self._replay,
        )

    def _create(
        self,
        value: Any,
        payment_id: str,
        principal: Principal,
        reservation: KeyReservation | None,
    ) -> Any:
        request = typed(value, RefundRequest)

        def kept(refund: Refund) -> KeptAnswer | None:
            if reservation is None:
                return None
            body = msgspec.json.encode(refund_view(refund))
            return reservation.answer(201, body, refund.created_at)

        failed: Exception = EngineBusy("this payment keeps moving", 1)
        for _ in range(TRIES):
            payment = seen_payment(self._gateway, payment_id, principal)
            refund, most = new_refund(
                request, payment, self._gateway, self._settings.network
            )
            try:
                made = self._gateway.open_refund(refund, payment, most, kept)
            except (Refused, EngineBusy) as error:
                if isinstance(error, EngineBusy) and error.unknown:
                    raise
                failed = error
            else:
                return self._created(refund_view(made, self._claim_url(made)))
        raise failed

    def _replay(self, known: IdempotentAnswer) -> Any:
        first = msgspec.json.decode(known.body, type=RefundView)
        url = None
        if first.state is RefundState.OPEN:
            url = self._vault_url(first.id)
        shown = msgspec.structs.replace(first, claim_url=url or msgspec.UNSET)
        return self._created(shown, {"Idempotent-Replayed": "true"})

    def _created(self, shown: RefundView, headers: dict[str, str] | None = None) -> Any:
        place = f"/v1/payments/{shown.payment_id}/refunds/{shown.id}"
        return answer(shown, 201, {"Location": place, **(headers or {})})

    def _claim_url(self, refund: Refund) -> str | None:
        return self._vault_url(refund.id) if refund.is_by_link else None

    def _vault_url(self, refund_id: str) -> str:
        token = self._vault.claim_token(refund_id)
        return f"{self._settings.public_url}/refund/{refund_id}?token={token}"

    # -- look ------------------------------------------------------------------------

    @Operation(
        name="list_refunds",
        method="GET",
        path="/v1/payments/<payment_id>/refunds",
        scope=Scope.READ,
        tag="refunds",
        summary="All refunds of a payment, and what can still be refunded.",
        answers={200: RefundsView},
        problems=(404,),
        links={"refund": link("get_refund", "refund_id", "/data/0/id")},
    )
    def list_refunds(self, payment_id: str) -> Any:
        payment = seen_payment(self._gateway, payment_id, self._auth.require(environ()))
        try:
            _, left = left_sat(payment, self._gateway)
        except Refused:
            left = 0
        found = self._gateway.refunds_of(payment.id)
        return answer(
            RefundsView(
                data=[refund_view(refund) for refund in found],
                refunded_sat=payment.refunded_sat,
                left_sat=left,
            )
        )

    @Operation(
        name="get_refund",
        method="GET",
        path="/v1/payments/<payment_id>/refunds/<refund_id>",
        scope=Scope.READ,
        tag="refunds",
        summary="A refund as it is now.",
        answers={200: RefundView},
        problems=(404,),
    )
    def get_refund(self, payment_id: str, refund_id: str) -> Any:
        principal = self._auth.require(environ())
        _, refund = self._seen(payment_id, refund_id, principal)
        return answer(refund_view(refund))

    @Operation(
        name="get_refund_psbt",
        method="GET",
        path="/v1/payments/<payment_id>/refunds/<refund_id>/psbt",
        scope=Scope.REFUND,
        tag="refunds",
        summary="A pending refund as a transaction that the merchant's own wallet can"
        " sign. All that are given out for one refund spend one coin in common.",
        answers={200: PsbtView},
        problems=(404, 409),
    )
    def get_refund_psbt(self, payment_id: str, refund_id: str) -> Any:
        principal = self._auth.require(environ())
        _, refund = self._seen(payment_id, refund_id, principal)
        made, plan = self._gateway.refund_psbt(refund)
        return answer(
            PsbtView(
                psbt=b64encode(made).decode(),
                amount_sat=plan.outputs[0].amount_sat,
                fee_sat=plan.fee_sat,
                onward_sat=plan.change_sat,
                inputs=[f"{coin.txid}:{coin.vout}" for coin in plan.coins],
            )
        )

    # -- by hand ---------------------------------------------------------------------

    @Operation(
        name="cancel_refund",
        method="POST",
        path="/v1/payments/<payment_id>/refunds/<refund_id>/cancel",
        scope=Scope.REFUND,
        tag="refunds",
        summary="Withdraw a refund before coins are moved. Repeating this has no"
        " effect.",
        request=CancelRefundRequest,
        body_may_be_absent=True,
        answers={200: RefundView},
        problems=(404, 409),
    )
    def cancel_refund(self, payment_id: str, refund_id: str) -> Any:
        principal = self._auth.require(environ())
        asked = typed(json_body(environ(), may_be_empty=True), CancelRefundRequest)
        _, before = self._seen(payment_id, refund_id, principal)
        if before.state is RefundState.CANCELLED:
            return answer(refund_view(before))
        after = cancelled(
            before, self._gateway.now(), "api", is_psbt_void=asked.psbt_destroyed
        )
        return answer(refund_view(self._gateway.move_refund(before, after)))

    @Operation(
        name="mark_refund_paid",
        method="POST",
        path="/v1/payments/<payment_id>/refunds/<refund_id>/paid",
        scope=Scope.REFUND,
        tag="refunds",
        summary="Say that a pending refund was paid by other means. Repeating this has"
        " no effect.",
        request=PaidRefundRequest,
        body_may_be_absent=True,
        answers={200: RefundView},
        problems=(404, 409),
    )
    def mark_refund_paid(self, payment_id: str, refund_id: str) -> Any:
        principal = self._auth.require(environ())
        asked = typed(json_body(environ(), may_be_empty=True), PaidRefundRequest)
        _, before = self._seen(payment_id, refund_id, principal)
        if before.state is RefundState.PAID:
            return answer(refund_view(before))
        if before.state is not RefundState.PENDING:
            raise Refused(f"this refund is {before.state}; only a pending one is paid")
        after = self._gateway.refund_by_hand(before, asked.txid or "", "api")
        return answer(refund_view(after))

    def _seen(
        self, payment_id: str, refund_id: str, principal: Principal
    ) -> tuple[Payment, Refund]:
        payment = seen_payment(self._gateway, payment_id, principal)
        refund = self._gateway.refund(refund_id)
        if refund is None or refund.payment_id != payment.id:
            raise Problem(Code.REFUND_NOT_FOUND, "There is no such refund.")
        return payment, refund
