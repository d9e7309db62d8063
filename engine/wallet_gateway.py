"""What edges may ask of a merchant's wallet: part of `gateway.py`."""

from typing import Protocol

from engine.store.wallet_writes import WalletRow

__all__ = ["WalletGateway"]


class WalletGateway(Protocol):
    """Part of `Gateway`."""

    def wallet(self, merchant: str) -> WalletRow | None:
        """Where addresses of this merchant's new payments come from; None: it has no
        wallet. From memory, asked for each payment."""
