"""A merchant's wallet, as rows: which are written when its record says another one."""

import secrets
from collections.abc import Sequence

from msgspec.structs import replace

from engine.merchants.record import Merchant
from engine.store.wallet_writes import WalletRecord
from engine.wallet.descriptor import Descriptor, read_descriptor

__all__ = ["new_wallet_id", "present_wallet", "rows_of_descriptor"]

_PREFERENCE = ("descriptor", "seed", "keys")


def new_wallet_id() -> str:
    return f"wal_{secrets.token_hex(6)}"


def present_wallet(wallets: Sequence[WalletRecord]) -> WalletRecord | None:
    """Of one merchant's, the one that addresses are drawn from: keys that we do not
    hold before those that we do; of several the newest."""
    living = [row for row in wallets if row.retired_at is None]
    best = min(living, key=lambda row: _PREFERENCE.index(row.kind), default=None)
    if best is None:
        return None
    return max(
        (row for row in living if row.kind == best.kind),
        key=lambda row: (row.created_at, row.id),
    )


def rows_of_descriptor(
    merchant: Merchant,
    wallets: Sequence[WalletRecord],
    network: str,
    now: int,
    first_index: int = 0,
) -> tuple[WalletRecord, ...]:
    """What to write so that the wallet to watch is the one that the record says; of
    `wallets`, the merchant's so far.

    One that it had before goes on where it was. Raises `InvalidDescriptor`.
    """
    watched = [row for row in wallets if row.kind == "descriptor"]
    if not merchant.descriptor:
        living = [row for row in watched if row.retired_at is None]
        return tuple(replace(row, retired_at=now) for row in living)
    wanted = read_descriptor(merchant.descriptor, network)
    same = [row for row in watched if row.identity == wanted.identity]
    found = _living_first(same)
    others = [row for row in watched if row.retired_at is None and row != found]
    retired = tuple(replace(row, retired_at=now) for row in others)
    row = _row(found, merchant.name, wanted, now, first_index)
    return retired if row == found else (*retired, row)


def _living_first(rows: Sequence[WalletRecord]) -> WalletRecord | None:
    return min(rows, key=lambda row: row.retired_at is not None, default=None)


def _row(
    found: WalletRecord | None,
    merchant: str,
    wanted: Descriptor,
    now: int,
    first_index: int,
) -> WalletRecord:
    if found is None:
        return WalletRecord(
            id=new_wallet_id(),
            merchant=merchant,
            kind="descriptor",
            descriptor=wanted.text,
            identity=wanted.identity,
            first_index=first_index,
            created_at=now,
        )
    return replace(
        found,
        descriptor=wanted.text,
        first_index=max(found.first_index, first_index),
        retired_at=None,
    )
