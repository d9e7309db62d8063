"""Inbound webhooks of providers: checked, logged, put before the payment, answered.

    POST /webhook/btc     JSON, X-Signature: HMAC-SHA256 of the raw body (hex)
    GET  /webhook/btc     Blockonomics' callback, with the secret in its query

A webhook is a claim: it is told to browsers at once as not verified, and makes the
payment's watcher look at the chain; it never confirms anything. It is answered 2xx
only after it, and what it caused, is committed in one piece; the same one again is a
`duplicate`, also 2xx. Without a secret in the configuration there is no such route
(404): nobody can be believed then.

The secret is never logged or stored. Runs in the connection's greenlet.
"""

import hmac
import logging
import time
from typing import Any, Final
from urllib.parse import urlencode

from engine.codes import Code
from engine.errors import Duplicate, Refused
from engine.gateway import Gateway
from engine.payment.model import Payment
from engine.payment.observations import ProviderClaim
from engine.store.writes import InboundRow
from transport.http.bottle_app import Api, answer, environ
from transport.http.find_payment import find_payment
from transport.http.openapi import Header, Operation
from transport.http.problems import Problem, retry_later
from transport.http.request_json import query_pairs
from transport.inbound.dialects import ProviderNotification, read_blockonomics, read_btc
from transport.inbound.schema import BlockonomicsQuery, BtcWebhook, WebhookAnswer
from transport.server.client_address import address_key
from transport.server.limits import CallLimits, RateLimiter
from transport.server.request_body import read_body
from transport.server.request_id import ENVIRON as REQUEST_ID

__all__ = ["BODY_BYTES", "routes"]

log = logging.getLogger("paybell.webhook")

BODY_BYTES: Final = 16 * 1024
_MAX_FIELDS: Final = 32
_HIDDEN: Final = b"***"


def routes(
    api: Api,
    gateway: Gateway,
    secret: str | None,
    *,
    claim_window_s: int = 600,
    limits: CallLimits | None = None,
) -> None:
    """Add `/webhook/btc`. `secret`: PAYBELL_WEBHOOK_BTC_SECRET; None: it is off.

    A claim that the chain does not corroborate within `claim_window_s` is withdrawn.
    """
    api.add_all(_Webhooks(gateway, secret, claim_window_s, limits or CallLimits()))


