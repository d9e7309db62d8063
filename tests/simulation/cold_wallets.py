"""The wallets that the simulated node watches only, as its store keeps them.

One account for all merchants (`cold_keys.py`), each of whom has a wallet of his own.
"""

from typing import Final

from engine.store.wallet_writes import WalletRecord
from engine.wallet.descriptor import read_descriptor
from engine.wallet.seed import account_of
from tests.simulation.cold_keys import WORDS

__all__ = ["cold_wallet", "cold_wallets"]

NETWORK: Final = "regtest"


def cold_wallet(merchant: str) -> str:
    """Its id."""
    return f"wal_cold_{merchant}"


def cold_wallets(merchants: tuple[str, ...]) -> tuple[WalletRecord, ...]:
    text = account_of(WORDS, "", "p2wpkh", NETWORK, 0).descriptor
    identity = read_descriptor(text, NETWORK).identity
    return tuple(
        WalletRecord(cold_wallet(m), m, "descriptor", text, identity, 0, 1)
        for m in merchants
    )
