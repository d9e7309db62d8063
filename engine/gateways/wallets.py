"""What edges may ask of a merchant's wallet: part of `Gateway`."""

from typing import Protocol

import msgspec

from engine.store.wallet_writes import WalletRecord

__all__ = ["WalletGateway", "WalletReport"]


class WalletReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a wallet stands. `unpaid`: how many of the last addresses in a row were never
    paid, as far as was looked (`unpaid_at_most`); from `gap` on, most wallet programs
    do not look far enough. `locked`: why its keys, which the node holds, are not open.
    """

    wallet: WalletRecord
    is_present: bool
    next_index: int
    unpaid: int
    unpaid_at_most: int
    gap: int
    holds_keys: bool
    locked: str | None


class WalletGateway(Protocol):
    """Part of `Gateway`."""

    def wallet(self, merchant: str) -> WalletRecord | None:
        """Where addresses of this merchant's new payments come from; None: it has no
        wallet. From memory, asked for each payment."""

    def wallet_reports(self, merchant: str | None, limit: int) -> list[WalletReport]:
        """Those of a merchant, or of all, the newest first."""
