"""Errors of the store and of what it keeps sealed."""

from engine.errors.base import EngineError
from engine.errors.codes import Code

__all__ = [
    "BackupError",
    "CannotOpenStore",
    "DatabaseInUse",
    "JournalError",
    "KeyFileError",
    "LockFileError",
    "OlderSchema",
    "StoreDamaged",
    "StoreError",
    "StoreUnavailable",
    "StoreUnreadable",
    "Unreadable",
    "WrongKey",
]


class StoreError(EngineError):
    """The store cannot do what it is for; the message says how to mend it."""

    code = Code.STORE_UNAVAILABLE


class StoreUnreadable(StoreError):
    """What was asked for cannot be read. `detail`: what is wrong; `advice`: what it
    means and what to do. (What cannot be written is an `Unavailable` outcome.)"""

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(f"{detail}; {advice}")
        self.detail = detail
        self.advice = advice


class StoreUnavailable(StoreUnreadable):
    """Not just now; that may pass."""


class StoreDamaged(StoreUnreadable):
    """What is read is not what was written, and will not be next time."""


class Unreadable(StoreError):
    """The journal could not be read just now; the payment has no part in it."""


class CannotOpenStore(StoreError):
    """There is no store to work with. The message says how to mend it."""


class JournalError(CannotOpenStore):
    """The database cannot be opened, or is not the one that it should be."""


class BackupError(CannotOpenStore):
    """A backup cannot be made, or not be restored; the message says what to do."""


class OlderSchema(CannotOpenStore):
    """The database is of an earlier version, and may not be changed here."""


class DatabaseInUse(CannotOpenStore):
    """Another process holds the database. `url`: where it listens, if it said so."""

    def __init__(self, db: str, pid: int | None, url: str | None) -> None:
        who = f" (process {pid})" if pid is not None else ""
        where = f" that listens on {url}" if url is not None else ""
        super().__init__(
            f"database {db} is held by another Paybell process{who}{where}: stop it"
            " first"
        )
        self.db = db
        self.pid = pid
        self.url = url


class LockFileError(CannotOpenStore):
    """The lock file cannot be made; the message says why and what to do."""


class KeyFileError(StoreError):
    """The key file cannot be used; the message says what to do."""


class WrongKey(StoreError):
    """A sealed secret does not open: this is not the key it was sealed with."""

    code = Code.INTERNAL_ERROR
