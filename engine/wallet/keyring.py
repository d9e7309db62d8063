"""The keys of our coins, opened with the passphrase for as long as the node runs.

A wallet that does not open stays locked, and says why: its addresses are given out and
watched all the same, and its coins stay where they are. `unlock` runs in a native
thread; all else in the hub's, as drawn keys are asked of the store.

The keys are in this process's memory while it runs; nothing of them is shown, logged or
written. `repr` counts the wallets only.
"""

from collections.abc import Callable, Iterable
from typing import NoReturn

from engine.errors import KeyFileError, SigningError, WalletLocked
from engine.wallet.coin import Coin, Outpoint
from engine.wallet.drawn_key import DrawnKey, Opener, open_drawn
from engine.wallet.sealed_wallet import SealedWallet, open_account, open_opener
from engine.wallet.secret_key import SecretKey
from engine.wallet.seed import SeedAccount
from engine.wallet.signing import Keys

__all__ = ["Keyring", "SealedKeyOf"]

SealedKeyOf = Callable[[str, bytes], bytes | None]
"""The sealed key of a wallet's address, by its script, as the store keeps it."""


class Keyring:
    """All wallets that we hold a secret of. Implements `signing.Keys`."""

    def __init__(self, sealed_key: SealedKeyOf) -> None:
        self._sealed_key = sealed_key
        self._sealed: dict[str, SealedWallet] = {}
        self._accounts: dict[str, SeedAccount] = {}  # opened seeds
        self._openers: dict[str, Opener] = {}  # opened wallets of drawn keys
        self._why: dict[str, str] = {}  # of locked ones
        self._damaged: dict[str, str] = {}  # of those that no passphrase opens

    def __repr__(self) -> str:
        opened = len(self._accounts) + len(self._openers)
        return f"<Keyring {opened} of {len(self._sealed)} open>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("private keys are not pickled")

    def add(self, sealed: Iterable[SealedWallet]) -> None:
        """Wallets as they are kept: locked until `unlock`."""
        for wallet in sealed:
            if wallet.wallet not in self._sealed:
                self._sealed[wallet.wallet] = wallet
                self._why[wallet.wallet] = "no passphrase was given"

    def add_damaged(self, wallet: str, why: str) -> None:
        """One whose secret cannot be read: it stays locked, whatever the passphrase."""
        self._damaged[wallet] = why

    def unlock(self, passphrase: str) -> dict[str, str]:
        """Open what this opens; why the others are still locked, by wallet.

        A tenth of a second and 32 MB for each wallet: in a native thread.
        """
        for name in list(self._why):
            try:
                self._open(self._sealed[name], passphrase)
            except KeyFileError as error:
                self._why[name] = str(error)
            else:
                del self._why[name]
        return self.locked()

    def locked(self) -> dict[str, str]:
        """Why each wallet that is locked is so."""
        return {**self._why, **self._damaged}

    def holds(self, wallet: str) -> bool:
        """Whether we have its secret at all, open or not; else it is watched only."""
        return wallet in self._sealed or wallet in self._damaged

    def can_sign(self, wallet: str) -> bool:
        return wallet in self._sealed and wallet not in self._why

    def sealed_wallet(self, wallet: str) -> SealedWallet | None:
        """As it is kept: who draws keys wants its public half."""
        return self._sealed.get(wallet)

    def key_of(self, coin: Coin) -> SecretKey:
        """Raises `WalletLocked`; `SigningError` if there is no such key; `WrongKey`."""
        name = coin.wallet
        if name in self._damaged:
            raise WalletLocked(f"wallet {name} is locked: {self._damaged[name]}")
        if name not in self._sealed:
            raise SigningError(f"wallet {name} is watched only: no key of it is here")
        if name in self._why:
            raise WalletLocked(f"wallet {name} is locked: {self._why[name]}")
        if name in self._accounts:
            return self._accounts[name].key(coin.index)
        sealed = self._sealed_key(name, coin.script)
        if sealed is None:
            raise SigningError(
                f"wallet {name} has no key for {coin.txid}:{coin.vout}: it was drawn"
                " after the backup that this database was restored from"
            )
        return open_drawn(name, DrawnKey(coin.script, sealed), self._openers[name])

    def collected(self, coins: Iterable[Coin]) -> Keys:
        """The keys of these coins, for signing in a native thread: the store is asked
        here, in the hub. Raises what `key_of` raises."""
        return _Collected({coin.outpoint: self.key_of(coin) for coin in coins})

    def _open(self, wallet: SealedWallet, passphrase: str) -> None:
        if wallet.kind == "seed":
            self._accounts[wallet.wallet] = open_account(wallet, passphrase)
        else:
            self._openers[wallet.wallet] = open_opener(wallet, passphrase)


class _Collected:
    """Keys of some coins; implements `signing.Keys`."""

    __slots__ = ("_keys",)

    def __init__(self, keys: dict[Outpoint, SecretKey]) -> None:
        self._keys = keys

    def __repr__(self) -> str:
        return f"<{len(self._keys)} keys>"

    def key_of(self, coin: Coin) -> SecretKey:
        key = self._keys.get(coin.outpoint)
        if key is None:
            raise SigningError(f"no key was collected for {coin.txid}:{coin.vout}")
        return key
