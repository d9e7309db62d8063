"""Sealing of secrets at rest: AES-256-GCM under the node's own key.

The key lives in a file beside the database (`<db>.key`, mode 0600) or in the
environment, never in the database: a copy of the database alone opens nothing. The
caller passes the key's bytes; this module does no I/O.

From the same key come the clients' payment secrets: derived, so that none is stored.
"""

import base64
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.errors import WrongKey

__all__ = ["Vault"]

KEY_BYTES = 32


class Vault:
    """Seals and opens; `repr` shows nothing."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the node's key must be {KEY_BYTES} bytes")
        self._aead = AESGCM(_derive(key, b"paybell.seal"))
        self._client_key = _derive(key, b"paybell.client-secret")
        self._claim_key = _derive(key, b"paybell.refund-claim")
        self._successor_key = _derive(key, b"paybell.successor")
        self._session_key = _derive(key, b"paybell.session-csrf")

    def __repr__(self) -> str:
        return "<Vault>"

    def seal(self, secret: bytes, owner: str) -> str:
        """Text that only this key, for this owner, opens."""
        nonce = os.urandom(12)
        sealed = self._aead.encrypt(nonce, secret, owner.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, owner: str) -> bytes:
        """The secret. Raises `WrongKey`."""
        try:
            raw = base64.b64decode(sealed)
            return self._aead.decrypt(raw[:12], raw[12:], owner.encode())
        except (InvalidTag, ValueError) as error:
            raise WrongKey(
                f"the secret of {owner} was sealed with another key or is damaged:"
                " is the .key file the one that belongs to this database?"
            ) from error

    def client_secret(self, payment_id: str) -> str:
        """What lets a browser follow this one payment."""
        digest = hmac.new(self._client_key, payment_id.encode(), hashlib.sha256)
        return "cs_" + base64.urlsafe_b64encode(digest.digest()[:24]).decode()

    def is_client_secret(self, payment_id: str, secret: str) -> bool:
        """Compared in constant time."""
        expected = self.client_secret(payment_id)
        return hmac.compare_digest(expected.encode(), secret.encode())

    def claim_token(self, refund_id: str) -> str:
        """What lets a payer say where this one refund goes."""
        digest = hmac.new(self._claim_key, refund_id.encode(), hashlib.sha256)
        return "rc_" + base64.urlsafe_b64encode(digest.digest()[:24]).decode()

    def is_claim_token(self, refund_id: str, token: str) -> bool:
        """Compared in constant time."""
        expected = self.claim_token(refund_id)
        return hmac.compare_digest(expected.encode(), token.encode())

    def csrf_token(self, session_id: str) -> str:
        """What a page proves with that it may read what its session's cookie opens."""
        digest = hmac.new(self._session_key, session_id.encode(), hashlib.sha256)
        return "csrf_" + base64.urlsafe_b64encode(digest.digest()[:24]).decode()

    def is_csrf_token(self, session_id: str, token: str) -> bool:
        """Compared in constant time."""
        expected = self.csrf_token(session_id)
        return hmac.compare_digest(expected.encode(), token.encode())

    def successor(self, payment_id: str) -> int:
        """A number of 256 bits, from which the id of the payment is made that follows
        this one when it has expired: always the same, and nobody else's guess."""
        digest = hmac.new(self._successor_key, payment_id.encode(), hashlib.sha256)
        return int.from_bytes(digest.digest(), "big")


def _derive(key: bytes, purpose: bytes) -> bytes:
    return hmac.new(key, purpose, hashlib.sha256).digest()
