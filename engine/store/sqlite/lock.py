"""One process, one database: a lock that the kernel gives up when we die.

SQLite up to 3.51.2 can corrupt a WAL when two connections write or checkpoint at once;
so a second node on the same file must not even start. What the holder wrote into the
lock file (its process id, and where it listens) helps whoever is turned away.
"""

import fcntl
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.errors import DatabaseInUse, LockFileError

__all__ = ["DatabaseLock"]

_NOTE = re.compile(r"pid ([0-9]{1,10})(?: (https?://[!-~]{1,200}))?\n?")


class DatabaseLock:
    """Holds `<db>.lock` until closed.

    Raises `DatabaseInUse` or `LockFileError` on entering.
    """

    def __init__(self, db: str) -> None:
        self._db = db
        self._path = Path(f"{db}.lock")
        self._fd: int | None = None

    def __enter__(self) -> Self:
        fd = self._open()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note = os.read(fd, 300)
            os.close(fd)
            raise _in_use(self._db, note) from None
        except OSError as error:
            os.close(fd)
            raise self._unusable(error) from error
        self._fd = fd
        self.note(None)
        return self

    def note(self, url: str | None) -> None:
        """Tell others who holds the database, and where it listens."""
        assert self._fd is not None
        text = f"pid {os.getpid()}" + (f" {url}" if url else "") + "\n"
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text.encode(), 0)
        except OSError:
            pass  # a full disk: the lock holds, only the courtesy is missing

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(self._path, flags, 0o600)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> LockFileError:
        folder = self._path.absolute().parent
        if not folder.is_dir():
            return LockFileError(
                f"database {self._db}: there is no folder {folder}; make it, or name"
                " another file with --db"
            )
        return LockFileError(
            f"database {self._db}: its lock file {self._path} cannot be used:"
            f" {error.strerror}; the folder must be writable"
        )


def _in_use(db: str, note: bytes) -> DatabaseInUse:
    found = _NOTE.fullmatch(note.decode("ascii", errors="replace"))
    if found is None:
        return DatabaseInUse(db, None, None)
    return DatabaseInUse(db, int(found[1]), found[2])
