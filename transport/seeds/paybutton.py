"""PayButton's own routes: `POST /payment` and `POST /payment-fast`.

For web sites that were written for github.com/ngenohkevin/paybutton: names and types of
fields are those of its `ProcessPaymentRequest` and `ProcessFastPaymentRequest`, which
take no key. "Fast" is looked at every 15 s, the other every 60 s. They end in the same
rules as `POST /v1/payments`, and differ from PayButton in what would cost money:

- `price` is in US dollars. What that is in bitcoin says the node's rate
  (docs/rates.md), where it has providers of rates, or `amount_sat`, which counts where
  it is there. Without both a price is refused, never guessed.
- `address` (else one of the node's own) is taken only with an API key of the merchant.
  Who names the address says who is paid: a payer must not.

What a payer is told on `/ws/balance/<address>`: `paybutton_messages.py`. Runs in the
request's greenlet.
"""

from collections.abc import Collection
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from engine.money.amount import SAT_PER_BTC
from engine.payment.email_address import MAX_EMAIL, PATTERN
from engine.payment.events import iso
from engine.payment.model import Payment
from transport.bodies.problem_body import FieldError
from transport.control.new_payment import emails_of, terms_of, without_old_outputs
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import Api, ApiSettings, HttpAnswer, answer, environ
from transport.http.form_body import fields_of
from transport.http.input_values import NO_CONTROLS, AddressText, AmountSat
from transport.http.inputs import PaymentRequest, Request
from transport.http.openapi import Operation
from transport.http.problems import Problem, invalid
from transport.http.request_json import check
from transport.seeds.admission import Admission
from transport.seeds.cross_origin import add_readable

__all__ = ["MAX_PRICE", "PRICE", "SEED", "PaybuttonRequest", "is_paybutton", "routes"]

SEED: Final = "seed"
PRICE: Final = "price_usd"
"""Names in the metadata of such a payment: where it is from, and the site's price."""

NO_RATES: Final = (
    "is required beside price: this node knows no exchange rate (--rates), so it"
    " cannot say how many satoshi a price in US dollars is"
)

MAX_PRICE: Final = 10**9
"""In US dollars."""

SLOW_S, FAST_S = 60, 15

_NAMES: Final = {"price_in_usd": "priceInUSD", "price_in_btc": "priceInBTC"}

_Line = Annotated[
    str,
    Meta(
        max_length=500,
        pattern=NO_CONTROLS,
        description="at most 500 characters without control characters",
    ),
]


class PaybuttonRequest(Request):
    """Other fields are passed over, as PayButton does."""

    email: Annotated[
        str,
        Meta(
            max_length=MAX_EMAIL,
            pattern=PATTERN,
            description="the payer's e-mail address, of at most"
            f" {MAX_EMAIL} characters",
        ),
    ]
    price: Annotated[
        float,
        Meta(
            gt=0,
            le=MAX_PRICE,
            description=f"the price in US dollars, more than 0, at most {MAX_PRICE}",
        ),
    ]
    amount_sat: AmountSat = None
    address: AddressText = None
    description: _Line = ""
    name: _Line = ""
    site: _Line = ""


class PaybuttonAnswer(msgspec.Struct, frozen=True, kw_only=True, rename=_NAMES):
    """As PayButton's `/payment` answers: prices are numbers, times RFC 3339."""

    address: str
    price_in_usd: float
    price_in_btc: float
    email: str
    created_at: str
    expired_at: str
    description: str
    name: str
    site: str


class PaybuttonFastAnswer(msgspec.Struct, frozen=True, kw_only=True, rename=_NAMES):
    """As PayButton's `/payment-fast` answers."""

    message: str
    email: str
    price: float
    description: str
    name: str
    site: str
    currency: str
    polling: str
    address: str
    qr_code: str
    price_in_btc: float


def is_paybutton(payment: Payment) -> bool:
    """Whether it was made here, or says so."""
    return payment.terms.metadata.get(SEED) == "paybutton"


def routes(
    app: Api,
    gateway: Gateway,
    auth: Auth,
    settings: ApiSettings,
    merchant: str,
    admission: Admission,
    origins: Collection[str] = (),
) -> None:
    """Add both, for this merchant's payments."""
    made = _Paybutton(gateway, auth, settings, merchant, admission)
    add_readable(app, _SLOW, made.slow, origins)
    add_readable(app, _FAST, made.fast, origins)


def _operation(name: str, path: str, kind: type[msgspec.Struct], how: str) -> Operation:
    return Operation(
        name=name,
        method="POST",
        path=path,
        tag="seeds",
        scope=Scope.CREATE,
        summary="Compatibility with PayButton (--seed paybutton=…): create a payment,"
        f" {how}. Any Content-Type. The amount is the price at the node's rate, or"
        " amount_sat; a price alone is a 422 where the node knows no rates, and a 503"
        " where there is none now. address wants an API key.",
        request=PaybuttonRequest,
        request_media=("application/x-www-form-urlencoded", "application/json"),
        answers={200: kind},
        needs_key=False,
        problems=(401, 403, 409),
    )


