"""The claim of a refund over HTTP, for a shop's own page: `transport/http/claims.py`.

No key is asked for: the token of the claim link opens the one refund.
"""

from typing import Any

import msgspec

from engine.payment.refund import RefundState
from transport.http.bottle_app import Api, answer, environ
from transport.http.claims import Claims
from transport.http.openapi import Operation
from transport.http.refund_types import ClaimRequest
from transport.http.request_json import json_body, typed

__all__ = ["routes"]


class ClaimView(msgspec.Struct, frozen=True, kw_only=True):
    """What a payer is told of a refund."""

    id: str
    state: RefundState
    amount_sat: int
    fee_from: str
    address: str | None
    txid: str | None


class _ClaimRoutes:
    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    @Operation(
        name="claim_refund",
        method="POST",
        path="/v1/refunds/<refund_id>/claim",
        tag="refunds",
        summary="Say where a refund goes, with the token of its claim link. The same"
        " address again has no effect; another one is refused.",
        request=ClaimRequest,
        answers={200: ClaimView},
        problems=(404, 409),
        needs_key=False,
    )
    def claim_refund(self, refund_id: str) -> Any:
        asked = typed(json_body(environ()), ClaimRequest)
        refund = self._claims.claim(refund_id, asked.token, asked.address)
        return answer(
            ClaimView(
                id=refund.id,
                state=refund.state,
                amount_sat=refund.amount_sat,
                fee_from="refund" if refund.takes_fee else "merchant",
                address=refund.address or None,
                txid=refund.txid or None,
            )
        )


def routes(app: Api, claims: Claims) -> None:
    """Put the claim into `app`."""
    app.add_all(_ClaimRoutes(claims))
