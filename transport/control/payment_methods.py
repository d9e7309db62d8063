"""By which methods a new payment may be paid: as asked, else as its merchant has it.

The words are checked first, and the bands of the merchant's record when the sum is
known. Pure; called by `new_payment.py`.
"""

from msgspec import UnsetType

from engine.merchants.payment_methods import LIGHTNING, ONCHAIN, in_bands
from engine.merchants.record import Merchant
from engine.payment.model import EXTERNAL
from transport.bodies.problem_body import FieldError
from transport.http.inputs import PaymentRequest

__all__ = ["methods_of", "said_as", "within_bands"]

_OF_LIGHTNING = ("description_hash", "on_warning")
_OF_THE_CHAIN = ("address", "quorum_above_sat", "forward_to")


def methods_of(
    request: PaymentRequest, record: Merchant, errors: list[FieldError]
) -> tuple[str, ...]:
    """One or both of the chain and Lightning, or `external` alone."""
    methods: tuple[str, ...] = record.methods
    if not isinstance(request.method, UnsetType):
        methods = (request.method,)
        if request.methods is not None:
            errors.append(FieldError("/methods", "must be left out beside method"))
        if request.method not in {ONCHAIN, LIGHTNING, EXTERNAL}:
            message = (
                'must be "onchain", "lightning" or "external", the methods that this'
                " node offers"
            )
            errors.append(FieldError("/method", message))
    elif request.methods is not None:
        methods = request.methods
        if len(set(methods)) < len(methods):
            errors.append(FieldError("/methods", "must not name a method twice"))
    _must_be_for(methods, request, errors)
    return methods


def _must_be_for(
    methods: tuple[str, ...], request: PaymentRequest, errors: list[FieldError]
) -> None:
    """We accept no promise that we do not keep."""
    if EXTERNAL in methods:
        wrong = {"forward_to": "is for payments that have a chain; leave it out"}
    elif request.gateway is not None:
        wrong = {"gateway": 'is for payments with "method": "external" only'}
    else:
        wrong = {}
    if LIGHTNING not in methods:
        text = "is for payments that Lightning can pay; leave it out"
        wrong |= dict.fromkeys(_OF_LIGHTNING, text)
    elif ONCHAIN not in methods:
        text = "must be left out of a payment that Lightning alone can pay"
        wrong |= dict.fromkeys(_OF_THE_CHAIN, text)
    if LIGHTNING in methods:
        wrong["forward_to"] = (
            "is an address: it is not offered where Lightning can pay. Where an"
            " account's money goes on to is in this node's configuration"
        )
        if request.description is not None and request.description_hash is not None:
            wrong["description_hash"] = "must be left out beside description"
    errors.extend(
        FieldError(f"/{name}", text)
        for name, text in wrong.items()
        if getattr(request, name) is not None
    )


def within_bands(
    methods: tuple[str, ...],
    amount_sat: int | None,
    request: PaymentRequest,
    record: Merchant,
    errors: list[FieldError],
) -> tuple[str, ...]:
    """Those that the merchant offers for this sum; none: see `errors`."""
    limits = record.lightning_max_sat, record.onchain_min_sat
    offered = in_bands(methods, amount_sat, *limits)
    if not offered and methods:
        if methods == (LIGHTNING,):
            why = f"Lightning takes up to {limits[0]} sat (lightning_max_sat)"
        else:
            why = f"the chain takes {limits[1]} sat and more (onchain_min_sat)"
        message = f"is {amount_sat} sat: of this merchant {why}"
        errors.append(FieldError(f"/{said_as(request)}", message))
    return offered


def said_as(request: PaymentRequest) -> str:
    """Where the client said how much: a package and a price have become satoshi."""
    named = ("package", "amount", "amount_minor")
    return next((n for n in named if getattr(request, n) is not None), "amount_sat")
