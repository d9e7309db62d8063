"""`POST /webhook/lightning/<account>`: Blink says, by Svix, that something came in.

An account's own endpoint (`callbackEndpointAdd`) is told of each transaction:
{accountId, eventType: "receive.lightning", walletId, transaction: {initiationVia:
{type, paymentHash, …}, …}}; a webhook of one invoice has {paymentHash, paymentRequest,
status: "PAID", paymentPreimage}. Both are signed as Standard Webhooks are, in headers
called `svix-…` (docs.svix.com; github.com/GaloyMoney/blink, `services/svix`).

It is a claim, and not more: Blink itself is asked about the invoice, and what comes of
that is told as if nobody had called. What is no receipt over Lightning is logged. A
repetition (the same `svix-id`) is answered and not looked at: nobody makes us ask Blink
by sending an old one again. Answered 2xx only after it is in the log. Runs in the
connection's greenlet.
"""

import hashlib
import logging
import re
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from engine.errors import Duplicate
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.lightning.account import Account
from engine.merchants.gateway_mapping import GatewaySignature
from engine.store.writes import InboundWebhook
from transport.http.bottle_app import Api, HttpAnswer, answer, environ
from transport.http.openapi import Header, Operation
from transport.http.problems import Problem, rate_limited
from transport.inbound.gateway_body import Body
from transport.inbound.gateway_signature import SignatureCheck, signed_by
from transport.inbound.schema import WebhookAnswer
from transport.server.client_address import address_key
from transport.server.limits import CallLimits, RateLimiter
from transport.server.request_body import read_body
from transport.server.request_id import ENVIRON as REQUEST_ID

__all__ = ["BODY_BYTES", "paid_hash", "routes"]

log = logging.getLogger("paybell.webhook")

BODY_BYTES: Final = 16 * 1024

_SIGNATURE: Final = GatewaySignature(
    header="svix-signature",
    encoding="base64",
    separator=" ",
    prefix="v1,",
    signed="{header:svix-id}.{timestamp}.{body}",
    timestamp_header="svix-timestamp",
    secret_prefix="whsec_",  # noqa: S106
    secret_encoding="base64",  # noqa: S106
)

#: A dot in it would leave open where it ends in what is signed.
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)

_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class _Via(msgspec.Struct, rename="camel"):
    payment_hash: str = ""


class _Transaction(msgspec.Struct, rename="camel"):
    initiation_via: _Via = msgspec.field(default_factory=_Via)


class _Told(msgspec.Struct, rename="camel"):
    """Both kinds together; other fields are passed over."""

    event_type: str = ""
    transaction: _Transaction = msgspec.field(default_factory=_Transaction)
    payment_hash: str = ""
    status: str = ""


_OPERATION: Final = Operation(
    name="receiveLightningWebhook",
    method="POST",
    path="/webhook/lightning/<account>",
    tag="webhooks",
    summary="Webhook of a Lightning account at Blink, signed by Svix: an invoice was"
    " paid. A claim, after which Blink is asked.",
    answers={200: WebhookAnswer},
    headers=(
        Header(
            name="Svix-Signature",
            description="v1,<base64 HMAC-SHA256 of svix-id.svix-timestamp.body>, with"
            " one of the account's webhook_secrets",
            schema={"type": "string"},
        ),
    ),
    needs_key=False,
    limited_by_itself=True,
    problems=(401, 404, 429),
)


def routes(
    api: Api,
    gateway: Gateway,
    accounts: Mapping[str, Account],
    *,
    limits: CallLimits | None = None,
) -> None:
    """Add the route, if an account has a secret for it."""
    signed = {
        name: tuple(secret.encode() for secret in account.webhook_secrets)
        for name, account in accounts.items()
        if account.webhook_secrets
    }
    if signed:
        api.add(_OPERATION, _Svix(gateway, signed, limits or CallLimits()).receive)


