"""One process, one database: a lock that the kernel gives up when we die.

SQLite up to 3.51.2 can corrupt a WAL when two connections write or checkpoint at once;
so a second node on the same file must not even start. The same file it is under every
name: through a symbolic link, a hard link or a bind mount, and when somebody removed
`<db>.lock`. So the database file itself is locked (`flock`, which SQLite's own POSIX
locks know nothing of), on a descriptor of its own that is opened before SQLite's and
closed after them: POSIX drops all of a process's locks on a file as soon as it closes
*any* descriptor of it, and SQLite's would be gone while it works
(sqlite.org/howtocorrupt.html, "POSIX advisory locks canceled"). Nobody else in a
process that serves may open the database file but through SQLite.

`<db>.lock` is locked as well. It keeps out a node of an earlier version, and one that
finds another file under the name. What the holder wrote into it (its process id, and
where it listens) helps whoever is turned away.
"""

import contextlib
import fcntl
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.errors import DatabaseInUse, LockFileError
from engine.files.database_files import beside, real

__all__ = ["DatabaseLock"]

_NOTE = re.compile(r"pid ([0-9]{1,10})(?: (https?://[!-~]{1,200}))?\n?")

# Files that this process holds, by device and inode: to open and close one of them
# once more, only to find it locked, would drop SQLite's locks.
_held: set[tuple[int, int]] = set()


class DatabaseLock:
    """Holds the database file and `<db>.lock` until closed.

    A file that does not exist is made, and goes again if nobody wrote into it. Raises
    `DatabaseInUse` or `LockFileError` on entering.
    """

    def __init__(self, db: str) -> None:
        self._db = db
        self._path = beside(db, ".lock")
        self._fd = -1  # of `<db>.lock`
        self._db_fd = -1  # of the database
        self._inode = (0, 0)
        self._has_made_it = False

    def __enter__(self) -> Self:
        try:
            self._hold_database()
            self._hold_lock_file()
        except BaseException:
            self._let_go()
            raise
        self.note(None)
        return self

    def note(self, url: str | None) -> None:
        """Tell others who holds the database, and where it listens."""
        assert self._fd >= 0
        text = f"pid {os.getpid()}" + (f" {url}" if url else "") + "\n"
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text.encode(), 0)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """SQLite's connections are closed by now; see the module docstring."""
        self._let_go()

    def _hold_database(self) -> None:
        path = real(self._db)
        with contextlib.suppress(OSError):
            found = os.stat(path)
            if (found.st_dev, found.st_ino) in _held:
                raise self._in_use()
        self._has_made_it = not os.path.lexists(path)
        try:
            self._db_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._has_made_it = False
            raise self._unusable("it", error) from error
        self._flock(self._db_fd, "it")
        found = os.fstat(self._db_fd)
        self._inode = found.st_dev, found.st_ino
        _held.add(self._inode)
        if found.st_nlink > 1:
            raise LockFileError(
                f"database {self._db} has {found.st_nlink} names (hard links). Each has"
                " a -wal of its own, and commits of one are lost under the other:"
                f" remove all names but one (`find / -xdev -samefile {self._db}`)"
            )

    def _hold_lock_file(self) -> None:
        name = f"its lock file {self._path}"
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise self._unusable(name, error) from error
        self._flock(self._fd, name)

    def _flock(self, fd: int, what: str) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._in_use() from None
        except OSError as error:
            raise self._unusable(what, error) from error

    def _let_go(self) -> None:
        """The database last."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._db_fd >= 0:
            if self._has_made_it:
                self._remove_if_unused()
            _held.discard(self._inode)
            os.close(self._db_fd)
            self._db_fd = -1

    def _remove_if_unused(self) -> None:
        """What we made and nobody wrote into; a restore puts another in its place."""
        ours, path = os.fstat(self._db_fd), Path(real(self._db))
        with contextlib.suppress(OSError):
            if not ours.st_size and os.path.samestat(ours, path.stat()):
                path.unlink()

    def _in_use(self) -> DatabaseInUse:
        """Who that is stands in `<db>.lock`, if it is still there."""
        note = ""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            note = self._path.read_bytes()[:300].decode("ascii")
        found = _NOTE.fullmatch(note)
        if found is None:
            return DatabaseInUse(self._db, None, None)
        return DatabaseInUse(self._db, int(found[1]), found[2])

    def _unusable(self, what: str, error: OSError) -> LockFileError:
        folder = self._path.parent
        if not folder.is_dir():
            return LockFileError(
                f"database {self._db}: there is no folder {folder}; make it, or name"
                " another file with --db"
            )
        return LockFileError(
            f"database {self._db}: {what} cannot be used: {error.strerror}; it and its"
            " folder must be writable for this user"
        )
