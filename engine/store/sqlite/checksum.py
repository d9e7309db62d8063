"""Checksums over rows: a flipped bit is noticed, not believed.

SQLite has checksums in the WAL, but none over the pages of the database file: a digit
that turns into another on the disk would be read as it is. So each row carries a CRC-32
of what it says, written with it and looked at whenever the row is read. It is there
against ageing disks, not against people. Pure; called by the journal in its transaction
and by queries in their native threads.
"""

import sqlite3
import zlib
from collections.abc import Sequence
from typing import Any

__all__ = [
    "Damaged",
    "DamagedEpochs",
    "checked",
    "event_crc",
    "is_event",
    "row_crc",
    "state_crc",
    "stored_state",
]


class Damaged(sqlite3.DatabaseError):
    """A row is not what was written. To the rest of the engine: SQLITE_CORRUPT."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not as it was written: its checksum differs")
        self.sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class DamagedEpochs(Damaged):
    """Which ids the events have is not known any more, so nothing can be told."""


def event_crc(
    offset: int,
    payment_id: str,
    seq: int,
    kind: str,
    at: int,
    merchant: str,
    body: bytes,
) -> int:
    """Over all columns of an event."""
    head = f"{offset} {payment_id} {seq} {kind} {at} {merchant} "
    return zlib.crc32(body, zlib.crc32(head.encode()))


def is_event(crc: int | None, *columns: Any) -> bool:
    """Whether these columns, as they were read, are what `event_crc` was made of.

    Rows from before there were checksums (None) are taken as they are.
    """
    if crc is None:
        return True
    return isinstance(columns[-1], bytes) and event_crc(*columns) == crc


def state_crc(state: bytes) -> int:
    """Over a payment's `state`; its other columns repeat parts of it."""
    return zlib.crc32(state)


def stored_state(state: bytes, crc: int | None) -> bytes:
    """The state as it was read, if it is what was written. Raises `Damaged`."""
    if crc is not None and (not isinstance(state, bytes) or zlib.crc32(state) != crc):
        raise Damaged("a payment's state")
    return state


def row_crc(values: Sequence[object]) -> int:
    """Over a row of another table: its values as Python writes them; bytes, of which
    there may be many, as they are."""
    if bytes not in map(type, values):  # most rows: in C, at a third of the time
        return zlib.crc32("".join(map(repr, values)).encode())
    crc = 0
    # Of the values since the last bytes: one CRC of all is theirs.
    words: list[str] = []
    for value in values:
        if isinstance(value, bytes):
            words.append(f"{len(value)} bytes")
            crc = zlib.crc32(value, zlib.crc32("".join(words).encode(), crc))
            words.clear()
        else:
            words.append(repr(value))
    return zlib.crc32("".join(words).encode(), crc)


def checked(what: str, row: Sequence[Any]) -> Sequence[Any]:
    """The values of a row that was read with its checksum behind them, if they are
    what was written. Raises `Damaged`."""
    *values, crc = row
    if crc is not None and row_crc(values) != crc:
        raise Damaged(what)
    return values
