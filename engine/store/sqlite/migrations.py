"""The database schema, as migrations that run in order and only once.

They stand in `schema.py`, `schema_money.py` and `schema_people.py`; changes are
appended, never edited.
`apply` runs in the writer's native thread, inside transactions of sqlite-utils.
"""

import sqlite3
import time

import sqlite_utils

from engine.store.epochs import new_epoch
from engine.store.sqlite import schema, schema_money, schema_people
from engine.store.sqlite.checksum import row_crc
from engine.store.sqlite.migration_set import migrations

__all__ = ["apply", "begin_epoch", "migrations", "names"]

_IN_ORDER = (schema, schema_money, schema_people)
"""A migration is known from the moment at which its file is imported."""


def begin_epoch(sql: sqlite3.Connection) -> str:
    """From the next event on it is a new one. Part of its caller's transaction."""
    (last,) = sql.execute('SELECT coalesce(max("offset"), 0) FROM events').fetchone()
    number, latest = sql.execute(
        "SELECT coalesce(max(number), 0), coalesce(max(began_at), 0) FROM epochs"
    ).fetchone()
    name = new_epoch()
    values = last + 1, number + 1, name, max(_now_ms(), latest + 1)
    sql.execute(
        "INSERT INTO epochs (first_offset, number, epoch, began_at, crc)"
        " VALUES (?, ?, ?, ?, ?)",
        (*values, row_crc(values)),
    )
    return name


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def apply(db: sqlite_utils.Database) -> None:
    """Bring the schema up to date. See `opening.py` for a newer one than we know."""
    migrations.apply(db)


def names() -> list[str]:
    """All migrations that this version knows, in their order."""
    empty = sqlite_utils.Database(memory=True)
    try:
        return [migration.name for migration in migrations.pending(empty)]
    finally:
        empty.close()
