"""`POST /api/webhook`: phoenixd, or a backend beside it, says that an invoice was paid.

phoenixd (0.8, `Api.kt`) posts {type: "payment_received", timestamp, amountSat,
paymentHash, externalId, payerNote, payerKey} with `X-Phoenix-Signature`: the lower-case
hex HMAC-SHA256 of the raw body under its `webhook-secret`. It tries once and looks at
no status. The document's own backend sends externalId, paymentHash and amountSat alone.

A webhook is a claim: it is logged, confirms nothing, and makes the Lightning node that
made the invoice be asked (`Gateway.look_at_invoice`). What that says is believed. So a
replay, or a claim about somebody else's invoice, is a question to the node and no more.

phoenixd says our payment's id as `externalId` (that is what its invoices are made
with), the document's backend the shop's order number; both find the payment. With the
merchant's secret (`webhook_secrets.phoenixd`) a missing or wrong signature is a 401. A
merchant without a secret has it as the document does: anybody may call, as often as
strangers may, and the answer does not say whether there is such an order. Lightning
money proves nothing of an address on the chain; a signed claim makes that be looked at,
too, where the payment has one. Runs in the request's greenlet.
"""

import hashlib
import hmac
import logging
import re
import time
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from engine.errors import Duplicate
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.money.amount import MAX_SAT
from engine.payment.model import Payment
from engine.secrets.vault import Vault
from engine.store.writes import InboundWebhook
from transport.http.bottle_app import Api, HttpAnswer, answer, environ
from transport.http.input_values import MAX_EXTERNAL_ID, NO_CONTROLS
from transport.http.inputs import Request
from transport.http.openapi import Header, Operation
from transport.http.problems import Problem, invalid, rate_limited, retry_later
from transport.http.request_json import check
from transport.http.strict_json import parse_json
from transport.seeds.admission import Admission
from transport.server.client_address import address_key
from transport.server.limits import CallLimits, RateLimiter
from transport.server.request_body import read_body

__all__ = ["PhoenixdWebhook", "routes"]

log = logging.getLogger("paybell.webhook")

PROVIDER: Final = "phoenixd"
BODY_BYTES: Final = 4 * 1024

_HASH: Final = re.compile("[0-9a-f]{64}")

_Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_EXTERNAL_ID,
        pattern=NO_CONTROLS,
        description=f"1 to {MAX_EXTERNAL_ID} characters without control characters",
    ),
]


class PhoenixdWebhook(Request):
    """What counts of it, under phoenixd's names. Other fields (type, timestamp,
    payerNote) are passed over."""

    paymentHash: _Text  # noqa: N815
    externalId: _Text | None = None  # noqa: N815
    amountSat: (  # noqa: N815
        Annotated[
            int,
            Meta(
                ge=0,
                le=MAX_SAT,
                description=f"a whole number of satoshi between 0 and {MAX_SAT}",
            ),
        ]
        | None
    ) = None


class PhoenixdAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`noted`: logged, and the node is asked; `duplicate`: it came before."""

    status: str
    message: str


_OPERATION: Final = Operation(
    name="receivePhoenixdWebhook",
    method="POST",
    path="/api/webhook",
    tag="seeds",
    summary="Compatibility with a backend beside phoenixd (--seed phoenixd=…): an"
    " invoice was paid. Any Content-Type. A claim: it is logged, and the Lightning node"
    " is asked, whose word alone confirms.",
    answers={200: PhoenixdAnswer},
    request=PhoenixdWebhook,
    headers=(
        Header(
            name="X-Phoenix-Signature",
            description="HMAC-SHA256 of the raw body with phoenixd's webhook-secret, in"
            " hex; wanted where the merchant has a secret for phoenixd",
            schema={"type": "string"},
        ),
    ),
    needs_key=False,
    limited_by_itself=True,
    problems=(401, 429),
)


def routes(
    app: Api,
    gateway: Gateway,
    vault: Vault,
    merchant: str,
    admission: Admission,
    limits: CallLimits | None = None,
) -> None:
    """Add it, for this merchant's payments. `limits`: of a provider with a secret."""
    made = _Phoenixd(gateway, vault, merchant, admission, limits or CallLimits())
    app.add(_OPERATION, made.receive)


