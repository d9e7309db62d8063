"""The node's own key: a file of 32 random bytes beside the database, mode 0600.

With the database alone nobody opens a sealed secret. Losing the key loses the webhook
secrets (channels must be given new ones), never a payment.
"""

import os
from pathlib import Path

from engine.errors import KeyFileError
from engine.files.database_files import beside, existing_beside

__all__ = ["KEY_BYTES", "key_path", "keep_key", "node_key"]

KEY_BYTES = 32


def key_path(db: str) -> Path:
    """Where the key of this database is, or would be made."""
    return next(iter(existing_beside(db, ".key")), beside(db, ".key"))


def node_key(db: str, *, may_make: bool) -> bytes:
    """The key of this database; made, and on disk, if there is none and it `may_make`.

    It may for a database that holds nothing that was made with a key: a new one opens
    no secret that was sealed with the one that is gone. Raises `KeyFileError`.
    """
    path = key_path(db)
    try:
        if not path.exists():
            if not may_make:
                raise _missing(db, path)
            keep_key(path, os.urandom(KEY_BYTES))
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


def _missing(db: str, path: Path) -> KeyFileError:
    return KeyFileError(
        f"key file {path} is missing, and database {db} holds what was made with it"
        " (webhook secrets, secrets of clients): put it back, from where the backups"
        " are, or set PAYBELL_NODE_KEY. If it is lost for good, make a new one with"
        f" `(umask 077; head -c {KEY_BYTES} /dev/urandom > {path})`: then every channel"
        " must be given a new secret"
    )


def keep_key(path: Path, key: bytes) -> None:
    """Written whole under another name first: a crash leaves no half key behind.

    Raises `OSError`.
    """
    assert len(key) == KEY_BYTES, "no key of a node"
    draft = path.with_suffix(".new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, key)
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
