"""What is sealed under a passphrase: scrypt and AES-256-GCM.

scrypt (RFC 7914) makes a key of the passphrase, slowly and with 32 MB, so that guessing
is dear; AES-256-GCM seals with it. Text of JSON that names its own parameters, so that
they can be made dearer later. Pure but for the random salt.

With a check beside it, a wrong passphrase and a changed text are told apart: the check
is of the passphrase alone (the second half of what scrypt makes), the seal of all.
"""

import hashlib
import hmac
import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.errors import KeyFileError

__all__ = ["MIN_PASSPHRASE", "check_passphrase", "seal", "unseal"]

MIN_PASSPHRASE = 12
"""Characters. A shorter one is guessed, however dear each guess is."""

_COST = 1 << 15  # scrypt's N: 32 MB and a tenth of a second, with r = 8
_MAX_COST = 1 << 20  # 1 GB: a file from elsewhere must not ask for more


class _Sealed(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The text. Bytes are base64."""

    what: str
    scrypt_n: int
    salt: bytes
    nonce: bytes
    sealed: bytes
    check: bytes = b""


def check_passphrase(passphrase: str) -> None:
    """Whether something new may be sealed under it. Raises `KeyFileError`."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise KeyFileError(f"the passphrase must have {MIN_PASSPHRASE} characters")


def seal(
    secret: bytes, passphrase: str, purpose: bytes, what: str, *, check: bool = False
) -> bytes:
    """The text, which opens for the same purpose only. `what` is for its readers."""
    assert len(passphrase) >= MIN_PASSPHRASE, "too short a passphrase"
    salt, nonce = os.urandom(16), os.urandom(12)
    key, beside = _derived(passphrase, salt, _COST)
    sealed = AESGCM(key).encrypt(nonce, secret, purpose)
    text = _Sealed(what, _COST, salt, nonce, sealed, beside if check else b"")
    return msgspec.json.format(msgspec.json.encode(text)) + b"\n"


def unseal(content: bytes, passphrase: str, purpose: bytes, what: str) -> bytes:
    """What was sealed. `what` is for the error. Raises `KeyFileError`."""
    try:
        text = msgspec.json.decode(content, type=_Sealed)
    except msgspec.MsgspecError as error:
        raise KeyFileError(f"it is no {what}: {error}") from error
    cost = text.scrypt_n
    if cost.bit_count() != 1 or not 2 <= cost <= _MAX_COST or len(text.nonce) != 12:
        raise KeyFileError(f"it is no {what}: parameters out of range")
    key, beside = _derived(passphrase, text.salt, cost)
    is_right = bool(text.check) and hmac.compare_digest(beside, text.check)
    if text.check and not is_right:
        raise KeyFileError("the passphrase is wrong")
    try:
        return AESGCM(key).decrypt(text.nonce, text.sealed, purpose)
    except InvalidTag as error:
        if is_right:
            raise KeyFileError(
                "the passphrase is right, and what it seals was changed or damaged"
            ) from error
        raise KeyFileError("the passphrase is wrong, or the file is damaged") from error


def _derived(passphrase: str, salt: bytes, cost: int) -> tuple[bytes, bytes]:
    """The key, and what shows that it is the right one."""
    derived = hashlib.scrypt(
        passphrase.encode(),
        salt=salt,
        n=cost,
        r=8,
        p=1,
        maxmem=cost * 1_024 + (1 << 21),
        dklen=64,
    )
    return derived[:32], derived[32:]
