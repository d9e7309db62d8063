"""Whom a payment credits, and with what: `account` and `package` of a request. Pure.

A package is the merchant's (`packages` of its record): it has a price, which is then
that of the payment, and buys credits, for the account that is named.
"""

from msgspec.structs import replace

from engine.merchants.record import Merchant
from engine.payment.money_terms import Credit
from transport.bodies.problem_body import FieldError
from transport.http.inputs import PaymentRequest

__all__ = ["EXPORTS", "credited"]

EXPORTS = frozenset({"export.csv", "export.jsonl"})
"""What stands in the place of an account in paths: no account has such a name."""

_PRICES = ("amount_sat", "amount", "amount_minor", "currency")


def credited(
    request: PaymentRequest, merchant: Merchant, errors: list[FieldError]
) -> tuple[PaymentRequest, Credit | None]:
    """The request with the price of its package, and whom it credits."""
    account, name = request.account, request.package
    if account in EXPORTS:
        errors.append(FieldError("/account", "must not be the name of an export"))
    if name is None:
        return request, None if account is None else Credit(account=account)
    package = merchant.packages.get(name)
    if package is None:
        message = "must be one of the merchant's packages"
        errors.append(FieldError("/package", message))
        return request, None
    beside = [field for field in _PRICES if getattr(request, field) is not None]
    beside += ["any_amount"] if request.any_amount else []
    errors += [
        FieldError(f"/{field}", "must be left out beside package") for field in beside
    ]
    if account is None and package.credits:
        message = "is missing: the account that gets the credits of the package"
        errors.append(FieldError("/account", message))
    priced = replace(
        request,
        amount_sat=package.amount_sat,
        amount=package.amount,
        currency=package.currency,
    )
    if account is None:
        return priced, None
    return priced, Credit(account=account, package=name, credits=package.credits)
