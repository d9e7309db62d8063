"""What a request for a payment leaves open, from its merchant's record. Pure."""

from collections.abc import Mapping

from msgspec import UNSET

from engine.merchants.payment_defaults import EXPIRES_IN_S, POLL_INTERVAL_S
from engine.merchants.record import Merchant
from engine.merchants.web_places import is_allowed_return
from transport.bodies.problem_body import FieldError
from transport.http.inputs import PaymentRequest

__all__ = ["confirmations_of", "expires_in_s_of", "poll_interval_s_of", "return_url_of"]


def confirmations_of(
    request: PaymentRequest, merchant: Merchant, amount_sat: int | None
) -> int:
    """What the request says, else the band of the sum, else the default."""
    if request.confirmations is not UNSET:
        return request.confirmations
    return merchant.defaults.confirmations_of(amount_sat)


def expires_in_s_of(request: PaymentRequest, merchant: Merchant) -> int:
    if request.expires_in_s is not UNSET:
        return request.expires_in_s
    own = merchant.defaults.expires_in_s
    return EXPIRES_IN_S if own is None else own


def poll_interval_s_of(
    request: PaymentRequest, merchant: Merchant, system_s: Mapping[str, int]
) -> int:
    """`system_s`: of merchants for whom a system has its own pace (`--seed`)."""
    if request.poll_interval_s is not UNSET:
        return request.poll_interval_s
    own = merchant.defaults.poll_interval_s
    return system_s.get(merchant.name, POLL_INTERVAL_S) if own is None else own


def return_url_of(
    request: PaymentRequest, merchant: Merchant, errors: list[FieldError]
) -> str:
    """Where the payer may go on when it is paid; empty: nowhere."""
    url = request.return_url
    if url is None:
        return ""
    try:
        if is_allowed_return(url, merchant.return_urls):
            return url
        why = (
            "must be one that return_urls of the merchant's record allow"
            if merchant.return_urls
            else "must be left out: the merchant's record has no return_urls"
        )
    except ValueError as error:
        why = str(error)
    errors.append(FieldError("/return_url", why))
    return ""
