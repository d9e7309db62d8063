"""Records every byte SQLite hands to the operating system, and when it asks for a sync.

What this is: a shim around SQLite's own file layer, made with `ctypes` in the very
library that Python's `sqlite3` module runs on. The production `Journal` is recorded as
it is: no second SQLite, no other driver, no copy of its statements. (apsw brings a
SQLite of its own; a system call tracer is not everywhere.)

How: a copy of the default VFS becomes the default while recording. Its `xOpen` lets
the real one open the file, then puts a copy of the file's method table in place, in
which write, truncate and sync note themselves before they call the real ones. `-shm`
is memory shared through `mmap`: it is not recorded, as SQLite rebuilds it.

Facts about SQLite used here: the struct layouts (sqlite.org/c3ref/vfs.html and
io_methods.html); a new WAL or rollback journal gets its directory synced with its own
first sync (os_unix.c, UNIXFILE_DIRSYNC); `sqlite3_randomness(0, NULL)` lets the next
random number be seeded by the default VFS, which makes WAL salts repeatable.

Used by `tests/power/history.py`, in the thread that also runs the journal.
"""

import _sqlite3
import ctypes
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import exists as path_exists  # opening it would drop SQLite's locks
from random import Random

import msgspec

__all__ = ["Create", "Delete", "Op", "Recording", "Sync", "Truncate", "Wrote", "record"]

SQLITE_OK = 0
OPEN_CREATE = 0x4
OPEN_MAIN_DB = 0x100
OPEN_MAIN_JOURNAL = 0x800
OPEN_WAL = 0x80000
RECORDED = OPEN_MAIN_DB | OPEN_MAIN_JOURNAL | OPEN_WAL


class Create(msgspec.Struct, frozen=True):
    """A file came to be under this name."""

    name: str


class Wrote(msgspec.Struct, frozen=True):
    name: str
    offset: int
    data: bytes


class Truncate(msgspec.Struct, frozen=True):
    name: str
    size: int


class Sync(msgspec.Struct, frozen=True):
    """All of this file is on disk now; with `folder` also the names of all files."""

    name: str
    folder: bool


class Delete(msgspec.Struct, frozen=True):
    name: str
    folder: bool  # the directory was synced afterwards


Op = Create | Wrote | Truncate | Sync | Delete

_PTR = ctypes.c_void_p
_INT = ctypes.c_int
_I64 = ctypes.c_int64
_OPEN = ctypes.CFUNCTYPE(_INT, _PTR, _PTR, _PTR, _INT, ctypes.POINTER(_INT))
_DELETE = ctypes.CFUNCTYPE(_INT, _PTR, ctypes.c_char_p, _INT)
_RANDOM = ctypes.CFUNCTYPE(_INT, _PTR, _INT, _PTR)
_CLOSE = ctypes.CFUNCTYPE(_INT, _PTR)
_WRITE = ctypes.CFUNCTYPE(_INT, _PTR, _PTR, _INT, _I64)
_TRUNCATE = ctypes.CFUNCTYPE(_INT, _PTR, _I64)
_SYNC = ctypes.CFUNCTYPE(_INT, _PTR, _INT)


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", _INT),
        ("file_size", _INT),
        ("max_path", _INT),
        ("next", _PTR),
        ("name", ctypes.c_char_p),
        ("app_data", _PTR),
        ("open", _PTR),
        ("delete", _PTR),
        ("access", _PTR),
        ("full_path", _PTR),
        ("dl", _PTR * 4),
        ("randomness", _PTR),
        ("others", _PTR * 7),  # up to version 3
    )


class _Methods(ctypes.Structure):
    _fields_ = (
        ("version", _INT),
        ("close", _PTR),
        ("read", _PTR),
        ("write", _PTR),
        ("truncate", _PTR),
        ("sync", _PTR),
        ("others", _PTR * 13),  # up to version 3
    )


