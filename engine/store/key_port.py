"""Port: what may be asked of the sealed secrets of wallets. Part of `StoreReader`."""

from typing import Protocol

__all__ = ["SealedReader"]


class SealedReader(Protocol):
    """Secrets as they are kept: sealed. Nothing of them opens without a passphrase."""

    def sealed_wallets(self) -> list[bytes]:
        """The states of all wallets that we hold a secret of."""

    def sealed_key(self, wallet: str, script: bytes) -> bytes | None:
        """The drawn key of this script's address. May be asked from any thread."""
