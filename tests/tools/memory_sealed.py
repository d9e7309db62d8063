"""Secrets of wallets in the store in memory."""

from tests.tools.memory_tables import Tables

__all__ = ["MemorySealed"]


class MemorySealed:
    """Implements `engine.store.key_port.SealedReader`."""

    _tables: Tables

    def sealed_wallets(self) -> list[tuple[str, bytes | None]]:
        rows = sorted(self._tables.wallet_secrets.items())
        return [(name, row.state) for name, row in rows]

    def sealed_key(self, wallet: str, script: bytes) -> bytes | None:
        row = self._tables.wallet_keys.get((wallet, script))
        return None if row is None else row.sealed
