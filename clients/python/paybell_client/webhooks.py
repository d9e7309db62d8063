"""Webhooks: whether one is Paybell's, by Standard Webhooks 1.0.0.

    webhook = verify_webhook(request.get_data(), request.headers, secret)

Give it the bytes as they came: JSON that was read and written again has another
signature. Nothing of the body is read before it is believed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from paybell_client.types import Event

__all__ = ["TOLERANCE_S", "Webhook", "WebhookRefused", "verify_webhook"]

TOLERANCE_S = 300
_PREFIX = "whsec_"
_MAX_SIGNATURES = 16


class WebhookRefused(ValueError):
    """Not Paybell's, or sent another time. Answer 401, and do nothing of what it
    says."""


@dataclass(frozen=True)
class Webhook:
    """One that is believed."""

    id: str
    """The same at each repetition, and never another's: remember it to do it once."""
    type: str
    """`payment.confirmed`, ..., or `alert.raised` on channels that ask for alerts."""
    timestamp: str
    data: dict[str, Any]
    skipped: tuple[int, ...]
    """`seq` of events of this payment that were given up and that you were not told."""

    @property
    def event(self) -> Event:
        """The event of a payment. ValueError for an alert: look at `type` first."""
        if not self.type.startswith("payment."):
            raise ValueError(f"a {self.type} is no event of a payment")
        return cast("Event", self.data)


def verify_webhook(
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> Webhook:
    """The webhook, if one of `secrets` (`whsec_…`) signed it, at most `tolerance_s` ago
    (or ahead) of `now` (Unix time; the clock's).

    Any of several secrets and any of several signatures will do: while a secret is
    rotated Paybell signs with the old one and the new one, and you may know both.
    Raises `WebhookRefused`; ValueError for a secret that is none.
    """
    if not isinstance(body, (bytes, bytearray)):
        raise TypeError("body must be the bytes of the request as they came")
    keys = [
        _key(it) for it in ([secrets] if isinstance(secrets, str) else list(secrets))
    ]
    if not keys:
        raise ValueError("there is no secret to verify with")
    name = _header(headers, "webhook-id")
    stamp = _header(headers, "webhook-timestamp")
    signatures = _header(headers, "webhook-signature")
    _look_at_time(stamp, tolerance_s, time.time() if now is None else now)
    signed = f"{name}.{stamp}.".encode() + bytes(body)
    expected = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    if not _any_fits(expected, signatures.split(" ")):
        raise WebhookRefused("no signature fits")
    return _webhook(name, bytes(body))


def _key(secret: str) -> bytes:
    """Never says what the secret was."""
    encoded = secret[len(_PREFIX) :] if secret.startswith(_PREFIX) else ""
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError(f"a webhook secret is {_PREFIX} and base64 of 24 to 64 bytes")
    return key


def _header(headers: Mapping[str, str], name: str) -> str:
    found = [value for key, value in headers.items() if key.lower() == name]
    if len(found) != 1 or not found[0]:
        raise WebhookRefused(f"there must be one header {name}")
    return found[0]


def _look_at_time(stamp: str, tolerance_s: float, now: float) -> None:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 15):
        raise WebhookRefused("webhook-timestamp is no time")
    if abs(now - int(stamp)) > tolerance_s:
        raise WebhookRefused("webhook-timestamp is too far from now")


def _any_fits(expected: Iterable[bytes], signatures: Sequence[str]) -> bool:
    """All are compared, each in constant time."""
    given = []
    for signature in signatures[:_MAX_SIGNATURES]:
        version, _, encoded = signature.partition(",")
        if version == "v1":
            try:
                given.append(base64.b64decode(encoded, validate=True))
            except (binascii.Error, ValueError):
                continue
    fits = False
    for digest in expected:
        for one in given:
            fits |= hmac.compare_digest(digest, one)
    return fits


def _webhook(name: str, body: bytes) -> Webhook:
    try:
        said = json.loads(body)
        return Webhook(
            id=name,
            type=str(said["type"]),
            timestamp=str(said["timestamp"]),
            data=dict(said["data"]),
            skipped=tuple(int(seq) for seq in said.get("skipped", ())),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise WebhookRefused("the body is not a webhook of Paybell's") from error
