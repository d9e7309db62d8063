"""The database schema from m023 to m029: ledger, wallets, and money on its way out.

Schema changes are appended in `schema_people.py`, never edited.
"""

import sqlite_utils

from engine.store.sqlite import (
    invoices,
    ledger,
    ledger_opening,
    outgoing,
    refunds,
    till,
)
from engine.store.sqlite.migration_set import migrations

__all__: list[str] = []


@migrations()
def m023_ledger(db: sqlite_utils.Database) -> None:
    """The ledger, and what stands in it for all that was before."""
    ledger.create(db.conn)
    ledger_opening.write(db.conn)


@migrations()
def m024_wallets(db: sqlite_utils.Database) -> None:
    """Where addresses come from, and which were drawn for whom.

    No index and no address is drawn twice: whatever else goes wrong, the database
    refuses it. Of an identity the last index is found at the end of its key.
    """
    db.execute(
        """CREATE TABLE wallets (
            id TEXT PRIMARY KEY, merchant TEXT NOT NULL, kind TEXT NOT NULL,
            descriptor TEXT NOT NULL, identity TEXT NOT NULL,
            first_index INTEGER NOT NULL, created_at INTEGER NOT NULL,
            retired_at INTEGER, crc INTEGER
        )"""
    )
    db.execute("CREATE INDEX wallets_of_merchant ON wallets (merchant)")
    db.execute(
        """CREATE TABLE wallet_addresses (
            identity TEXT NOT NULL, "index" INTEGER NOT NULL,
            address TEXT NOT NULL UNIQUE, wallet TEXT NOT NULL,
            payment_id TEXT NOT NULL, epoch TEXT NOT NULL, crc INTEGER,
            PRIMARY KEY (identity, "index")
        ) WITHOUT ROWID"""
    )


@migrations()
def m025_wallet_keys(db: sqlite_utils.Database) -> None:
    """Secrets of wallets, and keys that were drawn one by one; all of them sealed.

    A drawn key is found by the script that it guards: keys of a database that a backup
    took the place of can be brought back beside others.
    """
    db.execute(
        """CREATE TABLE wallet_secrets (
            wallet TEXT PRIMARY KEY, state BLOB NOT NULL, crc INTEGER NOT NULL
        ) WITHOUT ROWID"""
    )
    db.execute(
        """CREATE TABLE wallet_keys (
            wallet TEXT NOT NULL, script BLOB NOT NULL, sealed BLOB NOT NULL,
            crc INTEGER NOT NULL, PRIMARY KEY (wallet, script)
        ) WITHOUT ROWID"""
    )


@migrations()
def m027_refunds(db: sqlite_utils.Database) -> None:
    """What goes back to payers: asked for, claimed, paid."""
    refunds.create(db)


@migrations()
def m026_outgoing(db: sqlite_utils.Database) -> None:
    """What we sign and send: transactions, the coins that they have, and payments that
    the forwarder is to look at."""
    outgoing.create(db)


@migrations()
def m029_till(db: sqlite_utils.Database) -> None:
    """What tills send on, and payments that they are to look at."""
    till.create(db)


@migrations()
def m028_lightning(db: sqlite_utils.Database) -> None:
    """Whose invoice a payment hash is, and how far each account's income is known."""
    invoices.create(db)
