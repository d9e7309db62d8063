"""`PATCH /v1/payments/<id>`: what of a payment may still change.

It turns a merge patch into the engine's `Amend`; what may change, and when, is a rule
of the engine (`engine/payment/amendment.py`). A payment's ETag is its `seq`: it is
another one after every event. Runs in the request's greenlet.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET, UnsetType

from engine.errors import AmendmentRefused, PaymentChanged
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.payment_defaults import MAX_EXPIRES_IN_S
from engine.merchants.scopes import Scope
from engine.payment.model import Payment
from engine.payment.observations import Amend
from transport.bodies.problem_body import FieldError
from transport.control.creating import CreatingRoutes
from transport.control.seen import seen_payment
from transport.http.bottle_app import answer, environ
from transport.http.inputs import PaymentPatch
from transport.http.openapi import Header, Operation
from transport.http.problems import Problem, invalid
from transport.http.request_json import json_body, typed
from transport.http.views import PaymentView

__all__ = ["Changing", "etag"]

MERGE_PATCH = "application/merge-patch+json"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAG = re.compile(r'"([1-9][0-9]{0,8})"')

IF_MATCH = Header(
    name="If-Match",
    description="the ETag of the payment as it was read: it changes only if it still is"
    " so, else 412",
    schema={"type": "string", "maxLength": 200},
)


def etag(payment: Payment) -> str:
    return f'"{payment.seq}"'


class Changing(CreatingRoutes):
    """One operation."""

    @Operation(
        name="change_payment",
        method="PATCH",
        path="/v1/payments/<payment_id>",
        scope=Scope.CREATE,
        tag="payments",
        summary="Change what may still change of a payment: a JSON merge patch (RFC"
        " 7396, also as application/merge-patch+json). What is not named stays. A"
        " payment that is over keeps its deadline; what changes nothing is no event.",
        request=PaymentPatch,
        headers=(IF_MATCH,),
        answers={200: PaymentView},
        answer_headers={200: ("ETag",)},
        problems=(404, 409, 412),
    )
    def change_payment(self, payment_id: str) -> Any:
        principal = self._auth.require(environ())
        patch = typed(json_body(environ(), also=MERGE_PATCH), PaymentPatch)
        payment = seen_payment(self._gateway, payment_id, principal)
        wanted = Amend(
            by="api",  # not which key: whoever follows the payment reads this
            external_id=patch.external_id,
            description=_text(patch.description),
            metadata=patch.metadata,
            expires_at=_expires_at(patch, self._gateway),
            seqs=_seqs(environ().get("HTTP_IF_MATCH")),
        )
        try:
            after = self._gateway.command(payment, wanted)
        except AmendmentRefused as error:
            raise invalid(FieldError(error.path, error.message)) from error
        except PaymentChanged as error:
            raise Problem(
                Code.PAYMENT_CHANGED,
                f'The payment has the ETag "{error.seq}" by now. Read it again, and'
                " change that.",
            ) from error
        return answer(self._view(after), headers={"ETag": etag(after)})


def _text(text: str | UnsetType | None) -> str | UnsetType:
    return text if text is UNSET else text or ""


def _expires_at(patch: PaymentPatch, gateway: Gateway) -> int | UnsetType:
    """In ms. That it is in the future the engine sees to, at the moment it changes."""
    now = gateway.now()
    if patch.expires_in_s is not UNSET:
        if patch.expires_at is not UNSET:
            error = FieldError("/expires_at", "must be left out beside expires_in_s")
            raise invalid(error)
        return now + patch.expires_in_s * 1000
    if patch.expires_at is UNSET:
        return UNSET
    at = (patch.expires_at - _EPOCH) // timedelta(milliseconds=1)
    if at > now + MAX_EXPIRES_IN_S * 1000:
        message = f"must be at most {MAX_EXPIRES_IN_S} seconds (30 days) from now"
        raise invalid(FieldError("/expires_at", message))
    return at


def _seqs(wanted: str | None) -> frozenset[int] | None:
    """RFC 9110, 13.1.1: any of several tags; * is any payment that there is."""
    if wanted is None:
        return None
    tags = [tag.strip() for tag in wanted.split(",")]
    if "*" in tags:
        return None
    found = (_TAG.fullmatch(tag) for tag in tags)
    return frozenset(int(tag[1]) for tag in found if tag is not None)
