"""Where the lines of the log go: file descriptor 2, and what can take its place.

What is behind a descriptor can go away: a pipe whose reader has ended, a journal that
was started anew, a file that was moved (logrotate). What can be opened again is:

- a file, by the name that it had when the process began;
- systemd's journal, by its socket, with the head of lines that `sd_journal_stream_fd`
  sends (systemd, `src/libsystemd/sd-journal/journal-send.c`; `journald-stream.c` reads
  identifier, unit, priority, whether lines begin with a level, and three forwards).

A pipe and a terminal cannot. Called by the native thread of the log only; blocks.
"""

import os
import stat
from collections.abc import Callable, Mapping
from typing import Any

from gevent import monkey

__all__ = ["LogTarget"]

JOURNAL_SOCKET = "/run/systemd/journal/stdout"
JOURNAL_HEAD = b"paybell\n\n6\n0\n0\n0\n0\n"
"""Name, no unit (the journal knows it by the process), priority 6 (info), no level at
the beginning of lines, and nothing handed on to syslog, kernel log or console."""

CONNECT_S = 5.0

# The hub's sockets and polls must not be used in a thread that has no hub.
_socket: Any = monkey.get_original("socket", "socket")
_close: Any = monkey.get_original("os", "close")  # gevent's waits for its loop
_poll: Any = monkey.get_original("select", "poll")
POLLOUT = 4  # of poll(2); gevent's select does not name it on every system


class LogTarget:
    """Takes bytes, all of them or an OSError."""

    def __init__(
        self,
        fd: int = 2,
        *,
        environ: Mapping[str, str] = os.environ,
        journal_socket: str = JOURNAL_SOCKET,
    ) -> None:
        self._fd = fd
        self._journal_socket = journal_socket
        self._open: Callable[[], int] | None = None
        path = _regular_file(fd)
        if path is not None:
            self._open = lambda: os.open(
                path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        elif _is_journal(fd, environ.get("JOURNAL_STREAM", "")):
            self._open = self._open_journal

    @property
    def can_reopen(self) -> bool:
        return self._open is not None

    def write(self, data: bytes) -> None:
        """Write all of it, however long that takes. Raises OSError."""
        view = memoryview(data)
        while view:
            try:
                written = os.write(self._fd, view)
            except BlockingIOError:  # somebody else made it so, for all who share it
                waiting = _poll()
                waiting.register(self._fd, POLLOUT)
                waiting.poll()
                continue
            view = view[written:]

    def reopen(self) -> bool:
        """Put a new one in the descriptor's place; False: it is as it was."""
        if self._open is None:
            return False
        try:
            new = self._open()
        except OSError:
            return False
        try:
            os.dup2(new, self._fd)
        finally:
            _close(new)
        return True

    def _open_journal(self) -> int:
        stream = _socket(1, 1)  # AF_UNIX, SOCK_STREAM
        try:
            stream.settimeout(CONNECT_S)
            stream.connect(self._journal_socket)
            stream.sendall(JOURNAL_HEAD)
            stream.settimeout(None)
            return int(stream.detach())
        finally:
            stream.close()


def _regular_file(fd: int) -> str | None:
    """Its name, if it is a file that has one."""
    try:
        found = os.fstat(fd)
        path = os.readlink(f"/proc/self/fd/{fd}")
        named = os.stat(path)
    except OSError:  # no such descriptor, no /proc, or no such name any more
        return None
    same = (found.st_dev, found.st_ino) == (named.st_dev, named.st_ino)
    return path if same and stat.S_ISREG(found.st_mode) else None


def _is_journal(fd: int, journal_stream: str) -> bool:
    """By `JOURNAL_STREAM`, which systemd sets to device and inode of the stream
    (systemd.exec(5)): programs that are started by others inherit it too."""
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return journal_stream == f"{found.st_dev}:{found.st_ino}"
