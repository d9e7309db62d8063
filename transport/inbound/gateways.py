"""A payment gateway's notification: believed, put before its payment, committed.

One way in for every transport that carries one (`POST /webhook/<gateway>`, a Redis
stream): `Gateways.take`. When it returns, what it says is committed, or was before;
what it raises is a `Problem`, of which 4xx will be the same however often it is told
(but for 404, an invoice that may be created later, and 429), and 5xx may pass.

Whose is it? A mapping names the merchants that a gateway acts for. Each has a secret of
its own, so that the signature tells; a path may name one as well. An invoice that
nobody created here makes its payment, if the mapping allows it: a site that creates its
invoices at its gateway need not tell us. No secret is logged or stored, and of the body
only what was read of it is.
"""

import hashlib
import logging
import time
from collections.abc import Mapping
from typing import Final

import gevent
import msgspec

from engine.errors import Duplicate, EngineBusy, WrongKey
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.gateway_mapping import GatewayMapping
from engine.merchants.record import OLD
from engine.payment.model import EXTERNAL, Payment, Terms, external_key
from engine.policy.defaults import MONITOR_S
from engine.secrets.vault import Vault
from engine.store.writes import Conflict, InboundWebhook
from transport.http.new_ids import new_payment_id
from transport.http.problems import Problem, rate_limited, retry_later
from transport.inbound.gateway_body import BODY_BYTES, Body, read_gateway_body
from transport.inbound.gateway_reading import GatewayNotification, read_notification
from transport.inbound.gateway_signature import SignatureCheck, signed_by
from transport.server.limits import RateLimiter

__all__ = ["GatewayVerdict", "Gateways", "opened_secrets"]

log = logging.getLogger("paybell.webhook")

LOOKS_AGAIN_S: Final = (0.02, 0.04, 0.08, 0.16, *[0.3] * 29)
"""For a payment that is just being made: nine seconds in all, as gateways wait for an
answer for ten or more. A commit takes some ms, and some seconds on a busy disk."""

CREATED_AT_ONCE: Final = 100
"""Payments that one merchant's gateway may make in one moment."""


class GatewayVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a notification; it is committed.

    `status`: accepted, noted (its word means nothing to us) or duplicate. The answer is
    the mapping's, and the same for all three: a gateway repeats what it does not
    understand.
    """

    status: str
    merchant: str
    payment_id: str | None
    answer: bytes
    answer_type: str


class Gateways:
    """All of the node's gateways, by name."""

    def __init__(
        self,
        gateway: Gateway,
        vault: Vault,
        mappings: Mapping[str, GatewayMapping],
        *,
        network: str,
        monitor_s: int = MONITOR_S,
    ) -> None:
        """`monitor_s`: so long after its expiry a payment is still waited for."""
        self._gateway = gateway
        self._vault = vault
        self._mappings = dict(mappings)
        self._network = network
        self._monitor_ms = monitor_s * 1000
        self._made = {
            name: RateLimiter(one.creates_per_minute / 60, CREATED_AT_ONCE)
            for name, one in mappings.items()
        }

    def __repr__(self) -> str:
        return f"<gateways {', '.join(sorted(self._mappings))}>"

    @property
    def mappings(self) -> Mapping[str, GatewayMapping]:
        """By name."""
        return self._mappings

    def take(
        self,
        name: str,
        raw: bytes,
        headers: Mapping[str, str],
        *,
        merchant: str | None = None,
        dedupe: str | None = None,
        at: int | None = None,
    ) -> GatewayVerdict:
        """`raw`: the body as it came. `headers`: by name, in lower case. `merchant`:
        whom it came for, if the transport knows. `dedupe`: the transport's own key, in
        the place of the event's id. `at` (ms): when the transport got it, if that was
        earlier; a signature's time is held against it.

        Raises `Problem` 400, 401, 404, 413, 422, 429, 503, and `EngineBusy`.
        """
        mapping = self._mapping(name)
        if len(raw) > BODY_BYTES:
            detail = f"A notification has at most {BODY_BYTES} bytes."
            raise Problem(Code.BODY_TOO_LARGE, detail)
        body, unreadable = _read(raw, mapping)
        now_s = (self._gateway.now() if at is None else at) / 1000
        owner = self._sender(name, mapping, merchant, raw, headers, body, now_s)
        if unreadable is not None:
            raise unreadable
        notification = read_notification(name, mapping, body)
        if notification.refused_token:
            log.warning(
                "webhook.card_number_refused gateway=%s merchant=%s", name, owner
            )
        digest = hashlib.sha256(raw).hexdigest()
        return self.take_read(notification, owner, dedupe or "", digest)

    def take_read(
        self,
        notification: GatewayNotification,
        merchant: str,
        dedupe: str = "",
        body_digest: str = "",
    ) -> GatewayVerdict:
        """One whose sender is believed already: of this merchant's gateway."""
        mapping = self._mapping(notification.gateway)
        key = external_key(merchant, notification.gateway, notification.invoice)
        payment = self._gateway.payment_at(key)
        row = _Rows(self._gateway, notification, merchant, dedupe, body_digest)
        if notification.word is None:
            status = row.log_in(payment, "noted")
            return self._verdict(mapping, merchant, status, payment)
        if payment is None:
            payment = self._made_for(mapping, notification, merchant, key, row)
        try:
            after = self._gateway.command(
                payment, notification.observed(), row.of(payment.id, "taken")
            )
        except Duplicate:
            return self._verdict(mapping, merchant, "duplicate", payment)
        _note(notification, merchant, after.id, "accepted")
        return self._verdict(mapping, merchant, "accepted", after)

    # -- who sent it -----------------------------------------------------------------

    def _mapping(self, name: str) -> GatewayMapping:
        mapping = self._mappings.get(name)
        if mapping is None:
            raise Problem(
                Code.GATEWAY_NOT_FOUND,
                "This node has no such gateway. Its gateways are the tables"
                " [gateways.<name>] of its --config file.",
            )
        return mapping

    def _sender(
        self,
        name: str,
        mapping: GatewayMapping,
        merchant: str | None,
        raw: bytes,
        headers: Mapping[str, str],
        body: Body,
        now_s: float,
    ) -> str:
        """Whose secret signed it. Raises `Problem` 401, 404 or 503."""
        candidates = mapping.merchants
        if merchant is not None:
            if merchant not in candidates:
                raise Problem(
                    Code.GATEWAY_NOT_FOUND,
                    "This gateway does not act for a merchant of that name.",
                )
            candidates = [merchant]
        found: dict[str, SignatureCheck] = {}
        unread: Problem | None = None  # one merchant's must not stop the others'
        for one in candidates:
            try:
                secrets = opened_secrets(self._gateway, self._vault, one, name)
            except Problem as error:
                unread = error
                continue
            found[one] = signed_by(
                mapping.signature, secrets, raw, headers, body, now_s
            )
        signers = [one for one, signed in found.items() if signed is SignatureCheck.YES]
        if len(signers) == 1:
            return signers[0]
        if len(signers) > 1:
            log.error("webhook.ambiguous gateway=%s merchants=%s detail=they have the"
                      " same secret", name, ",".join(signers))  # fmt: skip
        elif unread is not None:  # it may be of that one: it is to come again
            raise unread
        elif SignatureCheck.TOO_OLD in found.values():
            raise Problem(
                Code.UNAUTHORIZED,
                "The notification is signed, but its time is more than"
                f" {mapping.signature.tolerance_s} s from ours (tolerance_s).",
            )
        raise Problem(
            Code.UNAUTHORIZED,
            "The notification is not signed with the secret of a merchant of this"
            " gateway, in the way that its mapping says.",
        )

    # -- what it is about ------------------------------------------------------------

    def _made_for(
        self,
        mapping: GatewayMapping,
        notification: GatewayNotification,
        merchant: str,
        key: str,
        row: "_Rows",
    ) -> Payment:
        """A payment for an invoice that nobody created here."""
        if not mapping.creates:
            row.log_in(None, "unknown_invoice")
            raise Problem(
                Code.PAYMENT_NOT_FOUND,
                "There is no payment for this invoice, and this gateway makes none"
                " (creates). The notification was logged.",
            )
        wait_s = self._made[notification.gateway].allow(merchant, time.monotonic())
        if wait_s > 0:
            raise rate_limited(
                "Too many new invoices of this gateway (creates_per_minute).",
                wait_s,
                "creates_per_minute",
            )
        terms = self._terms(mapping, notification, merchant, key)
        for wait_s in LOOKS_AGAIN_S:
            (made,) = self._gateway.create([terms])
            if not isinstance(made, Conflict):
                return made
            # Another notification was faster, and may be waiting for its commit.
            known = self._gateway.payment_at(key)
            if known is not None:
                return known
            gevent.sleep(wait_s)
        raise EngineBusy(f"invoice {notification.invoice} is just being made", 1)

    def _terms(
        self,
        mapping: GatewayMapping,
        notification: GatewayNotification,
        merchant: str,
        key: str,
    ) -> Terms:
        if not notification.currency:
            raise Problem(
                Code.INVALID_REQUEST,
                "There is no payment for this invoice yet, and the notification names"
                " no currency to make one in (fields.currency).",
            )
        now = self._gateway.now()
        expires_at = now + mapping.expires_in_s * 1000
        metadata: dict[str, str | int | bool | None] = {}
        if notification.customer is not None:
            metadata["customer"] = notification.customer
        if notification.salon is not None:
            metadata["salonId"] = notification.salon
        return Terms(
            id=new_payment_id(now),
            method=EXTERNAL,
            network=self._network,
            asset=notification.currency,
            decimals=notification.decimals,
            address=key,
            gateway=notification.gateway,
            confirmations_required=0,
            created_at=now,
            expires_at=expires_at,
            monitor_until=expires_at + self._monitor_ms,
            external_id=notification.invoice,
            merchant=merchant,
            metadata=metadata,
        )

    def _verdict(
        self,
        mapping: GatewayMapping,
        merchant: str,
        status: str,
        payment: Payment | None,
    ) -> GatewayVerdict:
        return GatewayVerdict(
            status=status,
            merchant=merchant,
            payment_id=None if payment is None else payment.id,
            answer=mapping.answer.encode(),
            answer_type=mapping.answer_type,
        )


