"""One statement for many rows at once.

`INSERT … VALUES (…), (…), …` is prepared for 1, 2, 4 … 128 rows, so that SQLite's
prepared statements are few and stay cached, and any number of rows takes few of them.
"""

import sqlite3
from collections.abc import Sequence

__all__ = ["Many"]

MAX_ROWS = 128
"""Rows in one statement: more save nothing, and SQLite binds so many values at most."""


class Many:
    """A statement of this head, so many columns a row, and this tail."""

    def __init__(self, head: str, columns: int, tail: str = "") -> None:
        self._width = columns
        row = f"({', '.join('?' * columns)})"
        counts = [1 << power for power in range(MAX_ROWS.bit_length())]
        self._texts = {n: f"{head} {', '.join([row] * n)}{tail}" for n in counts}

    def run(self, sql: sqlite3.Connection, values: Sequence[object]) -> int:
        """Write rows in order, from their values one after the other; how many were
        changed."""
        width, at, changed = self._width, 0, 0
        assert len(values) % width == 0, "half a row"
        left = len(values) // width
        while left:
            count = min(MAX_ROWS, 1 << (left.bit_length() - 1))
            end = at + count * width
            changed += sql.execute(self._texts[count], values[at:end]).rowcount
            at, left = end, left - count
        return changed