class _Webhooks:
    """Who may come in, and what becomes of what they bring."""

    def __init__(
        self,
        gateway: Gateway,
        secret: str | None,
        claim_window_s: int,
        limits: CallLimits,
    ) -> None:
        self._gateway = gateway
        self._secret = secret.encode() if secret else None
        self._window_s = claim_window_s
        self._calls = RateLimiter(limits.rate_per_s, limits.burst)
        self._failures = RateLimiter(limits.failure_rate_per_s, limits.failure_burst)

    def __repr__(self) -> str:
        return f"<webhooks {'on' if self._secret else 'off'}>"

    @Operation(
        name="receiveBtcWebhook",
        method="POST",
        path="/webhook/btc",
        tag="webhooks",
        summary="Webhook of a provider: an address was paid",
        answers={200: WebhookAnswer},
        request=BtcWebhook,
        headers=(
            Header(
                name="X-Signature",
                description="HMAC-SHA256 of the raw body with the shared secret,"
                " in hex, optionally after sha256=",
                schema={"type": "string"},
            ),
        ),
        needs_key=False,
        limited_by_itself=True,
        problems=(401, 404, 409, 429),
    )
    def post(self) -> Any:
        env = environ()
        secret = self._admit(env)
        body = read_body(env, BODY_BYTES)
        signature = env.get("HTTP_X_SIGNATURE", "").strip().removeprefix("sha256=")
        expected = hmac.digest(secret, body, "sha256").hex()
        if not _same(signature.lower(), expected):
            raise self._unauthorized(
                env,
                "X-Signature is not the HMAC-SHA256 of this body with the shared"
                " secret.",
            )
        notification = read_btc(body)
        payment = find_payment(self._gateway, notification.address)
        stored = body.replace(secret, _HIDDEN)
        if payment is None:
            self._log_in(notification, None, "unknown_address", stored)
            raise Problem(
                Code.PAYMENT_NOT_FOUND,
                "There is no payment at this address. The webhook was logged.",
            )
        return answer(self._take(notification, payment, stored))

    @Operation(
        name="receiveBlockonomicsCallback",
        method="GET",
        path="/webhook/btc",
        tag="webhooks",
        summary="Callback of Blockonomics: secret, addr, status, value, txid, rbf",
        answers={200: WebhookAnswer},
        query=BlockonomicsQuery,
        needs_key=False,
        limited_by_itself=True,
        problems=(401, 404, 429),
    )
    def get(self) -> Any:
        """Blockonomics repeats what is not answered 200, with growing pauses, seven
        times. It calls for every address of its wallet, ours or not: one that we do
        not know is logged and answered 200, as no repetition would change it.
        """
        env = environ()
        secret = self._admit(env)
        fields = _fields(env)
        given = fields.pop("secret", "")
        if not _same(given, secret.decode()):
            raise self._unauthorized(env, "The secret in the query is wrong.")
        notification = read_blockonomics(fields)
        payment = find_payment(self._gateway, notification.address)
        hidden = {
            name: value.replace(secret.decode(), _HIDDEN.decode())
            for name, value in fields.items()
        }
        stored = urlencode(hidden).encode().replace(secret, _HIDDEN)
        if payment is None:
            self._log_in(notification, None, "unknown_address", stored)
            return answer(WebhookAnswer(status="ignored"))
        try:
            return answer(self._take(notification, payment, stored))
        except Refused:
            return answer(WebhookAnswer(status="ignored", payment_id=payment.id))

    def _admit(self, env: dict[str, Any]) -> bytes:
        """The secret, if webhooks are on and this client does not come too often."""
        if self._secret is None:
            raise Problem(
                Code.WEBHOOKS_OFF,
                "Inbound webhooks are off. To turn them on, set"
                " PAYBELL_WEBHOOK_BTC_SECRET"
                " to the secret that the provider uses.",
            )
        wait_s = self._calls.allow(_client(env), time.monotonic())
        if wait_s > 0:
            raise retry_later(
                Code.RATE_LIMITED, "Too many webhooks from this address.", wait_s
            )
        return self._secret

    def _unauthorized(self, env: dict[str, Any], detail: str) -> Problem:
        wait_s = self._failures.allow(_client(env), time.monotonic())
        log.warning(
            "webhook.refused client=%s request=%s",
            env.get("REMOTE_ADDR", ""),
            env.get(REQUEST_ID, ""),
        )
        if wait_s > 0:
            return retry_later(
                Code.RATE_LIMITED,
                "Too many wrong signatures or secrets from this address.",
                wait_s,
            )
        return Problem(Code.UNAUTHORIZED, detail)

    def _take(
        self, notification: ProviderNotification, payment: Payment, stored: bytes
    ) -> WebhookAnswer:
        """Log it and tell the payment's watcher, in one commit."""
        if not notification.claims_money:
            status = self._log_in(notification, payment.id, "noted", stored)
            # Whatever it means, the chain knows: look.
            self._gateway.poll(payment.terms.address)
            return WebhookAnswer(status=status, payment_id=payment.id)
        claim = ProviderClaim(
            provider=notification.provider,
            txid=notification.txid,
            amount_sat=notification.amount_sat,
            window_s=self._window_s,
            replaceable=notification.replaceable,
        )
        row = self._row(notification, payment.id, "claimed", stored)
        try:
            self._gateway.command(payment, claim, row)
        except Duplicate:
            self._gateway.poll(payment.terms.address)
            return WebhookAnswer(status="duplicate", payment_id=payment.id)
        except Refused:
            # Money may lie at an address that nobody watches any more.
            self._log_in(notification, payment.id, "not_watched", stored)
            raise
        _note(notification, payment.id, "accepted")
        return WebhookAnswer(status="accepted", payment_id=payment.id)

    def _log_in(
        self,
        notification: ProviderNotification,
        payment_id: str | None,
        verdict: str,
        stored: bytes,
    ) -> str:
        """Log it durably by itself: `noted`, or `duplicate` if it came before."""
        _note(notification, payment_id, verdict)
        try:
            self._gateway.note_webhook(
                self._row(notification, payment_id, verdict, stored)
            )
        except Duplicate:
            return "duplicate"
        return "noted"

    def _row(
        self,
        notification: ProviderNotification,
        payment_id: str | None,
        verdict: str,
        stored: bytes,
    ) -> InboundRow:
        return InboundRow(
            provider=notification.provider,
            dedupe=notification.key(payment_id),
            at=self._gateway.now(),
            payment_id=payment_id,
            verdict=verdict,
            body=stored,
        )


def _note(
    notification: ProviderNotification, payment_id: str | None, verdict: str
) -> None:
    level = logging.INFO if verdict in {"accepted", "noted"} else logging.WARNING
    if not log.isEnabledFor(level):
        return
    log.log(
        level,
        "webhook.%s provider=%s payment=%s txid=%s status=%s",
        verdict,
        notification.provider,
        payment_id,
        notification.txid,
        notification.status.encode("unicode_escape").decode(),
    )


def _same(given: str, expected: str) -> bool:
    """In constant time, whatever characters came."""
    return hmac.compare_digest(
        given.encode("utf-8", "replace"), expected.encode("utf-8")
    )


def _client(env: dict[str, Any]) -> str:
    return address_key(env.get("REMOTE_ADDR", ""))


def _fields(env: dict[str, Any]) -> dict[str, str]:
    """The callback's parameters by name. Raises `Problem` 400."""
    pairs = query_pairs(env, _MAX_FIELDS, strict=False)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Problem(Code.INVALID_QUERY, "A parameter of the query occurs twice.")
    return fields
