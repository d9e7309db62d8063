"""The keys of a wallet that the simulated node watches only: its owner signs.

One account for all merchants, each of whom has a wallet row of his own; an index is
one payment's.
"""

from functools import cache
from typing import Final

from embit import bip32, bip39
from embit.finalizer import finalize_psbt
from embit.psbt import PSBT

from engine.store.wallet_writes import WalletRecord
from engine.wallet.descriptor import read_descriptor
from engine.wallet.seed import SeedAccount, account_of

__all__ = ["COLD", "cold_script", "cold_wallet", "rows", "signed"]

COLD: Final = "cold "
"""Labels of its addresses begin so; the index follows."""

NETWORK: Final = "regtest"

_WORDS: Final = "abandon " * 11 + "about"


@cache
def _account() -> SeedAccount:
    return account_of(_WORDS, "", "p2wpkh", NETWORK, 0)


@cache
def cold_script(index: int) -> bytes:
    return _account().key(index).script("p2wpkh")


def cold_wallet(merchant: str) -> str:
    return f"wal_cold_{merchant}"


def rows(merchants: tuple[str, ...]) -> tuple[WalletRecord, ...]:
    """The wallets, as the store keeps them."""
    text = _account().descriptor
    identity = read_descriptor(text, NETWORK).identity
    return tuple(
        WalletRecord(cold_wallet(m), m, "descriptor", text, identity, 0, 1)
        for m in merchants
    )


@cache
def _root() -> bip32.HDKey:
    return bip32.HDKey.from_seed(bip39.mnemonic_to_seed(_WORDS))


def signed(psbt: bytes) -> bytes:
    """The transaction that the owner's wallet makes of it."""
    parsed = PSBT.parse(psbt)
    assert parsed.sign_with(_root()) == len(parsed.inputs)
    made = finalize_psbt(parsed)
    assert made is not None
    raw: bytes = made.serialize()
    return raw
