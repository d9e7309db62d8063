"""What the doctor sees in the files of a database: all that `serve` would refuse.

And what it could not refuse, as nothing tells it from a new node: a copy of a running
node's file without the `-wal` beside it. Reads only, beside a node or without one.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from engine.errors import JournalError
from engine.files.database_files import existing_beside, real
from engine.secrets.key_file import key_path
from engine.store.sqlite.opening import look_before_opening
from transport.cli.source_checks import Check

__all__ = ["check_copy", "check_files"]

_MOUNTS = Path("/proc/self/mountinfo")


def check_files(db: str) -> Iterator[Check]:
    """Yields nothing if `serve` would go on with these."""
    with contextlib.suppress(OSError):
        names = Path(db).stat().st_nlink
        if names > 1:
            yield (
                False,
                (
                    f"database {db}: {names} names (hard links), each with a -wal"
                    f" of its own: remove all but one (`find / -xdev -samefile {db}`)"
                ),
            )
    if real(db) in _mounted_files():
        yield (
            False,
            (
                f"database {db}: it is mounted as a single file, and its -wal lies"
                " elsewhere: mount its folder instead, or what is committed is lost"
            ),
        )
    try:
        look_before_opening(db)
    except JournalError as error:
        yield False, str(error)


def check_copy(db: str, events: int) -> Iterator[Check]:
    """A key, and no event: a node that is new has its mark beside it, a copy not."""
    has_mark = bool(existing_beside(db, ".acked") + existing_beside(db, ".told"))
    if not events and key_path(db).exists() and not has_mark:
        yield (
            False,
            (
                f"database {db}: 0 events beside a key file: if this is a copy of a"
                " node that ran, what was committed was left in its -wal; make"
                " backups with `paybell backup`"
            ),
        )


def _mounted_files() -> set[str]:
    """What is mounted, by path. proc(5): the fifth field, a space as \\040."""
    try:
        lines = _MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return set()
    places = [line.split(" ")[4] for line in lines if line.count(" ") > 4]
    return {place.replace("\\040", " ") for place in places}
