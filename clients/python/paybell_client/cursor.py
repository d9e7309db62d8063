"""Where a follower stands, in a file that is whole whatever happens.

It is written beside and renamed over (fsync before, and of the folder after), so that a
crash leaves the old place or the new one. A lock beside it keeps two processes from
following with one cursor: each would hear half of what it thinks.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no flock; there nothing keeps a second one out
    fcntl = None  # type: ignore[assignment]

__all__ = ["CursorFile", "CursorInUse"]

_CURSOR = re.compile(r"(?:[0-9a-z]{1,32}-)?[0-9]{1,18}")


class CursorInUse(Exception):
    """Another process follows with this cursor."""


class CursorFile:
    """The last event whose handler returned. `read` None: there is no file yet."""

    def __init__(self, path: os.PathLike[str] | str) -> None:
        self._path = Path(path)

    def read(self) -> str | None:
        """ValueError for a file that is no cursor: to begin anew would tell it all."""
        try:
            text = self._path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        if not _CURSOR.fullmatch(text):
            raise ValueError(f"{self._path} holds no cursor")
        return text

    def write(self, cursor: str) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        with beside.open("w", encoding="ascii") as file:
            file.write(cursor + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self._path)
        if os.name == "posix":
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """For this process alone. The lock ends with the process, however it ends."""
        if fcntl is None:
            yield
            return
        with self._path.with_name(self._path.name + ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CursorInUse(f"{self._path} is followed with already") from error
            yield
