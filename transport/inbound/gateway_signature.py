"""Whether a notification is a gateway's: its signature, as the mapping has it.

    hmac    Stripe, Paystack, Razorpay, Standard Webhooks, GitHub's kind
    digest  PayHere's kind: a hash over fields and the secret
    shared  the secret itself, in a header or a field

All secrets and all signatures that came are compared, each in constant time: while a
secret rotates there are several of either. The time is looked at last, so that nobody
learns of it who cannot sign. Pure: takes the time as an argument.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final

from engine.merchants.gateway_mapping import GatewaySignature
from transport.inbound.gateway_body import Body

__all__ = ["SignatureCheck", "signed_by"]

MAX_SIGNATURES: Final = 8
"""In one header; a gateway that rotates sends two."""

MAX_HEADER: Final = 4_096

_PLACEHOLDER = re.compile(rb"\{([a-z]+)(?::([^{}]*))?\}")
_SECONDS = re.compile(r"[0-9]{1,13}", re.ASCII)


class SignatureCheck(Enum):
    """What came of the check."""

    YES = "yes"
    NO = "no"
    TOO_OLD = "too old"  # signed well, and its time is not now


def signed_by(
    signature: GatewaySignature,
    secrets: Sequence[bytes],
    raw: bytes,
    headers: Mapping[str, str],
    body: Body,
    now_s: float,
) -> SignatureCheck:
    """Whether one of the secrets signed this. `headers` by name in lower case."""
    given = _given(signature, headers, body)
    stamp = _timestamp(signature, headers)
    if signature.has_timestamp and stamp is None:
        return SignatureCheck.NO
    is_signed = False
    for secret in secrets:
        expected = _expected(signature, secret, raw, headers, body, stamp or "")
        for one in given:
            is_signed |= hmac.compare_digest(
                one.encode("utf-8", "replace"), expected.encode("utf-8", "replace")
            )
    if not is_signed:
        return SignatureCheck.NO
    if stamp is not None and abs(now_s - int(stamp)) > signature.tolerance_s:
        return SignatureCheck.TOO_OLD
    return SignatureCheck.YES


def _given(
    signature: GatewaySignature, headers: Mapping[str, str], body: Body
) -> list[str]:
    """The signatures that came, in the form that ours has."""
    if signature.field is not None:
        text = body.raw_text(signature.field)[:MAX_HEADER]
    else:
        text = headers.get((signature.header or "").lower(), "")[:MAX_HEADER]
    prefix = signature.prefix
    items = text.split(signature.separator) if signature.separator else [text]
    found = [
        item.strip().removeprefix(prefix)
        for item in items
        if item.strip().startswith(prefix) and item.strip() != prefix
    ][:MAX_SIGNATURES]
    if signature.scheme != "shared" and signature.encoding == "hex":
        return [one.lower() for one in found]
    return found


def _timestamp(signature: GatewaySignature, headers: Mapping[str, str]) -> str | None:
    """As it was sent: it is a part of what was signed."""
    found = None
    if signature.timestamp_header is not None:
        found = headers.get(signature.timestamp_header.lower())
    elif signature.timestamp_prefix is not None:
        header = headers.get((signature.header or "").lower(), "")[:MAX_HEADER]
        prefix = signature.timestamp_prefix
        items = (item.strip() for item in header.split(signature.separator or ","))
        stamps = [i.removeprefix(prefix) for i in items if i.startswith(prefix)]
        found = stamps[0] if len(stamps) == 1 else None
    if found is None or not _SECONDS.fullmatch(found.strip()):
        return None
    return found.strip()


def _expected(
    signature: GatewaySignature,
    secret: bytes,
    raw: bytes,
    headers: Mapping[str, str],
    body: Body,
    stamp: str,
) -> str:
    if signature.scheme == "shared":
        return secret.decode("utf-8", "replace")
    algorithm = signature.algorithm or "sha256"

    def part(match: "re.Match[bytes]") -> bytes:
        kind, name = match.group(1).decode(), (match.group(2) or b"").decode()
        if kind == "body":
            return raw
        if kind == "timestamp":
            return stamp.encode()
        if kind == "header":
            return headers.get(name.lower(), "").encode()
        if kind == "field":
            return body.raw_text(name).encode()
        assert kind == "secret", kind
        return _hashed_secret(secret, name)

    content = _PLACEHOLDER.sub(part, signature.signed.encode())
    if signature.scheme == "hmac":
        made = hmac.digest(_key(signature, secret), content, algorithm)
    else:
        made = hashlib.new(algorithm, content, usedforsecurity=False).digest()
    if signature.encoding == "hex":
        return made.hex()
    return base64.b64encode(made).decode()


def _hashed_secret(secret: bytes, algorithm: str) -> bytes:
    """The secret, or an upper-case hash of it, as PayHere has it."""
    if not algorithm:
        return secret
    made = hashlib.new(algorithm, secret, usedforsecurity=False)
    return made.hexdigest().upper().encode()


def _key(signature: GatewaySignature, secret: bytes) -> bytes:
    """The key that the secret's text stands for. Of one that cannot be read nobody
    else knows the key, and so nothing is signed with it."""
    text = secret.removeprefix(signature.secret_prefix.encode())
    try:
        if signature.secret_encoding == "base64":  # noqa: S105
            return base64.b64decode(text, validate=True)
        if signature.secret_encoding == "hex":  # noqa: S105
            return bytes.fromhex(text.decode())
    except (binascii.Error, ValueError):
        return os.urandom(32)
    return text
