"""Where a payment's money goes on to: checked as it is created, kept in its terms.

Named in the request, or by its merchant's default. Reads through the gateway.
"""

from engine.bitcoin.address import parse_address
from engine.errors import InvalidAddress
from engine.gateway import Gateway
from engine.merchants.record import Merchant
from transport.bodies.problem_body import FieldError
from transport.http.bottle_app import ApiSettings
from transport.http.inputs import PaymentRequest

__all__ = ["forward_to_of"]


def forward_to_of(
    request: PaymentRequest,
    record: Merchant,
    has_wallet: bool,
    gateway: Gateway,
    settings: ApiSettings,
    errors: list[FieldError],
) -> str:
    """The address in its normal form; empty: the money stays where it is.

    A merchant's default holds for what comes to a wallet of ours; a payment that names
    a destination and brings its own address would be a promise that nobody keeps.
    """
    asked = request.forward_to
    if asked is None and (not has_wallet or not record.forward_to):
        return ""
    place = asked or record.forward_to
    why = None
    if not has_wallet:
        why = "needs an address of a wallet of this node; leave out address"
    else:
        try:
            place = parse_address(place, settings.network).text
        except InvalidAddress as error:
            why = f"is not valid: {error}"
        else:
            why = _wrong(place, gateway, settings)
    if why is not None:
        errors.append(FieldError("/forward_to", why))
    return place


def _wrong(place: str, gateway: Gateway, settings: ApiSettings) -> str | None:
    if not settings.forwarding.allows(place):
        return (
            "is no destination that this node's configuration names"
            " (forward_destinations)"
        )
    if gateway.payment_at(place) is not None:
        return "is an address of this node: money would go round in a circle"
    return None
