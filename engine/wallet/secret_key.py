"""One private key, held so that it does not show.

Its `repr` and `str` say nothing, and it is neither pickled, copied nor encoded; only
who signs takes the bytes out. Its public key and its scripts are not secret.
"""

from hashlib import sha256
from typing import NoReturn

from coincurve import PrivateKey, PublicKeyXOnly

from engine.bitcoin.signed_tx import hash160, p2pkh_script
from engine.wallet.coin import SpendKind

__all__ = ["SecretKey"]


class SecretKey:
    """32 bytes that spend money. Raises `ValueError` for those that are no key."""

    __slots__ = ("_secret", "public")

    def __init__(self, secret: bytes) -> None:
        try:
            key = PrivateKey(secret)
        except ValueError:
            raise ValueError("these bytes are no private key") from None
        self._secret = secret
        self.public: bytes = key.public_key.format()  # compressed, 33 bytes

    def __repr__(self) -> str:
        return "<SecretKey>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not pickled")

    def secret(self) -> bytes:
        """For whoever signs or seals, and nobody else."""
        return self._secret

    def script(self, kind: SpendKind) -> bytes:
        """The scriptPubKey of this key's address of this kind."""
        digest = hash160(self.public)
        match kind:
            case "p2pkh":
                return p2pkh_script(digest)
            case "p2sh-p2wpkh":
                return b"\xa9\x14" + hash160(b"\x00\x14" + digest) + b"\x87"
            case "p2wpkh":
                return b"\x00\x14" + digest
            case "p2tr":
                return b"\x51\x20" + _output_key(self.public[1:])


def _output_key(internal: bytes) -> bytes:
    """BIP 341 and 86: the internal key tweaked with its own tagged hash, no scripts."""
    tag = sha256(b"TapTweak").digest()
    output = PublicKeyXOnly(internal)
    output.tweak_add(sha256(tag + tag + internal).digest())
    return output.format()
