"""How far the addresses of wallets were drawn in a database that a backup replaces.

What it gave out must not be given out again: a payer may have it. A restore passes over
as many as the operator says (`--wallet-restore-skip`), since mostly nobody knows; where
the old database is there, it is known. So no address has two payments also where one
backup is restored twice. Called by a restore.
"""

import sqlite3
from contextlib import suppress

from msgspec.structs import replace

from engine.store.sqlite.checksum import Damaged, checked
from engine.store.sqlite.wallets import wallets_in, write_wallet
from engine.store.wallet_writes import WalletRecord

__all__ = ["carry_indexes"]

_DRAWN = (
    'SELECT identity, "index", address, wallet, payment_id, epoch, crc'
    ' FROM wallet_addresses WHERE identity = ? ORDER BY "index" DESC'
)


def carry_indexes(there: sqlite3.Connection, into: sqlite3.Connection) -> None:
    """Wallets of `into` go on behind all that `there` has drawn of the same addresses.

    Rows that are not as they were written are passed over. Part of its caller's
    transaction. Raises `sqlite3.Error`, `Damaged`.
    """
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    if there.execute(known, ("wallet_addresses",)).fetchone() is None:
        return  # of a version that drew none
    for row in wallets_in(into, None):
        after = _after(there, row)
        if after > row.first_index:
            write_wallet(into, replace(row, first_index=after))


def _after(there: sqlite3.Connection, row: WalletRecord) -> int:
    """The first index behind all that was drawn; 0: nothing was."""
    for found in there.execute(_DRAWN, (row.identity,)):
        with suppress(Damaged):
            _, index, *_ = checked("a drawn address", found)
            return int(index) + 1
    return 0
