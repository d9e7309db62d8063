"""The routes of "Automatic Bitcoin Payment Processing": `/api/v1/bitcoin/…`.

    POST /api/v1/bitcoin/status                  {"payment_id": "pay_…"}
    POST /api/v1/bitcoin/confirm/<payment_id>    Authorization: Bearer …

For sites that were written for that document (S5 in docs/seeds.md). A browser calls
`confirm`, so it **confirms nothing by hand**: it has the payment's watcher look at the
chain now, waits for what that shows, and answers. What is confirmed is credited in the
commit that confirms it, whoever looked: the background, this call or fifty of it. So
the call is a look and an answer, and cannot credit twice.

- `status` wants no token, as in the document: who knows a payment's id may know what
  its checkout page shows. With a token it says the credits too, and where the money
  went on to.
- `confirm` wants an API key of the merchant (scope create), the payment's client_secret
  or a token of the merchant's own site (`jwt` in its record).

Words and types are the document's: times in UTC, without a zone; a payment that was
cancelled is `expired` (it has no other word: make a new one), one whose forward failed
stays `confirmed`, as it is paid and credited. Runs in the request's greenlet.
"""

import re
import time
from collections.abc import Collection
from typing import Annotated, Any, Final

import gevent
import msgspec
from gevent.event import Event
from msgspec import UNSET, Meta, UnsetType

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from engine.money.amount import sat_to_btc
from engine.payment.events import iso
from engine.payment.model import Payment, Status
from engine.secrets.vault import Vault
from transport.bodies.problem_body import FieldError
from transport.http.auth import Auth
from transport.http.bottle_app import Api, HttpAnswer, answer, environ
from transport.http.form_body import fields_of
from transport.http.openapi import Operation
from transport.http.problems import Problem, invalid, retry_later
from transport.http.site_tokens import SiteTokens, TokenRefused
from transport.seeds.cross_origin import add_readable

__all__ = ["ALREADY", "POLL_S", "routes"]

POLL_S: Final = 30
"""The document's check_interval: how often payments of this merchant are looked at."""

ALREADY: Final = "Already processed"
PROCESSED: Final = "Payment processed"

LOOK_S: Final = 5.0
"""A look at the chain that takes longer is not waited for: the background goes on."""

MAX_LOOKS: Final = 200
"""Payments that are looked at by hand at one time; others are told to come again."""

_STEP_S: Final = 0.05
_PAYMENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([\x21-\x7e]{1,4200}) *")
_JWT: Final = re.compile(r"[^.]+\.[^.]+\.[^.]+")

#: In UTC without saying so, as the document has it: 2025-11-10T10:30:00.
_Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$")]


class StatusRequest(msgspec.Struct):
    """Other fields are passed over."""

    payment_id: str


class BitcoinStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A payment in the document's words. `credits` and `user_id` are there for who has
    a token, and `forwarding_tx_hash` is told to nobody else; `message` is there in the
    answer of confirm."""

    payment_id: str
    status: str
    address: str
    amount_btc: str | None
    amount_sat: int | None
    received_sat: int
    confirmations: int
    confirmations_required: int
    tx_hash: str | None
    forwarding_tx_hash: str | None
    created_at: _Time
    expires_at: _Time
    confirmed_at: _Time | None
    completed_at: _Time | None
    credits: int | UnsetType = UNSET
    user_id: str | UnsetType | None = UNSET
    message: str | UnsetType = UNSET


_STATUS: Final = Operation(
    name="bitcoinStatus",
    method="POST",
    path="/api/v1/bitcoin/status",
    tag="seeds",
    summary="Compatibility with automatic Bitcoin payment processing (--seed"
    " bitcoin=…): how a payment stands. Any Content-Type.",
    request=StatusRequest,
    request_media=("application/json", "application/x-www-form-urlencoded"),
    answers={200: BitcoinStatus},
    needs_key=False,
    problems=(401, 404),
)
_CONFIRM: Final = Operation(
    name="bitcoinConfirm",
    method="POST",
    path="/api/v1/bitcoin/confirm/<payment_id>",
    tag="seeds",
    summary="Compatibility with automatic Bitcoin payment processing (--seed"
    " bitcoin=…): look at the chain now. It confirms nothing by hand: what the chain"
    " shows is credited, once; after that the answer is Already processed. Wants an API"
    " key, the payment's client_secret or a token of the merchant's site.",
    answers={200: BitcoinStatus},
    needs_key=False,
    problems=(401, 403, 404, 409, 503),
)


def routes(
    app: Api,
    gateway: Gateway,
    auth: Auth,
    vault: Vault,
    merchant: str,
    origins: Collection[str] = (),
) -> None:
    """Add both, for this merchant's payments."""
    made = _Bitcoin(gateway, auth, vault, merchant)
    add_readable(app, _STATUS, made.status, origins)
    add_readable(app, _CONFIRM, made.confirm, origins)