class Recording:
    """What was done to the files of one folder so far, in order."""

    def __init__(self, random: Random) -> None:
        self.ops: list[Op] = []
        self._random = random
        self._library = _sqlite_library()
        self._open_files: dict[int, tuple[str, _Methods]] = {}
        self._unsynced_names: set[str] = set()
        self._tables: dict[int, _Methods] = {}  # real method table -> ours
        self._keep: list[object] = []  # callbacks must outlive their use in C
        self._real: _Vfs | None = None
        self._real_at = 0
        self._ours: _Vfs | None = None

    def start(self) -> None:
        library = self._library
        self._real_at = library.sqlite3_vfs_find(None)
        self._real = _Vfs.from_address(self._real_at)
        ours = _Vfs.from_buffer_copy(self._real)
        ours.name = b"paybell-recorder"
        ours.next = None
        for field, kind, function in (
            ("open", _OPEN, self._on_open),
            ("delete", _DELETE, self._on_delete),
            ("randomness", _RANDOM, self._on_randomness),
        ):
            setattr(ours, field, self._callback(kind, function))
        self._ours = ours
        assert library.sqlite3_vfs_register(ctypes.byref(ours), 1) == SQLITE_OK
        library.sqlite3_randomness(0, None)

    def stop(self) -> None:
        """Every connection that was opened while recording must be closed by now."""
        self._library.sqlite3_vfs_register(self._real_at, 1)
        assert self._ours is not None
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._ours))
        self._library.sqlite3_randomness(0, None)
        assert not self._open_files, "a connection outlives its recording"

    # -- what SQLite calls -----------------------------------------------------------

    def _on_open(
        self, _vfs: int, path: int | None, file: int, flags: int, out: object
    ) -> int:
        name = ctypes.string_at(path).decode() if path else ""
        is_new = flags & OPEN_CREATE and flags & RECORDED and not path_exists(name)
        code: int = _OPEN(self._real.open)(self._real_at, path, file, flags, out)  # type: ignore[union-attr]
        if code != SQLITE_OK or not flags & RECORDED:
            return code
        if is_new and path_exists(name):
            self.ops.append(Create(_last(name)))
            if flags & (OPEN_WAL | OPEN_MAIN_JOURNAL):
                self._unsynced_names.add(_last(name))
        methods_at = ctypes.cast(file, ctypes.POINTER(_PTR))
        real = _Methods.from_address(methods_at[0])
        self._open_files[file] = _last(name), real
        methods_at[0] = ctypes.addressof(self._table(methods_at[0], real))
        return code

    def _table(self, at: int, real: _Methods) -> _Methods:
        if at not in self._tables:
            ours = _Methods.from_buffer_copy(real)
            for field, kind, function in (
                ("close", _CLOSE, self._on_close),
                ("write", _WRITE, self._on_write),
                ("truncate", _TRUNCATE, self._on_truncate),
                ("sync", _SYNC, self._on_sync),
            ):
                setattr(ours, field, self._callback(kind, function))
            self._tables[at] = ours
        return self._tables[at]

    def _on_close(self, file: int) -> int:
        _, real = self._open_files.pop(file)
        return int(_CLOSE(real.close)(file))

    def _on_write(self, file: int, data: int, size: int, offset: int) -> int:
        name, real = self._open_files[file]
        self.ops.append(Wrote(name, offset, ctypes.string_at(data, size)))
        return int(_WRITE(real.write)(file, data, size, offset))

    def _on_truncate(self, file: int, size: int) -> int:
        name, real = self._open_files[file]
        self.ops.append(Truncate(name, size))
        return int(_TRUNCATE(real.truncate)(file, size))

    def _on_sync(self, file: int, flags: int) -> int:
        name, real = self._open_files[file]
        code = int(_SYNC(real.sync)(file, flags))
        self.ops.append(Sync(name, name in self._unsynced_names))
        self._unsynced_names.discard(name)
        return code

    def _on_delete(self, _vfs: int, path: bytes, sync: int) -> int:
        assert self._real is not None
        existed = path_exists(path.decode())
        code = int(_DELETE(self._real.delete)(self._real_at, path, sync))
        if existed:
            self.ops.append(Delete(_last(path.decode()), bool(sync)))
        return code

    def _on_randomness(self, _vfs: int, size: int, out: int) -> int:
        ctypes.memmove(out, self._random.randbytes(size), size)
        return size

    def _callback(self, kind: type, function: object) -> int | None:
        made = kind(function)
        self._keep.append(made)
        return ctypes.cast(made, _PTR).value


@contextmanager
def record(random: Random) -> Iterator[Recording]:
    """Record everything SQLite writes in this process meanwhile."""
    recording = Recording(random)
    recording.start()
    try:
        yield recording
    finally:
        recording.stop()


def _sqlite_library() -> ctypes.CDLL:
    """The library that the `sqlite3` module is linked with, whichever that is."""
    library = ctypes.CDLL(_sqlite3.__file__)
    library.sqlite3_libversion.restype = ctypes.c_char_p
    found = library.sqlite3_libversion().decode()
    assert found == sqlite3.sqlite_version, (found, sqlite3.sqlite_version)
    library.sqlite3_vfs_find.restype = _PTR
    library.sqlite3_vfs_find.argtypes = (ctypes.c_char_p,)
    library.sqlite3_vfs_register.argtypes = (_PTR, _INT)
    library.sqlite3_vfs_unregister.argtypes = (_PTR,)
    library.sqlite3_randomness.argtypes = (_INT, _PTR)
    return library


def _last(path: str) -> str:
    return path.rpartition("/")[2]
