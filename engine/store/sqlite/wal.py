"""A look into the `-wal` before SQLite does: is a synced commit unreadable?

After a crash SQLite reads the WAL up to the first frame whose checksum is wrong and
takes the rest for a commit that never came to its end: rightly so after a power cut,
and silently wrong when an old frame was damaged on the disk, as every commit behind it
is gone without a word. The two differ: a commit is synced before the next one begins,
so a power cut can leave at most one commit half-written. Two ends of commits behind
the damage, in an unbroken chain of checksums, mean that the first of them was synced.

Only reads; called by the journal before it opens the database (a file it has open must
not be opened and closed beside it: that would drop SQLite's locks). Not noticed: damage
to the very last commit, and to the WAL's own header of 32 bytes; both look exactly as
after a power cut. Format: sqlite.org/fileformat2.html, "The Write-Ahead Log".
"""

import struct
from pathlib import Path
from typing import BinaryIO

__all__ = ["has_lost_commits"]

MAX_FRAMES = 100_000
"""400 MB of WAL, some seconds; a checkpoint usually comes after 8,000 frames."""

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_LITTLE, _BIG = 0x377F0682, 0x377F0683
_MASK = 0xFFFFFFFF

Sums = tuple[int, int]


def has_lost_commits(path: Path) -> bool:
    """Whether the WAL at this path holds synced commits that SQLite will not read.

    False if there is no such file. Raises `OSError` if it cannot be read.
    """
    if not path.exists():
        return False
    with path.open("rb") as file:
        return _scan(file)


def _scan(file: BinaryIO) -> bool:
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return False
    magic, _, page_size, _, *salts, sum_0, sum_1 = _HEADER.unpack(header)
    order = {_LITTLE: "<", _BIG: ">"}.get(magic)
    if order is None or not 512 <= page_size <= 65_536 or page_size % 8:
        return False
    before = sum_0, sum_1
    if _checksum(order, (0, 0), header[:24]) != before:
        return False
    is_readable, ends = True, 0
    for _ in range(MAX_FRAMES):
        frame = file.read(_FRAME.size + page_size)
        if len(frame) < _FRAME.size + page_size:
            return False
        _, size_after, *frame_salts, sum_0, sum_1 = _FRAME.unpack_from(frame)
        # Other salts: from before the WAL was begun anew, or damaged.
        follows = frame_salts == salts and (sum_0, sum_1) == _checksum(
            order, _checksum(order, before, frame[:8]), frame[_FRAME.size :]
        )
        before = sum_0, sum_1
        if not follows:
            is_readable, ends = False, 0
        elif not is_readable and size_after:
            ends += 1
        if ends > 1:
            return True
    return False


def _checksum(order: str, before: Sums, content: bytes) -> Sums:
    s0, s1 = before
    if len(content) % 32:
        for x0, x1 in struct.iter_unpack(f"{order}2I", content):
            s0 = (s0 + x0 + s1) & _MASK
            s1 = (s1 + x1 + s0) & _MASK
        return s0, s1
    for a, b, c, d, e, f, g, h in struct.iter_unpack(f"{order}8I", content):
        # Written out, and cut to 32 bits only at the end: three times as fast.
        s0 += a + s1
        s1 += b + s0
        s0 += c + s1
        s1 += d + s0
        s0 += e + s1
        s1 += f + s0
        s0 = (s0 + g + s1) & _MASK
        s1 = (s1 + h + s0) & _MASK
    return s0, s1