class _Bitcoin:
    """The handlers. `repr` shows no secret."""

    def __init__(
        self, gateway: Gateway, auth: Auth, vault: Vault, merchant: str
    ) -> None:
        self._gateway = gateway
        self._auth = auth
        self._vault = vault
        self._merchant = merchant
        self._tokens = SiteTokens(gateway, vault)
        self._looks: dict[str, Event] = {}  # under way, by payment

    def status(self) -> HttpAnswer:
        payment = self._payment(_asked(environ()))
        token = _token(environ())
        is_known = token is not None and self._may(payment, token, Scope.READ)
        return answer(_shown(payment, is_known=is_known))

    def confirm(self, payment_id: str) -> HttpAnswer:
        token = _token(environ())
        if token is None:
            raise Problem(
                Code.UNAUTHORIZED,
                "A token is required: send Authorization: Bearer with an API key, the"
                " payment's client_secret or a token of the shop's site.",
                headers={"WWW-Authenticate": 'Bearer realm="paybell"'},
            )
        payment = self._payment(payment_id)
        if not self._may(payment, token, Scope.CREATE):
            raise _unauthorized("This merchant takes no tokens of its site (jwt).")
        if payment.counts_as_paid:
            return answer(_shown(payment, is_known=True, message=ALREADY))
        if payment.terms.has_chain and not self._gateway.freshness().live:
            raise _blind()
        seen = self._look(payment)
        if not seen.counts_as_paid:
            raise _not_yet(seen)
        return answer(_shown(seen, is_known=True, message=PROCESSED))

    # -- whose -------------------------------------------------------------------------

    def _payment(self, payment_id: str) -> Payment:
        """One of this merchant's, on the chain. Raises `Problem` 404."""
        if _PAYMENT_ID.fullmatch(payment_id):
            found = self._gateway.payment(payment_id)
            if (
                found is not None
                and found.terms.merchant == self._merchant
                and found.terms.has_chain
            ):
                return found
        raise _not_found()

    def _may(self, payment: Payment, token: str, scope: Scope) -> bool:
        """Whether the token opens the payment; False: it is one that nobody can check,
        as the merchant has no rules for it. Raises `Problem` 401, 403, 404 or 429."""
        if self._vault.is_client_secret(payment.id, token):
            return True
        if _JWT.fullmatch(token):
            return self._tokens.are_wanted_by(self._merchant) and self._is_user(
                payment, token
            )
        principal = self._auth.require(environ())
        if not principal.may_see(self._merchant):
            raise _not_found()
        if not principal.may(scope):
            raise Problem(Code.FORBIDDEN, f"This needs the scope {scope}.")
        return True

    def _is_user(self, payment: Payment, token: str) -> bool:
        try:
            user = self._tokens.verify(token, self._merchant).user
        except TokenRefused as refusal:
            raise _unauthorized(f"{refusal}.") from refusal
        credit = payment.terms.credit
        if credit is not None and user is not None and user != credit.account:
            raise _not_found()  # another visitor's
        return True

    # -- looking -----------------------------------------------------------------------

    def _look(self, payment: Payment) -> Payment:
        """The payment after a look at the chain that began now. Whoever asks while one
        is under way waits for that. Raises `Problem` 503."""
        running = self._looks.get(payment.id)
        if running is not None:
            running.wait(2 * LOOK_S)
            return self._gateway.payment(payment.id) or payment
        if len(self._looks) >= MAX_LOOKS:
            raise retry_later(
                Code.BUSY, f"{MAX_LOOKS} payments are being looked at just now.", 1
            )
        ended = self._looks[payment.id] = Event()
        try:
            return self._looked_at(payment)
        finally:
            del self._looks[payment.id]
            ended.set()

    def _looked_at(self, payment: Payment) -> Payment:
        address, since = payment.terms.address, self._gateway.now()
        for invoice in payment.terms.invoices:
            self._gateway.look_at_invoice(invoice.payment_hash)
        until = time.monotonic() + LOOK_S
        is_watched = self._gateway.poll(address)
        while is_watched and time.monotonic() < until:
            gevent.sleep(_STEP_S)
            found = self._gateway.payment(payment.id) or payment
            if found.counts_as_paid:
                return found
            watcher = self._gateway.watcher(address)
            if watcher is None or (watcher.seen_at or 0) >= since:
                break
        return self._gateway.payment(payment.id) or payment


