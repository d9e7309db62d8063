"""What is written of wallets' secrets: sealed, always. Parts of a `Write`."""

import msgspec

__all__ = ["WalletKeyRow", "WalletSecretRow"]


class WalletSecretRow(msgspec.Struct, frozen=True):
    """A wallet's secret, as `engine.wallet.sealed_wallet` encodes it. Never changed nor
    removed: it is what spends. Conflict: the wallet has one."""

    wallet: str
    state: bytes

    def __repr__(self) -> str:
        return f"WalletSecretRow({self.wallet!r})"


class WalletKeyRow(msgspec.Struct, frozen=True, gc=False):
    """A drawn key, written in the commit of the payment whose address it is. Conflict:
    the wallet has a key for this script."""

    wallet: str
    script: bytes
    sealed: bytes

    def __repr__(self) -> str:
        return f"WalletKeyRow({self.wallet!r})"
