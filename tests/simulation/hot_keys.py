"""The keys of the simulated hot wallet: real ones, of all four kinds of addresses."""

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from typing import Final

from engine.errors import WalletLocked
from engine.wallet.coin import Coin, SpendKind
from engine.wallet.secret_key import SecretKey

__all__ = ["HOT", "WALLET", "HotKeys", "hot_script"]

HOT: Final = "hot "
"""Labels of addresses in the wallet begin so; the index follows."""

WALLET: Final = "wal_hot"

_KINDS: Final[tuple[SpendKind, ...]] = ("p2wpkh", "p2tr", "p2pkh", "p2sh-p2wpkh")


@cache
def _key(index: int) -> SecretKey:
    return SecretKey(sha256(f"{HOT}{index}".encode()).digest())


@cache
def hot_script(index: int) -> bytes:
    return _key(index).script(_KINDS[index % len(_KINDS)])


class HotKeys:
    """Implements `engine.wallet.forwards.HeldKeys`."""

    def __init__(self) -> None:
        self.is_locked = False

    def holds(self, wallet: str) -> bool:
        return wallet == WALLET

    def can_sign(self, wallet: str) -> bool:
        return wallet == WALLET and not self.is_locked

    def collected(self, coins: Iterable[Coin]) -> "HotKeys":
        return self

    def key_of(self, coin: Coin) -> SecretKey:
        if not self.can_sign(coin.wallet):
            raise WalletLocked(coin.wallet)
        return _key(coin.index)
