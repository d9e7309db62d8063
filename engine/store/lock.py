"""One process, one database: a lock that the kernel gives up when we die.

SQLite up to 3.51.2 can corrupt a WAL when two connections write or checkpoint at once;
so a second node on the same file must not even start.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["DatabaseInUse", "DatabaseLock"]


class DatabaseInUse(Exception):
    """Another process holds the database."""


class DatabaseLock:
    """Holds `<db>.lock` until closed. Raises `DatabaseInUse` on entering."""

    def __init__(self, db: str) -> None:
        self._path = Path(f"{db}.lock")
        self._fd: int | None = None

    def __enter__(self) -> Self:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(fd, 32).decode(errors="replace").strip()
            os.close(fd)
            raise DatabaseInUse(
                f"another Paybell process ({holder or 'unknown'}) holds"
                f" {self._path.with_suffix('')}: stop it first"
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"pid {os.getpid()}".encode())
        self._fd = fd
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
