"""From a request for a payment to its terms: the checks that no type can say.

Which methods and address, whose payment, until when. Reads through the gateway (which
outputs were counted before); writes nothing, but for the invoice that a Lightning node
is asked for last of all. Runs in the request's greenlet.
"""

from collections.abc import Sequence

import msgspec

from engine.bitcoin.address import parse_address
from engine.errors import InvalidAddress
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.name import DEFAULT
from engine.merchants.payment_methods import LIGHTNING, ONCHAIN
from engine.merchants.record import Merchant
from engine.money.amount import tolerance_within
from engine.payment.model import EXTERNAL, Terms
from engine.payment.money_terms import TO_DRAW, Derived, Price
from transport.bodies.problem_body import FieldError
from transport.control.crediting import credited
from transport.control.external_payment import external_terms
from transport.control.forward_to import forward_to_of
from transport.control.lightning_payment import Invoices
from transport.control.own_defaults import (
    confirmations_of,
    expires_in_s_of,
    poll_interval_s_of,
    return_url_of,
)
from transport.control.payment_methods import methods_of, within_bands
from transport.control.pricing import Prices, is_priced
from transport.http.auth import Principal
from transport.http.bottle_app import ApiSettings
from transport.http.inputs import PaymentRequest
from transport.http.new_ids import new_payment_id
from transport.http.problems import Problem, invalid

__all__ = ["emails_of", "terms_of", "without_old_outputs"]


def terms_of(
    request: PaymentRequest,
    principal: Principal,
    gateway: Gateway,
    settings: ApiSettings,
    prices: Prices | None = None,
    invoices: Invoices | None = None,
) -> Terms:
    """The terms of a new payment, `without_old_outputs` yet to come.

    `prices`, `invoices`: of all payments of this request, if there are several, or if
    warnings are to be told. Raises `Problem` 403, 409, 422 or 503; `EngineBusy`.
    """
    merchant = request.merchant or principal.merchant or DEFAULT
    if not principal.may_see(merchant):
        raise Problem(
            Code.FORBIDDEN, "This key may create payments only for its own merchant."
        )
    record = gateway.merchant(merchant)
    errors: list[FieldError] = []
    methods = methods_of(request, record, errors)
    return_url = return_url_of(request, record, errors)
    request, credit = credited(request, record, errors)
    if errors and request.package is not None:
        raise invalid(*errors)  # what it costs is not known
    if EXTERNAL in methods:
        if errors:
            raise invalid(*errors)
        external = external_terms(request, record, settings, gateway.now())
        _must_be_new(external, gateway)
        return msgspec.structs.replace(external, credit=credit)
    price: Price | None = None
    if is_priced(request):
        priced = (prices or Prices(gateway)).price_of(request, errors)
        if priced is None:
            raise invalid(*errors)
        price, amount_sat = priced
        request = msgspec.structs.replace(request, amount_sat=amount_sat)
    else:
        _must_say_how_much(request, errors)
    tolerance_sat = _tolerance(request, record, settings, errors)
    quorum_above_sat = _quorum_above(request, settings, errors)
    methods = within_bands(methods, request.amount_sat, request, record, errors)
    account = None
    if LIGHTNING in methods:
        invoices = invoices or Invoices(gateway)
        account = invoices.account_for(request, record, errors)
    wallet, address, forward_to = None, "", ""
    if ONCHAIN in methods:
        wallet = None if request.address is not None else gateway.wallet(merchant)
        address = "" if wallet else _address(request.address, settings, errors)
        has_wallet = wallet is not None
        forward_to = forward_to_of(
            request, record, has_wallet, gateway, settings, errors
        )
    if errors:
        raise invalid(*errors)
    now = gateway.now()
    expires_at = now + expires_in_s_of(request, record) * 1000
    terms = Terms(
        id=new_payment_id(now),
        network=settings.network,
        address=address,
        amount_sat=request.amount_sat,
        tolerance_sat=tolerance_sat,
        quorum_above_sat=quorum_above_sat,
        confirmations_required=confirmations_of(request, record, request.amount_sat),
        created_at=now,
        expires_at=expires_at,
        monitor_until=expires_at + settings.monitor_s * 1000,
        poll_interval_s=poll_interval_s_of(request, record, settings.poll_intervals_s),
        external_id=request.external_id,
        merchant=merchant,
        metadata=request.metadata,
        return_url=return_url,
        description=request.description or "",
        price=price,
        derived=None if wallet is None else Derived(wallet=wallet.id, index=TO_DRAW),
        credit=credit,
        forward_to=forward_to,
    )
    if account is None or invoices is None:
        return terms
    return invoices.with_invoice(terms, account, request, record)


