"""The last offset that anybody was told of: a file beside the database.

A database or WAL that is cut off, or put back from yesterday, looks to SQLite like one
that never had more in it. `<db>.acked` holds the offset of the last event that was
acknowledged; a start that finds less than that does not go on (`Journal` sees to it).

It needs no sync of its own: it is written after the commit it speaks of is on the disk,
so whatever a power cut leaves of it is that offset or an earlier one. Two slots are
written in turn, each with a checksum: one of them can always be read. What cannot be
read or written is as if it were not there; it proves, it is not needed.

It was named `<db>.told` once. Such a file counts as well, and goes when the new
one is safe on the disk: whenever a start is cut off, one of the two is there.

Called in the journal's native thread.
"""

import contextlib
import ctypes
import os
import struct
import zlib
from pathlib import Path

from engine.files.database_files import beside, existing_beside

__all__ = ["HighWaterMark", "acked", "marks_of", "path_of", "slot"]

_SLOT = struct.Struct("<8sQI")
_MAGIC = b"paybell1"
_PLACES = (0, 512)  # in sectors of their own: a torn write spoils one

# os.pwrite would let go of the interpreter, and a busy hub keeps it for a millisecond.
_pwrite = ctypes.PyDLL(None).pwrite
_pwrite.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int64)
_pwrite.restype = ctypes.c_ssize_t


def path_of(db: str | Path) -> Path:
    """Where the mark of a database is."""
    return beside(db, ".acked")


def marks_of(db: str | Path) -> list[Path]:
    """All files there are that hold a mark of the database, as a rule one."""
    return [*existing_beside(db, ".acked"), *existing_beside(db, ".told")]


def _former_path(db: str | Path) -> Path:
    return beside(db, ".told")


def slot(offset: int) -> bytes:
    """What is written for an offset."""
    plain = _SLOT.pack(_MAGIC, offset, 0)[:-4]
    return plain + zlib.crc32(plain).to_bytes(4, "little")


def acked(db: str | Path) -> int:
    """The last offset that was acknowledged, as far as anybody knows; else 0."""
    return max(map(_read, marks_of(db)), default=0)


def _read(path: Path) -> int:
    try:
        content = path.read_bytes()
    except OSError:
        return 0
    found = [content[place : place + _SLOT.size] for place in _PLACES]
    offsets = [_SLOT.unpack(part)[1] for part in found if len(part) == _SLOT.size]
    return max((at for at in offsets if slot(at) in found), default=0)


class HighWaterMark:
    """Writes it. `start`: the database's last offset now, not below the mark."""

    def __init__(self, db: str | Path, start: int) -> None:
        self._last = start
        self._turn = 0
        self._fd = -1
        with contextlib.suppress(OSError):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._fd = os.open(path_of(db), flags, 0o600)
            for place in _PLACES:
                self._write(slot(start), place)
            former = _former_path(db)
            if former.exists() and _read(path_of(db)) == start:  # a disk may be full
                _take_over(self._fd, former)

    @property
    def is_kept(self) -> bool:
        """Whether there is a file to write it to."""
        return self._fd >= 0

    def note(self, offset: int) -> None:
        """Everything up to here is on the disk, and is acknowledged next."""
        assert offset >= self._last, "what was acknowledged is not there any more"
        if offset == self._last or self._fd < 0:
            return
        self._last = offset
        self._turn ^= 1
        self._write(slot(offset), _PLACES[self._turn])

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, content: bytes, place: int) -> None:
        _pwrite(self._fd, content, len(content), place)


def _take_over(fd: int, former: Path) -> None:
    """The former file goes, after what stands in its place is safe on the disk."""
    os.fsync(fd)
    folder = os.open(former.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
        former.unlink()
    finally:
        os.close(folder)
