"""Inbound webhooks of providers: checked, logged, put before the payment, answered.

    POST /webhook/btc     JSON, X-Signature: HMAC-SHA256 of the raw body (hex)
    GET  /webhook/btc     Blockonomics' callback, with the secret in its query

A webhook is a claim: it is told to browsers at once as not verified, and makes the
payment's watcher look at the chain; it never confirms anything. It is answered 2xx
only after it, and what it caused, is committed in one piece; the same one again is a
`duplicate`, also 2xx. Without any secret there is no such route (404): nobody can be
believed then. `--seed paybutton` has it as its document does: where there is no secret
anybody may call, and it is no claim then, but a reason to look.

Whose secret counts? That of the merchant whose payment is at the address, if it has one
for this provider: then the node's own, which all may know, announces nothing to it. Of
all others, and of an address that nobody knows, the node's.

No secret is logged or stored. Runs in the connection's greenlet.
"""

import contextlib
import hmac
import logging
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from engine.errors import Duplicate, Refused
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.record import Provider
from engine.payment.model import Payment
from engine.payment.observations import ProviderClaim
from engine.policy.defaults import CLAIM_WINDOW_S
from engine.secrets.vault import Vault
from engine.store.writes import InboundWebhook
from transport.http.bottle_app import Api, answer, environ
from transport.http.find_payment import find_payment
from transport.http.openapi import Header, Operation
from transport.http.problems import Problem, rate_limited, retry_later
from transport.http.request_json import query_pairs
from transport.inbound.dialects import ProviderNotification, read_blockonomics, read_btc
from transport.inbound.schema import BlockonomicsQuery, BtcWebhook, WebhookAnswer
from transport.server.client_address import address_key
from transport.server.limits import CallLimits, RateLimiter
from transport.server.request_body import read_body
from transport.server.request_id import ENVIRON as REQUEST_ID

__all__ = ["BODY_BYTES", "Unsigned", "routes"]

log = logging.getLogger("paybell.webhook")

BODY_BYTES: Final = 16 * 1024
_MAX_FIELDS: Final = 32
_HIDDEN: Final = b"***"


