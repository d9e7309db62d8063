"""Tokens as a shop's backend makes them, and as an attacker does. By hand: RFC 7515.

Not by the library that checks them: it refuses to make most of the bad ones.
"""

import base64
import hashlib
import hmac
import json
import time
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["SECRET", "b64", "claims", "compact", "ed25519", "pem", "rsa_key", "token"]

SECRET: Final = "k3-of-the-salon's-backend/0123456789abcdef"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@cache
def rsa_key(bits: int = 2_048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


@cache
def ed25519() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def pem(key: Any) -> str:
    """The public key of a private one."""
    public = key.public_key()
    raw: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return raw.decode()


def claims(**more: object) -> dict[str, Any]:
    """What the document's backend puts in, for ten minutes from now."""
    now = int(time.time())
    return {"userId": "u1", "salonId": "s1", "iat": now, "exp": now + 600} | more


def token(
    said: object, secret: str = SECRET, header: dict[str, Any] | None = None
) -> str:
    """Signed with HS256 whatever the header says."""
    return compact({"alg": "HS256", "typ": "JWT"} | (header or {}), said, secret)


def compact(header: object, said: object, key: Any) -> str:
    """The compact form. `said`: claims, or bytes as they are. `key`: text signs with
    HMAC-SHA256, a private key its own way, None not at all."""
    parts = [header if isinstance(header, bytes) else json.dumps(header).encode()]
    parts.append(said if isinstance(said, bytes) else json.dumps(said).encode())
    signed = ".".join(map(b64, parts))
    return f"{signed}.{b64(_signature(signed.encode(), key))}"


def _signature(signed: bytes, key: Any) -> bytes:
    if key is None:
        return b""
    if isinstance(key, str):
        return hmac.digest(key.encode(), signed, hashlib.sha256)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    assert isinstance(key, Ed25519PrivateKey), "a key of another kind"
    return key.sign(signed)
