"""`POST /api/invoice`: a page asks for a Lightning invoice, as with a backend beside
phoenixd.

    {"amountSat": 50000, "description": "Homeserver Signup", "externalId": "payment-1"}
    {"success": true, "invoice": "lnbc500…", "paymentHash": "…", "externalId": "…"}

It takes no key, as the document's page sends none, and ends in the same rules as
`POST /v1/payments` with the method `lightning`: the invoice is made by the merchant's
Lightning account and held against what was asked. What strangers may leave behind is
bounded by `seed_calls_per_minute` and `seed_calls_per_hour`, and:

- A page that is loaded again gets the invoice that it had: while one for this
  `externalId`, sum and description can be paid, and once it was paid (a wallet pays no
  invoice twice; `identify` tells the page at once). Another sum, or one that expired,
  is a new attempt to pay the same order (docs/states.md).
- Two calls for one order at once are one after the other.
- Payments that the shop made itself are never shown here, whatever their order number.
- Of the calls that wait for the node those without a key are a part only, so that a
  flood of them leaves places to the shop's own. Why there is no invoice they are not
  told in the node's words, nor whose account it is: that is in the log.

The page names the sum: a shop compares `amountSat` of what was paid with what the thing
costs before it ships. Runs in the request's greenlet, which waits for the node.
"""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import msgspec
from gevent.lock import BoundedSemaphore
from msgspec import Meta

from engine.errors import EngineBusy, EngineError
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from engine.money.amount import MAX_SAT
from engine.payment.model import Invoice, Payment, Status, Terms
from transport.bodies.problem_body import FieldError
from transport.control.creating import invoice_taken
from transport.control.new_payment import terms_of, without_old_outputs
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import Api, ApiSettings, HttpAnswer, answer, environ
from transport.http.input_values import MAX_EXTERNAL_ID, NO_CONTROLS, SHOWN_TEXT
from transport.http.inputs import PaymentRequest, Request
from transport.http.openapi import Operation
from transport.http.problems import Problem, invalid, problem_of
from transport.http.request_json import check
from transport.http.strict_json import parse_json
from transport.seeds.admission import Admission
from transport.seeds.cross_origin import add_readable
from transport.server.request_body import read_body

__all__ = ["InvoiceAnswer", "InvoiceRequest", "routes"]

log = logging.getLogger("paybell.seeds")

SEED: Final = "seed"
DESCRIPTION: Final = "description"
"""Names in the metadata of such a payment: where it is from, and its text."""

BODY_BYTES: Final = 4 * 1024

WAITING: Final = 4
"""For one order: a page that asks and asks holds no more requests than that."""

STRANGERS_AT_ONCE: Final = 8
"""Invoices that are made for callers without a key: half of the places that a merchant
has at a node that hangs (`actors/edge/lightning.py`)."""

_WAIT_S: Final = 20.0


class InvoiceRequest(Request):
    """Other fields are passed over."""

    amountSat: Annotated[  # noqa: N815
        int,
        Meta(
            ge=1,
            le=MAX_SAT,
            description=f"a whole number of satoshi between 1 and {MAX_SAT}",
        ),
    ]
    externalId: Annotated[  # noqa: N815
        str,
        Meta(
            min_length=1,
            max_length=MAX_EXTERNAL_ID,
            pattern=NO_CONTROLS,
            description=f"1 to {MAX_EXTERNAL_ID} characters without control characters",
        ),
    ]
    description: Annotated[
        str,
        Meta(
            max_length=128,
            pattern=SHOWN_TEXT,
            description="at most 128 characters without control characters",
        ),
    ] = ""


class InvoiceAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The document's answer, field by field."""

    success: bool
    invoice: str
    payment_hash: str
    external_id: str


_OPERATION: Final = Operation(
    name="phoenixdInvoice",
    method="POST",
    path="/api/invoice",
    tag="seeds",
    scope=Scope.CREATE,
    summary="Compatibility with a backend beside phoenixd (--seed phoenixd=…): an"
    " invoice by the merchant's Lightning account. Any Content-Type. The same order,"
    " sum and description again is the same invoice, while it can be paid.",
    answers={200: InvoiceAnswer},
    request=InvoiceRequest,
    needs_key=False,
    limited_by_itself=True,
    problems=(401, 403, 429, 503),
)


def routes(
    app: Api,
    gateway: Gateway,
    auth: Auth,
    settings: ApiSettings,
    merchant: str,
    admission: Admission,
    origins: Collection[str] = (),
) -> None:
    """Add it, for this merchant's payments."""
    made = _Invoices(gateway, auth, settings, merchant, admission)
    add_readable(app, _OPERATION, made.create, origins)