class _Svix:
    """The handler. `repr` shows no secret."""

    def __init__(
        self,
        gateway: Gateway,
        secrets: Mapping[str, tuple[bytes, ...]],
        limits: CallLimits,
    ) -> None:
        self._gateway = gateway
        self._secrets = secrets
        self._calls = RateLimiter(limits.rate_per_s, limits.burst)
        self._failures = RateLimiter(limits.failure_rate_per_s, limits.failure_burst)

    def __repr__(self) -> str:
        return "<webhooks of Lightning accounts>"

    def receive(self, account: str) -> HttpAnswer:
        env = environ()
        client = address_key(env.get("REMOTE_ADDR", ""))
        wait_s = self._calls.allow(client, time.monotonic())
        if wait_s > 0:
            raise rate_limited(
                "Too many webhooks from this address (webhooks_per_s).",
                wait_s,
                "webhooks_per_s",
            )
        secrets = self._secrets.get(account)
        if secrets is None:
            raise Problem(
                Code.UPSTREAM_NOT_FOUND,
                "No Lightning account of this name takes webhooks (webhook_secrets).",
            )
        body = read_body(env, BODY_BYTES)
        message_id = env.get("HTTP_SVIX_ID", "")
        signed = SignatureCheck.NO
        if _ID.fullmatch(message_id):
            now_s = self._gateway.now() / 1000
            signed = signed_by(
                _SIGNATURE, secrets, body, _headers(env), Body(None), now_s
            )
        if signed is not SignatureCheck.YES:
            raise self._unauthorized(account, client, signed)
        return answer(self._take(account, message_id, body))

    def _take(self, account: str, message_id: str, body: bytes) -> WebhookAnswer:
        payment_hash = paid_hash(body)
        row = InboundWebhook(
            provider=f"lightning/{account}",
            dedupe=hashlib.sha256(message_id.encode()).hexdigest(),
            at=self._gateway.now(),
            payment_id=None,
            verdict="noted" if payment_hash else "ignored",
            body=body,
        )
        log.info("webhook.%s account=%s invoice=%s", row.verdict, account, payment_hash)
        try:
            self._gateway.note_webhook(row)
        except Duplicate:
            return WebhookAnswer(status="duplicate")
        if not payment_hash:
            return WebhookAnswer(status="ignored")
        self._gateway.look_at_invoice(payment_hash)
        return WebhookAnswer(status="noted")

    def _unauthorized(
        self, account: str, client: str, signed: SignatureCheck
    ) -> Problem:
        log.warning("webhook.refused account=%s client=%s request=%s",
                    account, client, environ().get(REQUEST_ID, ""))  # fmt: skip
        wait_s = self._failures.allow(client, time.monotonic())
        if wait_s > 0:
            return rate_limited(
                "Too many wrong signatures from this address"
                " (wrong_signatures_per_minute).",
                wait_s,
                "wrong_signatures_per_minute",
            )
        if signed is SignatureCheck.TOO_OLD:
            return Problem(
                Code.UNAUTHORIZED,
                "The webhook is signed, but its time is more than"
                f" {_SIGNATURE.tolerance_s} s from ours.",
            )
        return Problem(
            Code.UNAUTHORIZED,
            "svix-signature is not that of this body with a secret of this account.",
        )


def paid_hash(body: bytes) -> str:
    """The payment hash of the invoice that is said to be paid; empty: of none. A body
    that we do not understand is of none: who signs it repeats it for ever otherwise."""
    try:
        told = msgspec.json.decode(body, type=_Told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    found = ""
    if told.event_type.startswith("receive."):
        found = told.transaction.initiation_via.payment_hash
    elif not told.event_type and told.status == "PAID":
        found = told.payment_hash
    return found if _HASH.fullmatch(found) else ""


def _headers(env: dict[str, Any]) -> dict[str, str]:
    """Those that count, by name in lower case."""
    return {
        name: env.get("HTTP_" + name.upper().replace("-", "_"), "")
        for name in ("svix-id", "svix-timestamp", "svix-signature")
    }
