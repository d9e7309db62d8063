"""Keys that are drawn one by one, a fresh one for each payment, and sealed at once.

A wallet of such keys has a pair of X25519 keys of its own. Its public half seals: so a
node that is locked draws keys and sells on. Its private half, which opens, is itself
sealed under the passphrase. What is sealed is bound to the wallet and to the script
that the key guards: a row that was moved or changed does not open.

Each seal has a fresh pair of its own (as ECIES), HKDF-SHA256 and AES-256-GCM. Pure but
for random numbers.
"""

import os
from typing import Final, Literal, NoReturn

import msgspec
from bit import PrivateKey as BitKey
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine.errors import WrongKey
from engine.wallet.coin import SpendKind
from engine.wallet.secret_key import SecretKey

__all__ = ["DrawnKey", "DrawnKind", "Opener", "draw_key", "new_secret", "open_drawn"]

DrawnKind = Literal["p2pkh", "p2sh-p2wpkh"]
"""What `bit` can sign for."""

_VERSION: Final = b"\x01"
_POINT: Final = 32
_PURPOSE: Final = b"paybell.drawn-key.1"


class DrawnKey(msgspec.Struct, frozen=True, gc=False):
    """A new key of a wallet: the script of its address, and the key itself, sealed."""

    script: bytes
    sealed: bytes

    def __repr__(self) -> str:
        return f"DrawnKey({self.script.hex()})"


class Opener:
    """The private half of a wallet of drawn keys; `repr` shows nothing."""

    __slots__ = ("_private", "sealer")

    def __init__(self, secret: bytes) -> None:
        """`secret`: 32 bytes, which are kept sealed under the passphrase."""
        self._private = X25519PrivateKey.from_private_bytes(secret)
        self.sealer = self._private.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return "<Opener>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("private keys are not pickled")

    def shared(self, point: bytes) -> bytes:
        """With whoever has the private half of `point`. Raises `ValueError`."""
        return self._private.exchange(X25519PublicKey.from_public_bytes(point))


def new_secret() -> bytes:
    """What a new `Opener` is made of."""
    return os.urandom(_POINT)


def draw_key(wallet: str, kind: SpendKind, sealer: bytes) -> DrawnKey:
    """A fresh random key of `bit`, which nobody has seen, and its script."""
    key = SecretKey(BitKey().to_bytes())
    script = key.script(kind)
    once = X25519PrivateKey.generate()
    point = once.public_key().public_bytes_raw()
    shared = once.exchange(X25519PublicKey.from_public_bytes(sealer))
    aead, about = _aead(shared, point, sealer), _about(wallet, script)
    return DrawnKey(
        script, _VERSION + point + aead.encrypt(bytes(12), key.secret(), about)
    )


def open_drawn(wallet: str, drawn: DrawnKey, opener: Opener) -> SecretKey:
    """The key. Raises `WrongKey`: the row was changed, or is of another wallet."""
    point, sealed = drawn.sealed[1 : 1 + _POINT], drawn.sealed[1 + _POINT :]
    try:
        if drawn.sealed[:1] != _VERSION:
            raise ValueError("of another version")
        aead = _aead(opener.shared(point), point, opener.sealer)
        about = _about(wallet, drawn.script)
        return SecretKey(aead.decrypt(bytes(12), sealed, about))
    except (InvalidTag, ValueError) as error:
        raise WrongKey(
            f"a key of wallet {wallet} does not open: its row was changed or damaged"
        ) from error


def _aead(shared: bytes, point: bytes, sealer: bytes) -> AESGCM:
    """Of a key that is used once, so that its nonce may be zero."""
    hkdf = HKDF(SHA256(), 32, salt=point + sealer, info=_PURPOSE)
    return AESGCM(hkdf.derive(shared))


def _about(wallet: str, script: bytes) -> bytes:
    return wallet.encode() + b"\0" + script