def _asked(env: dict[str, Any]) -> str:
    """The payment's id, of a body of any kind. Raises `Problem` 400 or 422."""
    fields, _ = fields_of(env)
    payment_id = fields.get("payment_id")
    if not isinstance(payment_id, str) or not payment_id:
        raise invalid(FieldError("/payment_id", "must be the id of a payment"))
    return payment_id


def _token(env: dict[str, Any]) -> str | None:
    match = _BEARER.fullmatch(env.get("HTTP_AUTHORIZATION", ""))
    return None if match is None else match[1]


def _blind() -> Problem:
    return retry_later(
        Code.SOURCE_UNAVAILABLE,
        "The chain cannot be looked at just now. The payment is credited by itself when"
        " it can, if the money is there.",
        15,
    )


def _not_yet(payment: Payment) -> Problem:
    depth, wanted = payment.confirmations, payment.terms.confirmations_required
    return Problem(
        Code.WRONG_PAYMENT_STATE,
        f"The payment is {_word(payment)}, with {payment.received_sat} sat and"
        f" {min(depth, wanted)} of {wanted} confirmations. It is credited by itself"
        " when the chain confirms it.",
    )


def _not_found() -> Problem:
    return Problem(Code.PAYMENT_NOT_FOUND, "There is no such payment.")


def _unauthorized(why: str) -> Problem:
    challenge = {"WWW-Authenticate": 'Bearer realm="paybell", error="invalid_token"'}
    return Problem(Code.UNAUTHORIZED, why[0].upper() + why[1:], headers=challenge)


def _word(payment: Payment) -> Status:
    """The document's; see the module docstring."""
    if payment.status is Status.FAILED and payment.counts_as_paid:
        return Status.CONFIRMED
    if payment.status is Status.CANCELLED:
        return Status.EXPIRED
    return payment.status


def _shown(
    payment: Payment, *, is_known: bool, message: str | UnsetType = UNSET
) -> BitcoinStatus:
    terms, forward = payment.terms, payment.forward
    credit = terms.credit
    credited = credit.credits if credit and payment.counts_as_paid else 0
    return BitcoinStatus(
        payment_id=payment.id,
        status=_word(payment),
        address=terms.address,
        amount_btc=None if terms.amount_sat is None else sat_to_btc(terms.amount_sat),
        amount_sat=terms.amount_sat,
        received_sat=payment.received_sat,
        confirmations=payment.confirmations,
        confirmations_required=terms.confirmations_required,
        tx_hash=payment.tx_hash,
        forwarding_tx_hash=forward.txid if forward and is_known else None,
        created_at=_time(terms.created_at),
        expires_at=_time(terms.expires_at),
        confirmed_at=_time_or_none(payment.confirmed_at),
        completed_at=_time_or_none(forward.completed_at if forward else None),
        credits=credited if is_known else UNSET,
        user_id=(credit.account if credit else None) if is_known else UNSET,
        message=message,
    )


def _time(ms: int) -> str:
    return iso(ms)[:19]


def _time_or_none(ms: int | None) -> str | None:
    return None if ms is None else _time(ms)
