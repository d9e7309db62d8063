"""The terms of a payment without a chain (`"method": "external"`): the checks that no
type can say. Pure, but for the time; called by `new_payment.py`.
"""

from collections.abc import Mapping

from engine.errors import InvalidAmount
from engine.merchants.gateway_mapping import GatewayMapping
from engine.merchants.record import Merchant
from engine.money.currency import decimals_of, minor_of
from engine.payment.model import EXTERNAL, Terms, external_key
from transport.bodies.problem_body import FieldError
from transport.control.own_defaults import expires_in_s_of
from transport.http.bottle_app import ApiSettings
from transport.http.inputs import PaymentRequest
from transport.http.new_ids import new_payment_id
from transport.http.problems import invalid

__all__ = ["external_terms"]

_OF_THE_CHAIN = ("address", "amount_sat", "tolerance_sat", "quorum_above_sat")


def external_terms(
    request: PaymentRequest, merchant: Merchant, settings: ApiSettings, now: int
) -> Terms:
    """Raises `Problem` 422."""
    errors = [
        FieldError(
            f"/{name}", 'must be left out of a payment with "method": "external"'
        )
        for name in _OF_THE_CHAIN
        if getattr(request, name) is not None
    ]
    mapping = _mapping(request, merchant.name, settings.gateways, errors)
    if request.external_id is None:
        errors.append(
            FieldError("/external_id", "is missing: the invoice, as the gateway has it")
        )
    currency = request.currency or (mapping.currency if mapping else None)
    if currency is None:
        errors.append(FieldError("/currency", "is missing, like EUR"))
    elif mapping and mapping.currency not in {None, currency}:
        message = f"must be {mapping.currency}, the only one of this gateway"
        errors.append(FieldError("/currency", message))
    own = mapping.decimals if mapping else {}
    decimals = own.get(currency or "", decimals_of(currency or ""))
    amount_minor = _amount(request, decimals, errors)
    if errors:
        raise invalid(*errors)
    assert currency is not None, request
    invoice, gateway = request.external_id or "", request.gateway or ""
    expires_at = now + expires_in_s_of(request, merchant) * 1000
    return Terms(
        id=new_payment_id(now),
        method=EXTERNAL,
        network=settings.network,
        asset=currency,
        decimals=decimals,
        address=external_key(merchant.name, gateway, invoice),
        gateway=gateway,
        amount_minor=amount_minor,
        confirmations_required=0,
        created_at=now,
        expires_at=expires_at,
        monitor_until=expires_at + settings.monitor_s * 1000,
        external_id=request.external_id,
        merchant=merchant.name,
        metadata=request.metadata,
        return_url=request.return_url or "",  # its place was checked
        description=request.description or "",
    )


def _mapping(
    request: PaymentRequest,
    merchant: str,
    gateways: Mapping[str, GatewayMapping],
    errors: list[FieldError],
) -> GatewayMapping | None:
    """The gateway, if it acts for this merchant."""
    if request.gateway is None:
        errors.append(FieldError("/gateway", "is missing: who says that it is paid"))
        return None
    mapping = gateways.get(request.gateway)
    if mapping is None or merchant not in mapping.merchants:
        message = f"must be a gateway of this node that acts for merchant {merchant}"
        errors.append(FieldError("/gateway", message))
        return None
    return mapping


def _amount(
    request: PaymentRequest, decimals: int, errors: list[FieldError]
) -> int | None:
    """In minor units; None: whatever comes is enough, as was said."""
    given = [
        name
        for name in ("amount", "amount_minor")
        if getattr(request, name) is not None
    ]
    if len(given) + request.any_amount != 1:
        message = 'must be there, or amount_minor, or "any_amount": true; one of them'
        errors.append(FieldError("/amount", message))
        return None
    if request.amount is None:
        return request.amount_minor
    try:
        minor = minor_of(request.amount, decimals)
    except InvalidAmount as error:
        errors.append(FieldError("/amount", str(error)))
        return None
    if minor == 0:
        errors.append(FieldError("/amount", "must be more than nothing"))
    return minor