class _Invoices:
    """The handler."""

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
        self._turns: dict[str, tuple[BoundedSemaphore, int]] = {}  # and who wants it
        self._for_strangers = 0  # being made

    def create(self) -> HttpAnswer:
        principal = self._caller()
        asked = _read(environ())
        with self._turn(asked.externalId):
            invoice = self._had(asked) or self._made(asked, principal)
        return answer(
            InvoiceAnswer(
                success=True,
                invoice=invoice.bolt11,
                payment_hash=invoice.payment_hash,
                external_id=asked.externalId,
            )
        )

    def _caller(self) -> Principal:
        """Who has a key is held to its limits; who has none to those of strangers."""
        env = environ()
        if env.get("HTTP_AUTHORIZATION", "")[:7].lower() == "bearer ":
            principal = self._auth.require(env)
            if not principal.may_see(self._merchant):
                raise Problem(Code.FORBIDDEN, "This key is of another merchant.")
            return principal
        self._admission.require(env)
        return Principal("", "phoenixd", self._merchant)

    @contextmanager
    def _turn(self, order: str) -> Iterator[None]:
        """Raises `EngineBusy`."""
        turn, wanted = self._turns.get(order, (BoundedSemaphore(1), 0))
        if wanted >= WAITING:
            raise EngineBusy("there are too many calls for this order", 1)
        self._turns[order] = turn, wanted + 1
        try:
            if not turn.acquire(timeout=_WAIT_S):
                raise EngineBusy("another call for this order takes too long", 1)
            try:
                yield
            finally:
                turn.release()
        finally:
            left = self._turns[order][1] - 1
            if left:
                self._turns[order] = turn, left
            else:
                del self._turns[order]

    def _had(self, asked: InvoiceRequest) -> Invoice | None:
        """That of an earlier call, if nothing else is wanted."""
        for payment in self._gateway.payments_of(asked.externalId, self._merchant):
            terms = payment.terms
            if (
                terms.lightning is not None
                and _is_of(terms, asked)
                and terms.amount_sat == asked.amountSat
                and (payment.counts_as_paid or self._is_payable(payment))
            ):
                return terms.lightning
        return None

    def _is_payable(self, payment: Payment) -> bool:
        is_open = payment.status is Status.PENDING and not payment.receipts
        return is_open and payment.terms.expires_at > self._gateway.now()

    def _made(self, asked: InvoiceRequest, principal: Principal) -> Invoice:
        if principal.key_id:
            return self._new(asked, principal)
        if self._for_strangers >= STRANGERS_AT_ONCE:
            raise EngineBusy("there are too many calls for an invoice", 1)
        self._for_strangers += 1
        try:
            return self._new(asked, principal)
        except (EngineError, Problem) as error:
            raise _for_anybody(error) from error
        finally:
            self._for_strangers -= 1

    def _new(self, asked: InvoiceRequest, principal: Principal) -> Invoice:
        request = PaymentRequest(
            method="lightning",
            amount_sat=asked.amountSat,
            description=asked.description or None,
            external_id=asked.externalId,
            merchant=self._merchant,
            metadata=_metadata(asked),
        )
        agreed = terms_of(request, principal, self._gateway, self._settings)
        (terms,) = without_old_outputs([agreed], self._gateway)
        (created,) = self._gateway.create([terms])
        if not isinstance(created, Payment) or created.terms.lightning is None:
            raise invoice_taken()
        return created.terms.lightning


def _is_of(terms: Terms, asked: InvoiceRequest) -> bool:
    """Whether a call that asked for the same has made it. What else stands in the
    metadata is the shop's, which may write there at any time: it is the same payment,
    and a second one could be paid beside it."""
    wanted = _metadata(asked)
    said = terms.metadata
    return all(said.get(name) == wanted.get(name) for name in (SEED, DESCRIPTION))


def _metadata(asked: InvoiceRequest) -> dict[str, str | int | bool | None]:
    said = {DESCRIPTION: asked.description} if asked.description else {}
    return {SEED: "phoenixd", **said}


def _for_anybody(error: EngineError | Problem) -> Problem:
    """The same without what is the shop's: names of accounts and merchants, balances,
    what its node said."""
    problem = problem_of(error)
    log.warning("phoenixd.refused code=%s detail=%r", problem.code, problem.detail)
    if problem.code is not Code.INVALID_REQUEST:
        text = "No invoice could be made. Please try again later."
        return Problem(problem.code, text, headers=problem.headers)
    if all(one.path == "/amount_sat" for one in problem.errors):
        message = "is less, or more, than can be paid over Lightning here"
        return invalid(FieldError("/amountSat", message))
    text = "There is no Lightning account here that makes such an invoice."
    return Problem(Code.INVALID_REQUEST, text)


def _read(env: dict[str, Any]) -> InvoiceRequest:
    """Raises `Problem` 400, 413 or 422."""
    value = parse_json(read_body(env, BODY_BYTES))
    if isinstance(value, dict):
        known = InvoiceRequest.__struct_fields__
        value = {name: value[name] for name in known if value.get(name) is not None}
    asked = check(value, InvoiceRequest)
    if isinstance(asked, tuple):
        raise invalid(*asked)
    return asked
