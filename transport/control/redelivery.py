"""Deliver events again: those of a payment, or those of a time range.

What was given up, and what was delivered but lost by its receiver, is put back into the
queues of the channels. Runs in the request's greenlet.
"""

from datetime import datetime
from typing import Any

import msgspec

from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from engine.store.writes import Requeue
from transport.bodies.problem_body import FieldError
from transport.control.seen import seen_payment
from transport.http.auth import Auth
from transport.http.bottle_app import answer, environ
from transport.http.inputs import RedeliverPaymentRequest, RedeliverRequest
from transport.http.openapi import Operation
from transport.http.problems import invalid
from transport.http.request_json import json_body, typed

__all__ = ["Redelivery"]


class Requeued(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries are pending again."""

    requeued: int


class Redelivery:
    """One method for each operation."""

    def __init__(self, gateway: Gateway, auth: Auth) -> None:
        self._gateway = gateway
        self._auth = auth

    @Operation(
        name="redeliver_payment",
        method="POST",
        path="/v1/payments/<payment_id>/redeliver",
        scope=Scope.SETTINGS,
        tag="payments",
        summary="Repeat the deliveries of a payment's events.",
        request=RedeliverPaymentRequest,
        body_may_be_absent=True,
        answers={200: Requeued},
        problems=(404,),
    )
    def redeliver_payment(self, payment_id: str) -> Any:
        principal = self._auth.require(environ())
        value = json_body(environ(), may_be_empty=True)
        asked = typed(value, RedeliverPaymentRequest)
        payment = seen_payment(self._gateway, payment_id, principal)
        offset = None
        if asked.event_id is not None:
            offset = self._gateway.epochs().offset_of(asked.event_id)
            if offset is None:  # another database's
                return answer(Requeued(requeued=0))
        return self._requeue(
            Requeue(
                merchant=principal.merchant,
                channel_id=asked.channel_id,
                payment_id=payment.id,
                offset=offset,
                at=self._gateway.now(),
            )
        )

    @Operation(
        name="redeliver_range",
        method="POST",
        path="/v1/redeliver",
        scope=Scope.SETTINGS,
        tag="payments",
        summary="Repeat the deliveries of a time range.",
        request=RedeliverRequest,
        answers={200: Requeued},
    )
    def redeliver_range(self) -> Any:
        principal = self._auth.require(environ())
        asked = typed(json_body(environ()), RedeliverRequest)
        since = _milliseconds(asked.since)
        until = None if asked.until is None else _milliseconds(asked.until)
        if until is not None and until <= since:
            raise invalid(FieldError("/until", "must be later than since"))
        return self._requeue(
            Requeue(
                merchant=principal.merchant,
                channel_id=asked.channel_id,
                since=since,
                until=until,
                dead_only=asked.dead_only,
                at=self._gateway.now(),
            )
        )

    def _requeue(self, request: Requeue) -> Any:
        """Of a channel that is not the caller's, or not there, nothing is found."""
        return answer(Requeued(requeued=self._gateway.requeue(request)))


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
