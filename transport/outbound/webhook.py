"""Webhooks as Standard Webhooks 1.0.0 defines them: secrets, signatures, one attempt.

`WebhookSender.send` makes a single attempt and says what came of it. It does not
schedule, count or remember: the notifier does, by the rules in
`engine/delivery/attempt.py`. Blocks the greenlet of that one delivery, no longer than
`timeout_s`.

What is signed is `<id>.<timestamp>.<body>`, byte for byte as it is sent, by
HMAC-SHA256 with each valid secret of the channel; two while a secret is rotated.
"""

import base64
import binascii
import functools
import hashlib
import hmac
import re
import secrets as randomness
import ssl
import time
from collections.abc import Container, Sequence

from engine.delivery.attempt import AttemptOutcome, SendResult, classify
from engine.delivery.endpoint import Endpoint
from engine.payment.model import Payment
from engine.policy.waits import parse_retry_after
from transport.calling.trust import tls_context
from transport.outbound import pinned
from transport.outbound.answer_head import answer_head
from transport.outbound.guard import origin_of
from transport.outbound.lookups import Lookups

__all__ = [
    "SendResult",
    "WebhookSender",
    "new_secret",
    "parse_secret",
    "sign",
]

_PREFIX = "whsec_"
_SECRET_BYTES = 32
_SECRET_MIN, _SECRET_MAX = 24, 64  # bytes, from the specification
_SECRET_MAX_CHARS = 128
_MSG_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def new_secret() -> str:
    """A fresh signing secret, in the form that shops paste into their receiver."""
    random_bytes = randomness.token_bytes(_SECRET_BYTES)
    return _PREFIX + base64.b64encode(random_bytes).decode("ascii")


def parse_secret(text: str) -> bytes:
    """The key in `whsec_<base64>`. ValueError, which does not repeat the secret."""
    encoded = text.removeprefix(_PREFIX)
    if encoded == text or len(encoded) > _SECRET_MAX_CHARS:
        raise ValueError(f"a webhook secret is {_PREFIX} followed by base64")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {_PREFIX} is not base64") from None
    if not _SECRET_MIN <= len(key) <= _SECRET_MAX:
        raise ValueError(
            f"a webhook secret has {_SECRET_MIN} to {_SECRET_MAX} bytes, "
            f"this one {len(key)}"
        )
    return key


def sign(secrets: Sequence[bytes], msg_id: str, timestamp_s: int, body: bytes) -> str:
    """The value of `webhook-signature`: one `v1,<base64>` per secret.

    ValueError without a secret, or for an id that would make the signed text
    ambiguous (a dot) or break a header.
    """
    if not secrets:
        raise ValueError("a webhook needs at least one secret to be signed with")
    if not _MSG_ID.fullmatch(msg_id):
        raise ValueError("a webhook id has 1 to 64 letters, digits, _ or -")
    signed = f"{msg_id}.{timestamp_s}.".encode("ascii") + body
    digests = (hmac.digest(secret, signed, hashlib.sha256) for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(d).decode('ascii')}" for d in digests)


class WebhookSender:
    """Sends one signed webhook. Holds no state of any endpoint; share it freely."""

    def __init__(
        self,
        version: str,
        *,
        allow_private: bool = False,
        allow_ports: Container[int] = (),
        lookups: Lookups | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._user_agent = f"Paybell/{version}"
        self._allow_private = allow_private
        self._allow_ports = allow_ports
        self._lookups = lookups or Lookups()
        # Loading the trust store holds the hub for some 20 ms: now, not later.
        self._tls = tls or tls_context()

    def send(
        self,
        endpoint: Endpoint,
        msg_id: str,
        body: bytes,
        now_s: float,
        payment: Payment | None = None,
    ) -> SendResult:
        """One attempt at `now_s` (Unix time). Whatever the endpoint does, a result.

        Raises only for faults of the caller: no secret, or an impossible `msg_id`.
        """
        headers = {
            **dict(endpoint.headers),  # the standard's own names win
            "User-Agent": self._user_agent,
            "Content-Type": "application/json",
            "webhook-id": msg_id,
            "webhook-timestamp": str(int(now_s)),
            "webhook-signature": sign(endpoint.secrets, msg_id, int(now_s), body),
        }
        started = time.perf_counter()
        try:
            reply = pinned.post(
                endpoint.url,
                headers,
                body,
                endpoint.timeout_s,
                self._allow_private,
                self._lookups,
                self._tls if endpoint.ca_pem is None else _trusting(endpoint.ca_pem),
                self._allow_ports,
                endpoint.owner,
            )
        except pinned.DeliveryError as e:
            latency_ms = (time.perf_counter() - started) * 1000
            error = f"{e.kind}: {e.detail}"
            return SendResult(classify(None), None, error, None, latency_ms)
        return _judged(reply, endpoint, now_s)


@functools.lru_cache(maxsize=256)
def _trusting(ca_pem: str) -> ssl.SSLContext:
    return tls_context(ca_pem)


def _judged(
    reply: pinned.EndpointReply, endpoint: Endpoint, now_s: float
) -> SendResult:
    retry_after_s = parse_retry_after(reply.headers.get("retry-after"), now_s)
    outcome = classify(reply.status, retry_after_s)
    error = None
    if outcome is not AttemptOutcome.DELIVERED:
        error = f"{origin_of(endpoint.url)} answered {reply.status}"
        if 300 <= reply.status <= 399:
            error += "; redirects are not followed"
    answer = answer_head(reply.body_head, endpoint, is_good=error is None)
    latency_ms = reply.latency_ms
    return SendResult(
        outcome, reply.status, error, retry_after_s, latency_ms, answer=answer
    )
