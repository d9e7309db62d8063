"""Which payment an address in a URL stands for."""

from typing import Final

from engine.gateway import Gateway
from engine.payment.model import Payment

__all__ = ["find_payment"]

_MAX_CHARS: Final = 128  # more than any address has


def find_payment(gateway: Gateway, address: str) -> Payment | None:
    """The payment that watches `address` now, else the newest that did, else None.

    Addresses are stored as written canonically; bech32 in capitals, as QR codes hold
    it, is the same address (BIP 173). Reads the store: only for edges.
    """
    if not address or len(address) > _MAX_CHARS or not address.isascii():
        return None
    found = gateway.payment_at(address)
    if found is None and address.isupper():
        found = gateway.payment_at(address.lower())
    return found
