"""Secrets of wallets in SQLite: sealed rows, written once and read by name."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from engine.store.key_writes import WalletKeyRow, WalletSecretRow
from engine.store.sqlite.checksum import checked, row_crc
from engine.store.sqlite.multi_insert import Many

__all__ = ["SealedReads", "write_drawn", "write_secret"]

_DRAWN = Many("INSERT INTO wallet_keys (wallet, script, sealed, crc) VALUES", 4)


def write_secret(sql: sqlite3.Connection, row: WalletSecretRow) -> int:
    values = (row.wallet, row.state)
    return sql.execute(
        "INSERT INTO wallet_secrets (wallet, state, crc) VALUES (?, ?, ?)",
        (*values, row_crc(values)),
    ).rowcount


def write_drawn(sql: sqlite3.Connection, rows: Sequence[WalletKeyRow]) -> None:
    """They come in crowds, one with each payment."""
    values: list[object] = []
    for row in rows:
        fields = (row.wallet, row.script, row.sealed)
        values += (*fields, row_crc(fields))
    _DRAWN.run(sql, values)


class SealedReads(ABC):
    """Implements `engine.store.key_port.SealedReader`."""

    @abstractmethod
    def _ask(self, query: Callable[..., Any], *args: Any) -> Any: ...

    def sealed_wallets(self) -> list[tuple[str, bytes | None]]:
        states: list[tuple[str, bytes | None]] = self._ask(_sealed_wallets)
        return states

    def sealed_key(self, wallet: str, script: bytes) -> bytes | None:
        sealed: bytes | None = self._ask(_sealed_key, wallet, script)
        return sealed


def _sealed_wallets(sql: sqlite3.Connection) -> list[tuple[str, bytes | None]]:
    rows = sql.execute("SELECT wallet, state, crc FROM wallet_secrets ORDER BY wallet")
    return [
        (wallet, state if row_crc((wallet, state)) == crc else None)
        for wallet, state, crc in rows.fetchall()
    ]


def _sealed_key(sql: sqlite3.Connection, wallet: str, script: bytes) -> bytes | None:
    row = sql.execute(
        "SELECT wallet, script, sealed, crc FROM wallet_keys"
        " WHERE wallet = ? AND script = ?",
        (wallet, script),
    ).fetchone()
    if row is None:
        return None
    sealed: bytes = checked("a drawn key", row)[2]
    return sealed
