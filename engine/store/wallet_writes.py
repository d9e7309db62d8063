"""Wallets, and the addresses drawn from them, as written: part of `writes.py`."""

from typing import Final

import msgspec

__all__ = ["AddressRow", "WalletKind", "WalletRecord"]

WalletKind = str
"""What we hold of it: "descriptor" (public keys only), "seed", or "keys" (single keys,
without a descriptor)."""

KINDS: Final = ("descriptor", "seed", "keys")


class WalletRecord(msgspec.Struct, frozen=True):
    """A merchant's wallet, in place of what was kept under this id. No secret is in it.

    `identity`: wallets with the same have the same addresses, whoever's they are.
    `first_index`: no address below it is given out. `retired_at` (ms): none is drawn
    from it any more, but those that were stay known.
    """

    id: str
    merchant: str
    kind: WalletKind
    descriptor: str  # public; empty: of single keys
    identity: str
    first_index: int
    created_at: int
    retired_at: int | None = None


class AddressRow(msgspec.Struct, frozen=True):
    """An address that was drawn for a payment, in the write that creates it.

    Conflict "wallet": the index of this identity, or the address, was drawn before.
    `former`: not for the first time; the payment that had it until now, which must be
    the one that is kept, is over and never saw money.
    """

    identity: str
    index: int
    address: str
    wallet: str  # id
    payment_id: str
    epoch: str  # of the journal, at that time
    former: str | None = None