def _read(raw: bytes, mapping: GatewayMapping) -> tuple[Body, Problem | None]:
    """The body; of one that cannot be read nothing, and why, which is explained to
    whoever can sign it."""
    try:
        return read_gateway_body(raw, mapping.body), None
    except Problem as problem:
        return Body(None), problem


class _Rows:
    """What is kept of one notification, in the log of what was heard."""

    def __init__(
        self,
        gateway: Gateway,
        notification: GatewayNotification,
        merchant: str,
        dedupe: str,
        body_digest: str,
    ) -> None:
        self._gateway = gateway
        self._notification = notification
        self._merchant = merchant
        self._dedupe = dedupe
        self._kept = msgspec.json.encode(
            {"merchant": merchant, "sha256": body_digest, "read": notification}
        )

    def of(self, payment_id: str | None, verdict: str) -> InboundWebhook:
        said = self._notification
        return InboundWebhook(
            provider=f"gateway/{said.gateway}",
            dedupe=said.key(self._merchant, payment_id, self._dedupe),
            at=self._gateway.now(),
            payment_id=payment_id,
            verdict=verdict,
            body=self._kept,
        )

    def log_in(self, payment: Payment | None, verdict: str) -> str:
        """By itself: `noted`, or `duplicate` if it came before."""
        payment_id = None if payment is None else payment.id
        _note(self._notification, self._merchant, payment_id, verdict)
        try:
            self._gateway.note_webhook(self.of(payment_id, verdict))
        except Duplicate:
            return "duplicate"
        return "noted"


def opened_secrets(
    gateway: Gateway, vault: Vault, merchant: str, name: str
) -> list[bytes]:
    """The merchant's secrets for this gateway; two while one rotates, none if it has
    none. Raises `Problem` 503 for a record or a secret that cannot be read."""
    record = gateway.merchant(merchant)
    if record.is_damaged:
        raise retry_later(
            Code.STORE_UNAVAILABLE, "The record of the merchant is damaged.", 60
        )
    try:
        return [
            vault.open(record.webhook_secrets[one], record.secret_owner(one))
            for one in (name, name + OLD)
            if one in record.webhook_secrets
        ]
    except WrongKey as error:
        log.critical("gateway.sealed merchant=%s gateway=%s detail=%s", merchant, name,
                     error)  # fmt: skip
        detail = "A secret of the merchant cannot be read."
        raise retry_later(Code.STORE_UNAVAILABLE, detail, 60) from error


def _note(
    said: GatewayNotification, merchant: str, payment_id: str | None, verdict: str
) -> None:
    level = logging.INFO if verdict in {"accepted", "noted"} else logging.WARNING
    log.log(
        level,
        "webhook.%s gateway=%s merchant=%s payment=%s word=%s said=%s",
        verdict,
        said.gateway,
        merchant,
        payment_id,
        said.word,
        said.said.encode("unicode_escape").decode(),
    )
