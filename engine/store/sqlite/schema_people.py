"""The database schema since m030: what people are shown of the node's past.

Schema changes are appended here, never edited.
"""

import sqlite_utils

from engine.store.sqlite import (
    deliveries,
    history,
    invoices,
    moments,
    outgoing,
    refunds,
    search,
)
from engine.store.sqlite.migration_set import migrations

__all__: list[str] = []


@migrations()
def m030_answers(db: sqlite_utils.Database) -> None:
    """What endpoints answered, and the attempts at an event."""
    deliveries.create(db.conn)


@migrations()
def m031_search(db: sqlite_utils.Database) -> None:
    """Payments are found by transactions and sums, by flags, and by when they were
    made. Their times are read here, some seconds for a million; their keys and flags
    the housekeeper fills in later, step by step (`search.fill`)."""
    db.execute("ALTER TABLE payments ADD COLUMN flags INTEGER NOT NULL DEFAULT 0")
    db.execute("CREATE INDEX payments_flagged ON payments (merchant) WHERE flags != 0")
    search.create(db.conn)
    for name in ("moments_since", "created_moments", "created_since"):
        db.execute(
            f"CREATE TABLE {name} (at INTEGER PRIMARY KEY, place INTEGER NOT NULL)"
        )
    (last,) = db.execute("SELECT coalesce(max(rank), 0) FROM payments").fetchone()
    moments.note_all(db.conn, moments.PAYMENTS, last)


@migrations()
def m032_refunds_listed(db: sqlite_utils.Database) -> None:
    """A merchant's refunds are listed."""
    refunds.create_listing(db.conn)


@migrations()
def m033_history(db: sqlite_utils.Database) -> None:
    """The past in numbers; the events that there are come into it by and by."""
    history.create(db.conn)


@migrations()
def m034_invoices_ends(db: sqlite_utils.Database) -> None:
    """Whether an invoice of an account may yet be paid."""
    invoices.create_ends(db.conn)


@migrations()
def m035_outgoing_txids(db: sqlite_utils.Database) -> None:
    """What a transaction of the chain is of ours."""
    outgoing.create_txids(db.conn)
