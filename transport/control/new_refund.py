"""From a request for a refund to the refund: how much it is, and where it goes.

Reads through the gateway and writes nothing. Runs in the request's greenlet.
"""

from engine.errors import InvalidAmount
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.money.currency import minor_of, priced_in
from engine.money.rates import NoRate, rate_of
from engine.payment.model import Payment
from engine.payment.money_terms import Worth
from engine.payment.refund import Refund, RefundState
from engine.payment.refund_rules import (
    LEAST_SAT,
    refundable_sat,
    sat_of,
    taken_sat,
    worth_of,
)
from transport.bodies.problem_body import FieldError
from transport.http.claims import destination
from transport.http.new_ids import new_refund_id
from transport.http.problems import Problem, invalid, retry_later
from transport.http.refund_types import RefundRequest

__all__ = ["left_sat", "new_refund"]


def left_sat(payment: Payment, gateway: Gateway) -> tuple[int, int]:
    """(what came in and is there, what of that can still go back). Raises `Refused`."""
    most = refundable_sat(payment)
    return most, max(most - taken_sat(gateway.refunds_of(payment.id)), 0)


def new_refund(
    request: RefundRequest, payment: Payment, gateway: Gateway, network: str
) -> tuple[Refund, int]:
    """The refund, and what all of the payment's may come to. Raises `Problem`."""
    limits = gateway.merchant(payment.terms.merchant).limits
    refunds = gateway.refunds_of(payment.id)
    if len(refunds) >= limits.refunds_per_payment:
        raise Problem(
            Code.LIMIT_REACHED,
            f"This payment has {len(refunds)} refunds, which is the maximum"
            " (refunds_per_payment).",
            limit="refunds_per_payment",
        )
    most = refundable_sat(payment)
    left = max(most - taken_sat(refunds), 0)
    address = ""
    if request.address is not None:
        address = destination(request.address, gateway, network, "/address")
    amount, worth = _amount(request, payment, left, gateway)
    if amount > left:
        raise Problem(
            Code.REFUND_TOO_LARGE,
            f"{amount} sat were asked for; of this payment {left} sat can be refunded:"
            f" {most} sat came in and are confirmed, and refunds have taken"
            f" {most - left} sat of them.",
        )
    if amount < LEAST_SAT:
        raise invalid(
            FieldError(
                "/amount" if request.amount is not None else "/amount_sat",
                f"is {amount} sat; a refund is at least {LEAST_SAT} sat: nodes relay"
                " no output of less",
            )
        )
    now = gateway.now()
    is_by_link = not address
    refund = Refund(
        id=new_refund_id(now),
        payment_id=payment.id,
        merchant=payment.terms.merchant,
        state=RefundState.OPEN if is_by_link else RefundState.PENDING,
        amount_sat=amount,
        rate="given" if request.amount_sat is not None else request.rate or "then",
        worth=worth,
        created_at=now,
        is_by_link=is_by_link,
        expires_at=now + request.claim_expires_in_s * 1000 if is_by_link else 0,
        takes_fee=request.fee_from == "refund",
        address=address,
        claimed_at=0 if is_by_link else now,
        after_height=0 if is_by_link else gateway.best_height(),
        reason=request.reason,
    )
    return refund, most


def _amount(
    request: RefundRequest, payment: Payment, left: int, gateway: Gateway
) -> tuple[int, Worth | None]:
    if request.amount_sat is not None:
        _must_be_alone(request)
        return request.amount_sat, _worth_then(request.amount_sat, payment)
    if request.amount is not None or request.currency is not None:
        return _of_money(request, payment, left, gateway)
    if request.rate != "now" or not left:
        return left, _worth_then(left, payment)
    then = _worth_then(left, payment)
    if then is None:
        raise invalid(
            FieldError("/rate", "requires amount: this payment had no price in money")
        )
    rate, at = _rate_now(then.currency, gateway)
    if not then.minor:
        return left, then
    sat = sat_of(then.minor, then.decimals, rate, left)
    return sat, worth_of(sat, then.currency, then.decimals, rate, at)


def _must_be_alone(request: RefundRequest) -> None:
    wrong = [
        FieldError(f"/{name}", "must be left out beside amount_sat")
        for name in ("amount", "currency", "rate")
        if getattr(request, name) is not None
    ]
    if wrong:
        raise invalid(*wrong)


def _of_money(
    request: RefundRequest, payment: Payment, left: int, gateway: Gateway
) -> tuple[int, Worth | None]:
    if request.amount is None or request.currency is None:
        missing = "amount" if request.amount is None else "currency"
        raise invalid(FieldError(f"/{missing}", "is missing"))
    currency, price = request.currency, payment.terms.price
    try:
        decimals = priced_in(currency)
    except InvalidAmount as error:
        raise invalid(FieldError("/currency", str(error))) from error
    try:
        minor = minor_of(request.amount, decimals)
    except InvalidAmount as error:
        raise invalid(FieldError("/amount", str(error))) from error
    if minor == 0:
        raise invalid(FieldError("/amount", "must be more than nothing"))
    if request.rate == "now":
        rate, at = _rate_now(currency, gateway)
    elif price is None or price.currency != currency:
        had = "none in money" if price is None else f"in {price.currency}"
        raise invalid(
            FieldError("/rate", f'must be "now": the payment\'s price was {had}')
        )
    else:
        rate, at = price.rate, price.rate_at
    sat = sat_of(minor, decimals, rate, left)
    worth = Worth(
        currency=currency, minor=minor, decimals=decimals, rate=rate, rate_at=at
    )
    return sat, worth


def _worth_then(sat: int, payment: Payment) -> Worth | None:
    price = payment.terms.price
    if price is None:
        return None
    return worth_of(sat, price.currency, price.decimals, price.rate, price.rate_at)


def _rate_now(currency: str, gateway: Gateway) -> tuple[str, int]:
    report, now = gateway.rates(currency), gateway.now()
    found = rate_of(report, currency, now)
    if not isinstance(found, NoRate):
        return found.text, found.at
    if report.is_off or not found.is_quoted:
        reason = "this node knows no exchange rates" if report.is_off else found.reason
        raise invalid(FieldError("/rate", f"cannot be now: {reason}"))
    raise retry_later(
        Code.NO_RATE,
        f"There is no rate of {currency} now: {found.reason}.",
        report.policy.every_s,
    )
