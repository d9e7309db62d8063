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
from urllib.parse import parse_qsl, urlencode

import msgspec

from engine.errors import Code, Duplicate, Refused
from engine.gateway import Gateway
from engine.payment.model import Payment
from engine.payment.observations import ProviderClaim
from engine.store.writes import InboundRow
from transport.http.bottle_app import Api, answer, environ
from transport.http.find_payment import find_payment
from transport.http.problems import Problem, retry_later
from transport.inbound.dialects import ProviderNotification, read_blockonomics, read_btc
from transport.inbound.schema import RECEIVE_BLOCKONOMICS, RECEIVE_BTC, WebhookAnswer
from transport.server.client_address import address_key
from transport.server.limits import RateLimiter
from transport.server.request_body import read_body

__all__ = ["BODY_BYTES", "WebhookLimits", "routes"]

log = logging.getLogger("paybell.webhook")

BODY_BYTES: Final = 16 * 1024
_MAX_FIELDS: Final = 32
_HIDDEN: Final = b"***"


class WebhookLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Calls per second and in a burst, per client address."""

    #: A provider calls for all its customers from one address.
    rate_per_s: float = 200.0
    burst: int = 1_000
    #: Wrong signatures and secrets.
    failure_rate_per_s: float = 0.5
    failure_burst: int = 20


def routes(
    api: Api,
    gateway: Gateway,
    secret: str | None,
    *,
    claim_window_s: int = 600,
    limits: WebhookLimits | None = None,
) -> None:
    """Add `/webhook/btc`. `secret`: PAYBELL_WEBHOOK_BTC_SECRET; None: it is off.

    A claim that the chain does not corroborate within `claim_window_s` is withdrawn.
    """
    door = _Handler(gateway, secret, claim_window_s, limits or WebhookLimits())
    api.add(RECEIVE_BTC, door.post)
    api.add(RECEIVE_BLOCKONOMICS, door.get)


class _Handler:
    """Who may come in, and what becomes of what they bring."""

    def __init__(
        self,
        gateway: Gateway,
        secret: str | None,
        claim_window_s: int,
        limits: WebhookLimits,
    ) -> None:
        self._gateway = gateway
        self._secret = secret.encode() if secret else None
        self._window_s = claim_window_s
        self._calls = RateLimiter(limits.rate_per_s, limits.burst)
        self._failures = RateLimiter(limits.failure_rate_per_s, limits.failure_burst)

    def __repr__(self) -> str:
        return f"<webhooks {'on' if self._secret else 'off'}>"

    def post(self) -> Any:
        env = environ()
        secret = self._open(env)
        body = read_body(env, BODY_BYTES)
        signature = env.get("HTTP_X_SIGNATURE", "").strip().removeprefix("sha256=")
        expected = hmac.digest(secret, body, "sha256").hex()
        if not _same(signature.lower(), expected):
            raise self._unauthorized(env, "X-Signature is not the HMAC of this body.")
        heard = read_btc(body)
        payment = find_payment(self._gateway, heard.address)
        stored = body.replace(secret, _HIDDEN)
        if payment is None:
            self._log_in(heard, None, "unknown_address", stored)
            raise Problem(
                Code.PAYMENT_NOT_FOUND,
                "No payment is known at this address; it was logged.",
            )
        return answer(self._take(heard, payment, stored))

    def get(self) -> Any:
        """Blockonomics repeats what is not answered 200, with growing pauses, seven
        times. It calls for every address of its wallet, ours or not: one that we do
        not know is logged and answered 200, as no repetition would change it.
        """
        env = environ()
        secret = self._open(env)
        said = _query(env.get("QUERY_STRING", ""))
        given = said.pop("secret", "")
        if not _same(given, secret.decode()):
            raise self._unauthorized(env, "The secret of this callback is wrong.")
        heard = read_blockonomics(said)
        payment = find_payment(self._gateway, heard.address)
        hidden = {
            name: value.replace(secret.decode(), _HIDDEN.decode())
            for name, value in said.items()
        }
        stored = urlencode(hidden).encode().replace(secret, _HIDDEN)
        if payment is None:
            self._log_in(heard, None, "unknown_address", stored)
            return answer(WebhookAnswer(status="ignored"))
        try:
            return answer(self._take(heard, payment, stored))
        except Refused:
            return answer(WebhookAnswer(status="ignored", payment_id=payment.id))

    def _open(self, env: dict[str, Any]) -> bytes:
        """The secret, if webhooks are on and this client does not come too often."""
        if self._secret is None:
            raise Problem(
                Code.WEBHOOKS_OFF,
                "Inbound webhooks are off: set PAYBELL_WEBHOOK_BTC_SECRET to the"
                " secret that the provider signs with.",
            )
        wait_s = self._calls.allow(_client(env), time.monotonic())
        if wait_s > 0:
            raise retry_later(
                Code.RATE_LIMITED, "Too many webhooks from this address.", wait_s
            )
        return self._secret

    def _unauthorized(self, env: dict[str, Any], detail: str) -> Problem:
        wait_s = self._failures.allow(_client(env), time.monotonic())
        log.warning("webhook.refused client=%s", env.get("REMOTE_ADDR", ""))
        if wait_s > 0:
            return retry_later(
                Code.RATE_LIMITED, "Too many wrong signatures from here.", wait_s
            )
        return Problem(Code.UNAUTHORIZED, detail)

    def _take(
        self, heard: ProviderNotification, payment: Payment, stored: bytes
    ) -> WebhookAnswer:
        """Log it and tell the payment's watcher, in one commit."""
        if not heard.claims_money:
            status = self._log_in(heard, payment.id, "noted", stored)
            # Whatever it means, the chain knows: look.
            self._gateway.poll(payment.terms.address)
            return WebhookAnswer(status=status, payment_id=payment.id)
        claim = ProviderClaim(
            provider=heard.provider,
            txid=heard.txid,
            amount_sat=heard.amount_sat,
            window_s=self._window_s,
            replaceable=heard.replaceable,
        )
        row = self._row(heard, payment.id, "claimed", stored)
        try:
            self._gateway.command(payment.id, claim, inbound=row)
        except Duplicate:
            self._gateway.poll(payment.terms.address)
            return WebhookAnswer(status="duplicate", payment_id=payment.id)
        except Refused:
            # Money may lie at an address that nobody watches any more.
            self._log_in(heard, payment.id, "not_watched", stored)
            raise
        _note(heard, payment.id, "accepted")
        return WebhookAnswer(status="accepted", payment_id=payment.id)

    def _log_in(
        self,
        heard: ProviderNotification,
        payment_id: str | None,
        verdict: str,
        stored: bytes,
    ) -> str:
        """Log it durably by itself: `noted`, or `duplicate` if it was heard before."""
        _note(heard, payment_id, verdict)
        try:
            self._gateway.write((self._row(heard, payment_id, verdict, stored),))
        except Duplicate:
            return "duplicate"
        return "noted"

    def _row(
        self,
        heard: ProviderNotification,
        payment_id: str | None,
        verdict: str,
        stored: bytes,
    ) -> InboundRow:
        return InboundRow(
            provider=heard.provider,
            dedupe=heard.key(payment_id),
            at=self._gateway.now(),
            payment_id=payment_id,
            verdict=verdict,
            body=stored,
        )


def _note(heard: ProviderNotification, payment_id: str | None, verdict: str) -> None:
    level = logging.INFO if verdict in {"accepted", "noted"} else logging.WARNING
    if not log.isEnabledFor(level):
        return
    log.log(
        level,
        "webhook.%s provider=%s payment=%s txid=%s status=%s",
        verdict,
        heard.provider,
        payment_id,
        heard.txid,
        heard.status.encode("unicode_escape").decode(),
    )


def _same(given: str, expected: str) -> bool:
    """In constant time, whatever characters came."""
    return hmac.compare_digest(
        given.encode("utf-8", "replace"), expected.encode("utf-8")
    )


def _client(env: dict[str, Any]) -> str:
    return address_key(env.get("REMOTE_ADDR", ""))


def _query(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError as error:
        raise Problem(Code.INVALID_QUERY, "The query string cannot be read.") from error
    said = dict(pairs)
    if len(said) != len(pairs):
        raise Problem(Code.INVALID_QUERY, "A parameter occurs twice.")
    return said