_SLOW: Final = _operation(
    "paybuttonPayment", "/payment", PaybuttonAnswer, "looked at every 60 s"
)
_FAST: Final = _operation(
    "paybuttonPaymentFast", "/payment-fast", PaybuttonFastAnswer, "every 15 s"
)


class _Paybutton:
    """The handlers."""

    def __init__(
        self,
        gateway: Gateway,
        auth: Auth,
        settings: ApiSettings,
        merchant: str,
        admission: Admission,
    ) -> None:
        self._gateway = gateway
        self._auth = auth
        self._settings = settings
        self._merchant = merchant
        self._admission = admission

    def slow(self) -> HttpAnswer:
        asked, payment = self._create(SLOW_S)
        return answer(
            PaybuttonAnswer(
                address=payment.terms.address,
                price_in_usd=asked.price,
                price_in_btc=_btc(payment),
                email=asked.email,
                created_at=iso(payment.terms.created_at),
                expired_at=iso(payment.terms.expires_at),
                description=asked.description,
                name=asked.name,
                site=asked.site,
            )
        )

    def fast(self) -> HttpAnswer:
        asked, payment = self._create(FAST_S)
        address = payment.terms.address
        return answer(
            PaybuttonFastAnswer(
                message="Payment request processed with fast polling",
                email=asked.email,
                price=asked.price,
                description=asked.description,
                name=asked.name,
                site=asked.site,
                currency="BTC",
                polling=f"{FAST_S}s",
                address=address,
                qr_code=f"bitcoin:{address}",
                price_in_btc=_btc(payment),
            )
        )

    def _create(self, every_s: int) -> tuple[PaybuttonRequest, Payment]:
        principal = self._caller()
        asked = _read(environ())
        if asked.address is not None and principal is None:
            raise Problem(
                Code.UNAUTHORIZED,
                "address is taken only with an API key of the merchant (Authorization:"
                " Bearer pbk_…): who names the address says who is paid. Without"
                " address the node takes one of its own, where it has any.",
            )
        by_price = asked.amount_sat is None
        if by_price and self._gateway.rates().is_off:
            raise invalid(FieldError("/amount_sat", NO_RATES))
        request = PaymentRequest(
            method="onchain",  # its pages show an address, whatever the merchant has
            address=asked.address,
            amount_sat=asked.amount_sat,
            amount=_dollars(asked.price) if by_price else None,
            currency="USD" if by_price else None,
            poll_interval_s=every_s,
            customer_email=asked.email,
            merchant=self._merchant,
            metadata=_metadata(asked),
        )
        principal = principal or Principal("", "paybutton", self._merchant)
        agreed = terms_of(request, principal, self._gateway, self._settings)
        (terms,) = without_old_outputs([agreed], self._gateway)
        (created,) = self._gateway.create([terms], emails=emails_of(terms, request))
        if not isinstance(created, Payment):
            raise Problem(Code.ADDRESS_TAKEN, f"The {created.detail}.")
        return asked, created

    def _caller(self) -> Principal | None:
        """Who has a key is held to its limits; who has none to those of strangers."""
        env = environ()
        if env.get("HTTP_AUTHORIZATION", "")[:7].lower() == "bearer ":
            return self._auth.require(env)
        self._admission.require(env)
        return None


def _read(env: dict[str, Any]) -> PaybuttonRequest:
    """What was asked for. Raises `Problem` 400 or 422."""
    fields, is_typed = fields_of(env)
    known = {n: v for n, v in fields.items() if n in PaybuttonRequest.__struct_fields__}
    if not is_typed:  # a form cannot leave out a field that it has
        known = {n: v for n, v in known.items() if v != ""}
    asked = check(known, PaybuttonRequest, strict=is_typed)
    if isinstance(asked, tuple):
        raise invalid(*asked)
    return asked


def _dollars(price: float) -> str:
    """To the cent. A page computes with binary numbers, whose sums are a little off
    (59.699999999999996): the nearest cent is what it means."""
    cents = Decimal(repr(price)).quantize(Decimal("0.01"), ROUND_HALF_UP)
    if not cents:
        raise invalid(FieldError("/price", "must be one cent at least"))
    return f"{cents:f}"


def _metadata(asked: PaybuttonRequest) -> dict[str, str | int | bool | None]:
    lines = {"description": asked.description, "name": asked.name, "site": asked.site}
    said = {name: line for name, line in lines.items() if line}
    return {SEED: "paybutton", PRICE: repr(asked.price), **said}


def _btc(payment: Payment) -> float:
    """As PayButton has it: a number, of which no digit counts for us."""
    return float(Decimal(payment.terms.amount_sat or 0) / SAT_PER_BTC)
