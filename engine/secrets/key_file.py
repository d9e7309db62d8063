"""The node's own key: a file of 32 random bytes beside the database, mode 0600.

With the database alone nobody opens a sealed secret. Losing the key loses the webhook
secrets (channels must be given new ones), never a payment.
"""

import os
from pathlib import Path

from engine.errors import KeyFileError

__all__ = ["node_key"]

KEY_BYTES = 32


def node_key(db: str) -> bytes:
    """The key of this database; made, and on disk, when there is none yet.

    Raises `KeyFileError`.
    """
    path = Path(f"{db}.key")
    try:
        if not path.exists():
            _make(path)
        key = path.read_bytes()
        mode = path.stat().st_mode & 0o077
    except OSError as error:
        raise KeyFileError(
            f"key file {path} cannot be used: {error.strerror}; its folder must be"
            " writable, and the file readable for this user"
        ) from error
    if len(key) != KEY_BYTES:
        raise KeyFileError(
            f"key file {path} has {len(key)} bytes, not {KEY_BYTES}: restore it from a"
            " backup; without it the webhook secrets cannot be read"
        )
    if mode:
        raise KeyFileError(f"key file {path} can be read by others: chmod 600 {path}")
    return key


def _make(path: Path) -> None:
    """Written whole under another name first: a crash leaves no half key behind."""
    draft = path.with_suffix(".new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, os.urandom(KEY_BYTES))
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
