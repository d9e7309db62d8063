"""The database schema since m030: what people are shown of the node's past.

Schema changes are appended here, never edited.
"""

import sqlite_utils

from engine.store.sqlite import deliveries
from engine.store.sqlite.migration_set import migrations

__all__: list[str] = []


@migrations()
def m030_answers(db: sqlite_utils.Database) -> None:
    """What endpoints answered, and the attempts at an event."""
    deliveries.create(db.conn)
