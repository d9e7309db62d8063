"""Addresses of a `keys` wallet, ready to be given out: each of a fresh key, sealed.

Implements `stock.AddressSource`. A key that was drawn and never given out is forgotten
with the process: it guards nothing. `drawn` is what must be written in the commit of
the payment whose address it is; after that the store has it.

Draws in a native thread (some 150 µs for each); is asked in the hub after that.
"""

from engine.bitcoin.address import script_to_address
from engine.wallet.drawn_key import DrawnKey, draw_key
from engine.wallet.sealed_wallet import SealedWallet

__all__ = ["DrawnSource"]


class DrawnSource:
    """Of one wallet, locked or not."""

    def __init__(self, wallet: SealedWallet) -> None:
        assert wallet.kind == "keys", "a seed derives its addresses"
        self._wallet = wallet
        self._drawn: dict[str, DrawnKey] = {}  # by address, until it is used

    def addresses(self, first: int, count: int) -> list[str]:
        """So many fresh ones; the index says nothing of random keys."""
        wallet = self._wallet
        made = []
        for _ in range(count):
            key = draw_key(wallet.wallet, wallet.script_kind, wallet.sealer)
            address = script_to_address(key.script, wallet.network)
            assert address is not None, "scripts of ours have addresses"
            self._drawn[address] = key
            made.append(address)
        return made

    def path(self, index: int) -> str:
        return ""

    def drawn(self, address: str) -> DrawnKey | None:
        """To be written with the payment; None: it was, with an earlier one."""
        return self._drawn.get(address)

    def used(self, address: str) -> None:
        """It is committed: the store has the key."""
        self._drawn.pop(address, None)
