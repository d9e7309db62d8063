"""What may be asked of a store about wallets and addresses: part of `port.py`."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from engine.store.wallet_writes import AddressRow, WalletRecord

__all__ = ["UNPAID_AT_MOST", "LastDrawn", "WalletReader"]

UNPAID_AT_MOST = 1_000
"""Addresses in a row that are looked at: further than any wallet looks ahead."""


class LastDrawn(msgspec.Struct, frozen=True):
    """The highest index that was drawn, and the journal's epoch at that time."""

    index: int
    epoch: str


class WalletReader(Protocol):
    """Part of `StoreReader`."""

    def wallets(self, merchant: str | None = None) -> list[WalletRecord]:
        """All wallets, or those of one merchant, oldest first, the retired among them.
        Raises `StoreDamaged` if one is not as it was written: nobody is paid at an
        address of a wallet that may be another's."""

    def last_drawn(self, identity: str) -> LastDrawn | None:
        """None: nothing was drawn of it."""

    def known_addresses(self, addresses: Sequence[str]) -> set[str]:
        """Those that some payment has or had, whoever gave them."""

    def drawn_of(self, addresses: Sequence[str]) -> dict[str, str]:
        """The identity of the wallet that each of these was drawn from, by address;
        without those that were drawn from none."""

    def unpaid_run(self, identity: str, limit: int) -> int:
        """How many of the highest indexes, in a row, never saw money; at most `limit`,
        and at most `UNPAID_AT_MOST`."""

    def over_unpaid(self, identity: str, limit: int) -> list[AddressRow]:
        """The lowest of these whose payments are no longer watched."""
