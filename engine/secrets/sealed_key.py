"""The node's key as it lies beside a backup: sealed under a passphrase.

scrypt (RFC 7914) makes a key of the passphrase, slowly and with 32 MB, so that guessing
is dear; AES-256-GCM seals the node's key with it. A text file of JSON that names its
own parameters, so that they can be made dearer later. Pure but for the random salt.
"""

import hashlib
import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.errors import KeyFileError
from engine.secrets.key_file import KEY_BYTES

__all__ = ["MIN_PASSPHRASE", "open_key", "seal_key"]

MIN_PASSPHRASE = 12
"""Characters. A shorter one is guessed, however dear each guess is."""

_COST = 1 << 15  # scrypt's N: 32 MB and a tenth of a second, with r = 8
_MAX_COST = 1 << 20  # 1 GB: a file from elsewhere must not ask for more
_PURPOSE = b"paybell.backup-key.1"


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. Bytes are base64."""

    what: str
    scrypt_n: int
    salt: bytes
    nonce: bytes
    sealed: bytes


_WHAT = "node key of Paybell, sealed: AES-256-GCM under scrypt(passphrase, r=8, p=1)"


def seal_key(key: bytes, passphrase: str) -> bytes:
    """The file's content."""
    assert len(key) == KEY_BYTES, "no key of a node"
    assert len(passphrase) >= MIN_PASSPHRASE, "too short a passphrase"
    salt, nonce = os.urandom(16), os.urandom(12)
    sealed = _aead(passphrase, salt, _COST).encrypt(nonce, key, _PURPOSE)
    file = _Sealed(_WHAT, _COST, salt, nonce, sealed)
    return msgspec.json.format(msgspec.json.encode(file)) + b"\n"


def open_key(content: bytes, passphrase: str) -> bytes:
    """The node's key. Raises `KeyFileError`."""
    try:
        file = msgspec.json.decode(content, type=_Sealed)
    except msgspec.MsgspecError as error:
        raise KeyFileError(f"it is no sealed key of a backup: {error}") from error
    cost = file.scrypt_n
    if cost.bit_count() != 1 or not 2 <= cost <= _MAX_COST or len(file.nonce) != 12:
        raise KeyFileError("it is no sealed key of a backup: parameters out of range")
    try:
        key = _aead(passphrase, file.salt, cost).decrypt(
            file.nonce, file.sealed, _PURPOSE
        )
    except InvalidTag as error:
        raise KeyFileError("the passphrase is wrong, or the file is damaged") from error
    if len(key) != KEY_BYTES:
        raise KeyFileError("what is sealed in it is no key of a node")
    return key


def _aead(passphrase: str, salt: bytes, cost: int) -> AESGCM:
    derived = hashlib.scrypt(
        passphrase.encode(),
        salt=salt,
        n=cost,
        r=8,
        p=1,
        maxmem=cost * 1_024 + (1 << 21),
        dklen=32,
    )
    return AESGCM(derived)
