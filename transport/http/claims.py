"""A payer claims a refund: the token of the link opens one refund, once, for a time.

The token is derived from the node's key, as a payment's `client_secret` is, and is
looked at before the store is: who has none learns nothing, and costs no query. With it,
so many attempts a minute at one refund (`refund_claims_per_minute`). Used by the API
and by the page (`transport/pages/refund.py`). Runs in the request's greenlet.
"""

import time
from typing import Final

from engine.bitcoin.address import parse_address
from engine.errors import EngineBusy, InvalidAddress, Refused
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.payment.refund import Refund
from engine.payment.refund_rules import claimed, refundable_sat, taken_sat
from engine.secrets.vault import Vault
from transport.bodies.problem_body import FieldError
from transport.http.problems import Problem, invalid, rate_limited
from transport.server.limits import RateLimiter

__all__ = ["Claims", "destination"]

LIMIT: Final = "refund_claims_per_minute"


class Claims:
    """The one way to claim."""

    def __init__(
        self, gateway: Gateway, vault: Vault, network: str, per_minute: int = 6
    ) -> None:
        """`per_minute`: attempts at one refund."""
        self._gateway = gateway
        self._vault = vault
        self._network = network
        self._attempts = RateLimiter(per_minute / 60, per_minute)

    def look(self, refund_id: str, token: str) -> Refund:
        """The refund that the token opens. Raises `Problem` 404."""
        refund = None
        if self._vault.is_claim_token(refund_id, token):
            refund = self._gateway.refund(refund_id)
        if refund is None or not refund.is_by_link:
            raise Problem(Code.REFUND_NOT_FOUND, "There is no such refund.")
        return refund

    def destination(self, refund: Refund, text: str) -> str:
        """The address in its normal form. Raises `Problem` 422, 429."""
        wait_s = self._attempts.allow(refund.id, time.monotonic())
        if wait_s > 0:
            raise rate_limited(
                f"Too many attempts at this refund ({LIMIT}).",
                wait_s,
                LIMIT,
            )
        return destination(text, self._gateway, self._network, "/address")

    def claim(self, refund_id: str, token: str, text: str) -> Refund:
        """Have it sent there. Saying the same address again changes nothing; another
        one is refused. Raises `Problem` 404, 422, 429, and `Refused`."""
        before = self.look(refund_id, token)
        address = self.destination(before, text)
        if before.address == address:
            return before
        now, height = self._gateway.now(), self._gateway.best_height()
        after = claimed(before, address, height, now)
        self._must_be_there(before)
        try:
            return self._gateway.move_refund(before, after)
        except Refused:
            there = self.look(refund_id, token)
            if there.address == address:
                return there
            raise

    def _must_be_there(self, refund: Refund) -> None:
        """What was received when the link was made may have been double-spent since."""
        payment = self._gateway.payment(refund.payment_id)
        if payment is None:
            raise EngineBusy("the payment cannot be read", 1)
        refunds = self._gateway.refunds_of(payment.id)
        if refundable_sat(payment) < taken_sat(refunds):
            raise Refused(
                "the payment that this refund is of is not there any more; please ask"
                " the shop"
            )


def destination(text: str, gateway: Gateway, network: str, field: str) -> str:
    """The address in its normal form, if money can go there. Raises `Problem` 422."""
    try:
        address = parse_address(text.strip(), network).text
    except InvalidAddress as error:
        raise invalid(FieldError(field, f"is not valid: {error}")) from error
    if gateway.payment_at(address) is not None:
        raise invalid(
            FieldError(
                field, "is an address of this node's own: money is received at it"
            )
        )
    return address
