"""What of a database was made with the node's key, and is lost with it.

Secrets of channels (and of merchants) are sealed with it, clients' secrets of payments
derived from it. A new key is made only for a database that holds none of these. A
merchant that has no secret (`paybell wallet add`, before the first start) is none.
"""

import sqlite3

from engine.merchants.record import Limits, decode_state

__all__ = ["relies_on_key"]

_TABLES = ("channels", "payments")


def relies_on_key(sql: sqlite3.Connection) -> bool:
    """Whether the database holds anything that only its key opens."""
    names = sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    there = {name for (name,) in names}
    return any(
        sql.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").fetchone()[0]  # noqa: S608
        for table in _TABLES
        if table in there
    ) or ("merchants" in there and _has_sealing_merchant(sql))


def _has_sealing_merchant(sql: sqlite3.Connection) -> bool:
    """One that cannot be read may be one."""
    for name, state in sql.execute("SELECT name, state FROM merchants"):
        merchant = decode_state(name, 1, 0, state, Limits())
        if merchant.is_damaged or merchant.sealed_secrets():
            return True
    return False