class _Phoenixd:
    """The handler. `repr` shows no secret."""

    def __init__(
        self,
        gateway: Gateway,
        vault: Vault,
        merchant: str,
        admission: Admission,
        limits: CallLimits,
    ) -> None:
        self._gateway = gateway
        self._vault = vault
        self._merchant = merchant
        self._admission = admission
        self._calls = RateLimiter(limits.rate_per_s, limits.burst)
        self._failures = RateLimiter(limits.failure_rate_per_s, limits.failure_burst)

    def receive(self) -> HttpAnswer:
        env = environ()
        secret = self._secret()
        self._admit(env, is_signed=secret is not None)
        body = read_body(env, BODY_BYTES)
        if secret is not None and not _is_signed(env, body, secret):
            raise self._unauthorized(env)
        claim = _read(body)
        status = self._note(claim, body, secret)
        return answer(
            PhoenixdAnswer(
                status=status,
                message="Logged, and the node is asked. A webhook confirms nothing by"
                " itself.",
            )
        )

    def _secret(self) -> bytes | None:
        merchant = self._gateway.merchant(self._merchant)
        if merchant.is_damaged:
            raise retry_later(
                Code.STORE_UNAVAILABLE, "The record of the merchant is damaged.", 60
            )
        sealed = merchant.webhook_secrets.get(PROVIDER)
        if sealed is None:
            return None
        return self._vault.open(sealed, merchant.secret_owner(PROVIDER))

    def _admit(self, env: dict[str, Any], *, is_signed: bool) -> None:
        if not is_signed:
            self._admission.require(env)
            return
        wait_s = self._calls.allow(_client(env), time.monotonic())
        if wait_s > 0:
            raise rate_limited(
                "Too many webhooks from this address (webhooks_per_s).",
                wait_s,
                "webhooks_per_s",
            )

    def _unauthorized(self, env: dict[str, Any]) -> Problem:
        wait_s = self._failures.allow(_client(env), time.monotonic())
        log.warning("webhook.refused client=%s", env.get("REMOTE_ADDR", ""))
        if wait_s > 0:
            return rate_limited(
                "Too many wrong signatures from this address"
                " (wrong_signatures_per_minute).",
                wait_s,
                "wrong_signatures_per_minute",
            )
        return Problem(
            Code.UNAUTHORIZED,
            "X-Phoenix-Signature is not the HMAC-SHA256 of this body with the"
            " merchant's secret for phoenixd.",
        )

    def _note(self, claim: PhoenixdWebhook, body: bytes, secret: bytes | None) -> str:
        """Log it, and have looked whether it is so."""
        payment = self._payment(claim)
        payment_id = None if payment is None else payment.id
        self._look(claim, payment, is_signed=secret is not None)
        stored = body if secret is None else body.replace(secret, b"***")
        said = [claim.externalId, claim.paymentHash, claim.amountSat, payment_id]
        row = InboundWebhook(
            provider=PROVIDER,
            dedupe=hashlib.sha256(msgspec.json.encode(said)).hexdigest(),
            at=self._gateway.now(),
            payment_id=payment_id,
            verdict="noted" if payment_id else "unknown_order",
            body=stored,
        )
        log.info("webhook.%s provider=phoenixd payment=%s", row.verdict, payment_id)
        try:
            self._gateway.note_webhook(row)
        except Duplicate:
            return "duplicate"
        return "noted"

    def _payment(self, claim: PhoenixdWebhook) -> Payment | None:
        """The newest payment of that order, or the one with that id."""
        if claim.externalId is None:
            return None
        found = self._gateway.payments_of(claim.externalId, self._merchant)
        for payment in found:
            if _hash_of(payment) == claim.paymentHash:
                return payment
        if found:
            return found[0]
        known = self._gateway.payment(claim.externalId)
        is_ours = known is not None and known.terms.merchant == self._merchant
        return known if is_ours else None

    def _look(
        self, claim: PhoenixdWebhook, payment: Payment | None, *, is_signed: bool
    ) -> None:
        """At the invoice that is named; and at the payment's, which may be another."""
        hashes = {claim.paymentHash, None if payment is None else _hash_of(payment)}
        for payment_hash in hashes:
            if payment_hash is not None and _HASH.fullmatch(payment_hash):
                self._gateway.look_at_invoice(payment_hash)
        if is_signed and payment is not None and payment.terms.has_chain:
            self._gateway.poll(payment.terms.address)


def _hash_of(payment: Payment) -> str | None:
    invoice = payment.terms.lightning
    return None if invoice is None else invoice.payment_hash


def _read(body: bytes) -> PhoenixdWebhook:
    """Raises `Problem` 400 or 422."""
    value = parse_json(body)
    if isinstance(value, dict):
        known = PhoenixdWebhook.__struct_fields__
        value = {name: value[name] for name in known if value.get(name) is not None}
    claim = check(value, PhoenixdWebhook)
    if isinstance(claim, tuple):
        raise invalid(*claim)
    return claim


def _is_signed(env: dict[str, Any], body: bytes, secret: bytes) -> bool:
    """In constant time, whatever characters came."""
    given = env.get("HTTP_X_PHOENIX_SIGNATURE", "").strip().lower()
    expected = hmac.digest(secret, body, "sha256").hex()
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _client(env: dict[str, Any]) -> str:
    return address_key(env.get("REMOTE_ADDR", ""))