def emails_of(terms: Terms, request: PaymentRequest) -> dict[str, str]:
    """The payer's address, if one was given, as `Gateway.create` takes it."""
    email = request.customer_email
    return {} if email is None else {terms.id: email}


def _must_be_new(terms: Terms, gateway: Gateway) -> None:
    """Of an invoice there is one payment for ever: a gateway may take money back long
    after it is over. Raises `Problem` 409."""
    if gateway.payment_at(terms.address) is not None:
        text = f"there is a payment for this invoice of {terms.gateway}"
        raise Problem(
            Code.ADDRESS_TAKEN,
            f"A payment cannot be created: {text}.",
            errors=(FieldError("/external_id", f"is already used: {text}"),),
        )


def without_old_outputs(agreed: Sequence[Terms], gateway: Gateway) -> list[Terms]:
    """Terms that ignore what earlier payments to their addresses counted already."""
    counted = gateway.counted_outpoints(
        [terms.address for terms in agreed if terms.address and terms.has_chain]
    )
    return [
        msgspec.structs.replace(terms, ignore=counted[terms.address])
        if terms.address in counted
        else terms
        for terms in agreed
    ]


def _must_say_how_much(request: PaymentRequest, errors: list[FieldError]) -> None:
    """A shop that forgets the amount must not ship for the first 600 sat."""
    if request.amount_sat is None and not request.any_amount:
        message = (
            "is missing, or amount with currency;"
            ' "any_amount": true takes whatever comes'
        )
        errors.append(FieldError("/amount_sat", message))
    if request.amount_sat is not None and request.any_amount:
        errors.append(FieldError("/any_amount", "must be left out beside amount_sat"))


def _tolerance(
    request: PaymentRequest,
    record: Merchant,
    settings: ApiSettings,
    errors: list[FieldError],
) -> int:
    """What applies: never so much that a large part of the amount need not be paid."""
    amount, wanted = request.amount_sat, request.tolerance_sat
    if amount is None:
        if wanted:
            errors.append(FieldError("/tolerance_sat", "requires amount_sat"))
        return 0
    if wanted is not None and wanted >= amount:
        errors.append(FieldError("/tolerance_sat", "must be less than amount_sat"))
    if wanted is None:
        wanted = record.defaults.tolerance_sat
    if wanted is None:
        wanted = settings.tolerance_sat
    return tolerance_within(wanted, amount, settings.tolerance_percent)


def _quorum_above(
    request: PaymentRequest, settings: ApiSettings, errors: list[FieldError]
) -> int | None:
    """A payment may be stricter than the node, never less strict."""
    wanted, least = request.quorum_above_sat, settings.quorum_above_sat
    if wanted is not None and settings.independent_sources < 2:
        message = "requires a node with two sources of different operators"
        errors.append(FieldError("/quorum_above_sat", message))
    if wanted is None or least is None:
        return least if wanted is None else wanted
    return min(wanted, least)


def _address(text: str | None, settings: ApiSettings, errors: list[FieldError]) -> str:
    """The address in its normal form; fresh from the wallet if none was given."""
    if text is None:
        if settings.address_source is None:
            message = "is required: this merchant has no wallet to draw an address from"
            errors.append(FieldError("/address", message))
            return ""
        return "" if errors else settings.address_source()
    try:
        return parse_address(text, settings.network).text
    except InvalidAddress as error:
        errors.append(FieldError("/address", f"is not valid: {error}"))
        return ""