class Unsigned(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant of whose payments anybody may say that one was paid, where nobody has
    a secret: it is logged and makes the watcher look, and nothing is told of it."""

    merchant: str
    admit: Callable[[dict[str, Any]], None]
    """Raises `Problem` 429."""


def routes(
    api: Api,
    gateway: Gateway,
    secret: str | None,
    vault: Vault,
    *,
    claim_window_s: int = CLAIM_WINDOW_S,
    limits: CallLimits | None = None,
    unsigned: Unsigned | None = None,
) -> None:
    """Add `/webhook/btc`. `secret`: PAYBELL_WEBHOOK_BTC_SECRET, or None; `vault` opens
    those of merchants; `unsigned`: a merchant who has it without any.

    A claim that the chain does not corroborate within `claim_window_s` is withdrawn.
    """
    limits = limits or CallLimits()
    api.add_all(_Webhooks(gateway, secret, vault, claim_window_s, limits, unsigned))


class _Webhooks:
    """Who may come in, and what becomes of what they bring."""

    def __init__(
        self,
        gateway: Gateway,
        secret: str | None,
        vault: Vault,
        claim_window_s: int,
        limits: CallLimits,
        unsigned: Unsigned | None,
    ) -> None:
        self._unsigned = unsigned
        self._gateway = gateway
        self._vault = vault
        self._secret = secret.encode() if secret else None  # the node's
        self._window_s = claim_window_s
        self._calls = RateLimiter(limits.rate_per_s, limits.burst)
        self._failures = RateLimiter(limits.failure_rate_per_s, limits.failure_burst)

    def __repr__(self) -> str:
        return "<webhooks>"

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
        self._admit(env, "btc")
        body = read_body(env, BODY_BYTES)
        secret = self._secret_of("btc", lambda: read_btc(body))
        if secret is None and self._unsigned is not None:
            return answer(self._look(env, self._unsigned, read_btc(body), body))
        signature = env.get("HTTP_X_SIGNATURE", "").strip().removeprefix("sha256=")
        if secret is None or not _same(
            signature.lower(), hmac.digest(secret, body, "sha256").hex()
        ):
            raise self._unauthorized(
                env,
                "X-Signature is not the HMAC-SHA256 of this body with the shared"
                " secret.",
            )
        notification = read_btc(body)
        payment = find_payment(self._gateway, notification.address)
        stored = self._hidden(body, secret)
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
        self._admit(env, "blockonomics")
        fields = _fields(env)
        given = fields.pop("secret", "")
        secret = self._secret_of("blockonomics", lambda: read_blockonomics(fields))
        if secret is None and self._unsigned is not None:
            said = urlencode(fields).encode()
            called = read_blockonomics(fields)
            return answer(self._look(env, self._unsigned, called, said))
        if secret is None or not _same(given, secret.decode()):
            raise self._unauthorized(env, "The secret in the query is wrong.")
        notification = read_blockonomics(fields)
        payment = find_payment(self._gateway, notification.address)
        hidden = {
            name: self._hidden(value.encode(), secret).decode()
            for name, value in fields.items()
        }
        stored = self._hidden(urlencode(hidden).encode(), secret)
        if payment is None:
            self._log_in(notification, None, "unknown_address", stored)
            return answer(WebhookAnswer(status="ignored"))
        try:
            return answer(self._take(notification, payment, stored))
        except Refused:
            return answer(WebhookAnswer(status="ignored", payment_id=payment.id))

    def _admit(self, env: dict[str, Any], provider: Provider) -> None:
        """If webhooks are on and this client does not come too often."""
        if (
            self._secret is None
            and self._unsigned is None
            and not self._gateway.has_webhook_secret(provider)
        ):
            raise Problem(
                Code.WEBHOOKS_OFF,
                "Inbound webhooks are off. To turn them on, set"
                " PAYBELL_WEBHOOK_BTC_SECRET, or webhook_secrets of a merchant (PUT"
                " /v1/merchants/<name>), to the secret that the provider uses.",
            )
        wait_s = self._calls.allow(_client(env), time.monotonic())
        if wait_s > 0:
            raise rate_limited(
                "Too many webhooks from this address (webhooks_per_s).",
                wait_s,
                "webhooks_per_s",
            )

    def _look(
        self,
        env: dict[str, Any],
        unsigned: Unsigned,
        notification: ProviderNotification,
        stored: bytes,
    ) -> WebhookAnswer:
        """Anybody may have sent it: log it, and have the chain looked at. The answer
        is the same whether there is such a payment or not."""
        unsigned.admit(env)
        payment = None
        with contextlib.suppress(Problem):  # no address of this network
            payment = find_payment(self._gateway, notification.address)
        if payment is not None and payment.terms.merchant != unsigned.merchant:
            payment = None
        payment_id = None if payment is None else payment.id
        status = self._log_in(notification, payment_id, "unsigned", stored)
        if payment is not None:
            self._gateway.poll(payment.terms.address)
        return WebhookAnswer(status=status)

    def _secret_of(
        self, provider: Provider, read: Callable[[], ProviderNotification]
    ) -> bytes | None:
        """Whose word counts for what this notification is about. None: nobody's.

        Who calls is not known yet: only the address is looked at, and only if there is
        a merchant with a secret of its own.
        """
        payment = None
        if self._gateway.has_webhook_secret(provider):
            with contextlib.suppress(Problem):  # said once the sender is believed
                payment = find_payment(self._gateway, read().address)
        if payment is None:
            return self._secret
        merchant = self._gateway.merchant(payment.terms.merchant)
        if merchant.is_damaged:
            raise retry_later(
                Code.STORE_UNAVAILABLE, "The record of the merchant is damaged.", 60
            )
        sealed = merchant.webhook_secrets.get(provider)
        if sealed is None:
            return self._secret
        return self._vault.open(sealed, merchant.secret_owner(provider))

    def _hidden(self, text: bytes, secret: bytes) -> bytes:
        """As it may be kept: neither this secret nor the node's is in it."""
        text = text.replace(secret, _HIDDEN)
        return text if self._secret is None else text.replace(self._secret, _HIDDEN)

    def _unauthorized(self, env: dict[str, Any], detail: str) -> Problem:
        wait_s = self._failures.allow(_client(env), time.monotonic())
        log.warning(
            "webhook.refused client=%s request=%s",
            env.get("REMOTE_ADDR", ""),
            env.get(REQUEST_ID, ""),
        )
        if wait_s > 0:
            return rate_limited(
                "Too many wrong signatures or secrets from this address"
                " (wrong_signatures_per_minute).",
                wait_s,
                "wrong_signatures_per_minute",
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
        limits = self._gateway.merchant(payment.terms.merchant).limits
        claim = ProviderClaim(
            provider=notification.provider,
            txid=notification.txid,
            amount_sat=notification.amount_sat,
            window_s=self._window_s,
            replaceable=notification.replaceable,
            most=limits.claims,
            total_s=limits.claims_total_s,
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
    ) -> InboundWebhook:
        return InboundWebhook(
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
        str(notification.txid).encode("unicode_escape").decode(),
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
