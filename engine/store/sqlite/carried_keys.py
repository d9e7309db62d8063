"""Keys of a database that a backup takes the place of: none of them is lost with it.

A wallet of single keys draws one for each payment, and those that were drawn after the
backup are in the old database only. Rows are sealed, never changed, and found by what
they guard, so that they can be put beside those of the backup. Called by a restore.
"""

import sqlite3

from engine.store.sqlite.checksum import row_crc

__all__ = ["carry_keys"]

_TABLES = {"wallet_secrets": "wallet, state", "wallet_keys": "wallet, script, sealed"}


def carry_keys(there: sqlite3.Connection, into: sqlite3.Connection) -> int:
    """Take over what `into` does not have; how many keys that were.

    Rows that are not as they were written are passed over. Part of its caller's
    transaction. Raises `sqlite3.Error`.
    """
    carried = 0
    for table, columns in _TABLES.items():
        known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        if there.execute(known, (table,)).fetchone() is None:
            continue  # of a version that had no keys
        for *values, crc in there.execute(f"SELECT {columns}, crc FROM {table}"):  # noqa: S608 - constants
            if row_crc(values) == crc:
                marks = ", ".join("?" * (len(values) + 1))
                carried += into.execute(
                    f"INSERT OR IGNORE INTO {table} ({columns}, crc) VALUES ({marks})",  # noqa: S608 - constants
                    (*values, crc),
                ).rowcount
    return carried
