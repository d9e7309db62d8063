"""From a price in a currency to the satoshi that are asked for, at the rate of now.

`Prices` takes the rates once: all payments of one request (a batch) are priced at the
same moment. Reads through the gateway, from memory; runs in the request's greenlet.
"""

from engine.errors import InvalidAmount
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.money.currency import minor_of, priced_in
from engine.money.rates import NoRate, Rate, RatesReport, rate_of, sat_price
from engine.payment.money_terms import Price
from transport.bodies.problem_body import FieldError
from transport.http.inputs import PaymentRequest
from transport.http.problems import retry_later

__all__ = ["Prices", "is_priced"]

OFF = (
    "is not offered: this node knows no exchange rates. Its operator can name"
    " providers (--rates); until then say amount_sat"
)


def is_priced(request: PaymentRequest) -> bool:
    """Whether anything of a price is said."""
    return (
        request.currency is not None
        or request.amount is not None
        or request.amount_minor is not None
    )


class Prices:
    """See the module docstring."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._report: RatesReport | None = None
        self._now = 0
        self._rates: dict[str, Rate | NoRate] = {}

    def price_of(
        self, request: PaymentRequest, errors: list[FieldError]
    ) -> tuple[Price, int] | None:
        """The price and what it is in satoshi; None: see `errors`, those of others or
        its own. Raises `Problem` 503: there is no rate now."""
        asked = _asked(request, errors)
        if asked is None or errors:
            return None
        minor, currency, decimals = asked
        rate = self._rate(currency)
        if isinstance(rate, NoRate):
            if self._reported.is_off:
                errors.append(FieldError("/currency", OFF))
            elif not rate.is_quoted:
                errors.append(FieldError("/currency", f"{currency}: {rate.reason}"))
            else:
                raise retry_later(
                    Code.NO_RATE,
                    f"There is no rate of {currency} that a price could be made with:"
                    f" {rate.reason}.",
                    self._reported.policy.every_s,
                )
            return None
        try:
            amount_sat = sat_price(minor, decimals, rate.rate)
        except InvalidAmount as error:
            errors.append(FieldError(_said_as(request), str(error)))
            return None
        price = Price(
            currency=currency,
            minor=minor,
            decimals=decimals,
            rate=rate.text,
            rate_at=rate.at,
            providers=rate.providers,
            is_lone=rate.is_lone,
        )
        return price, amount_sat

    @property
    def _reported(self) -> RatesReport:
        assert self._report is not None
        return self._report

    def _rate(self, currency: str) -> Rate | NoRate:
        """Of the moment of the first price."""
        if (known := self._rates.get(currency)) is not None:
            return known
        report = self._gateway.rates(currency)
        if self._report is None:
            self._report, self._now = report, self._gateway.now()
        rate = self._rates[currency] = rate_of(self._report, currency, self._now)
        return rate


def _asked(
    request: PaymentRequest, errors: list[FieldError]
) -> tuple[int, str, int] | None:
    """Amount, currency and decimals."""
    if request.amount_sat is not None or request.any_amount:
        other = "any_amount" if request.any_amount else "amount_sat"
        message = f"must be left out beside {other}"
        errors.append(FieldError(_said_as(request), message))
        return None
    if (request.amount is None) == (request.amount_minor is None):
        message = "must be there, or amount_minor; one of the two"
        errors.append(FieldError("/amount", message))
        return None
    if request.currency is None:
        errors.append(FieldError("/currency", "is missing, like EUR"))
        return None
    try:
        decimals = priced_in(request.currency)
    except InvalidAmount as error:
        errors.append(FieldError("/currency", str(error)))
        return None
    try:
        minor = request.amount_minor or minor_of(request.amount, decimals)
    except InvalidAmount as error:
        errors.append(FieldError("/amount", str(error)))
        return None
    if minor == 0:
        errors.append(FieldError("/amount", "must be more than nothing"))
        return None
    return minor, request.currency, decimals


def _said_as(request: PaymentRequest) -> str:
    if request.amount_minor is not None:
        return "/amount_minor"
    return "/amount" if request.amount is not None else "/currency"
