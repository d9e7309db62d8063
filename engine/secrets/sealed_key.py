"""The node's key as it lies beside a backup: sealed under a passphrase.

Pure but for the random salt; `passphrase.py` has the how.
"""

from engine.errors import KeyFileError
from engine.secrets.key_file import KEY_BYTES
from engine.secrets.passphrase import MIN_PASSPHRASE, seal, unseal

__all__ = ["MIN_PASSPHRASE", "open_key", "seal_key"]

_PURPOSE = b"paybell.backup-key.1"
_WHAT = "node key of Paybell, sealed: AES-256-GCM under scrypt(passphrase, r=8, p=1)"


def seal_key(key: bytes, passphrase: str) -> bytes:
    """The file's content."""
    assert len(key) == KEY_BYTES, "no key of a node"
    return seal(key, passphrase, _PURPOSE, _WHAT)


def open_key(content: bytes, passphrase: str) -> bytes:
    """The node's key. Raises `KeyFileError`."""
    key = unseal(content, passphrase, _PURPOSE, "sealed key of a backup")
    if len(key) != KEY_BYTES:
        raise KeyFileError("what is sealed in it is no key of a node")
    return key
