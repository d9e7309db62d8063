"""Port: what may be asked of the sealed secrets of wallets. Part of `StoreReader`."""

from typing import Protocol

__all__ = ["SealedReader"]


class SealedReader(Protocol):
    """Secrets as they are kept: sealed. Nothing of them opens without a passphrase."""

    def sealed_wallets(self) -> list[tuple[str, bytes | None]]:
        """All wallets that we hold a secret of, with their states; None: its row is
        not as it was written. One that is damaged keeps no other from opening."""

    def sealed_key(self, wallet: str, script: bytes) -> bytes | None:
        """The drawn key of this script's address. May be asked from any thread."""
