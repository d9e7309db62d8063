"""What of a database was made with the node's key, and is lost with it.

Secrets of channels (and of merchants) are sealed with it, clients' secrets of payments
derived from it. A new key is made only for a database that holds none of these.
"""

import sqlite3

__all__ = ["relies_on_key"]

_TABLES = ("channels", "payments", "merchants")


def relies_on_key(sql: sqlite3.Connection) -> bool:
    """Whether the database holds anything that only its key opens."""
    names = sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    there = {name for (name,) in names}
    return any(
        sql.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").fetchone()[0]  # noqa: S608
        for table in _TABLES
        if table in there
    )
