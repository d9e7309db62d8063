"""The database schema since m023: ledger, wallets, and money on its way out.

Schema changes are appended here, never edited.
"""

import sqlite_utils

from engine.store.sqlite import refunds
from engine.store.sqlite.migration_set import migrations

__all__: list[str] = []


@migrations()
def m027_refunds(db: sqlite_utils.Database) -> None:
    """What goes back to payers: asked for, claimed, paid."""
    refunds.create(db)
