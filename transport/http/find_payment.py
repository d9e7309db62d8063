"""Which payment an address in a URL stands for, or the payment hash of an invoice."""

import re

from engine.bitcoin.address import MAX_ADDRESS_LENGTH
from engine.gateway import Gateway
from engine.payment.model import Payment, lightning_key

__all__ = ["find_payment"]

_HASH = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)


def find_payment(gateway: Gateway, address: str) -> Payment | None:
    """The payment that watches `address` now, else the newest that did, else None.

    Addresses are stored as written canonically; bech32 in capitals, as QR codes hold
    it, is the same address (BIP 173). A payment that Lightning alone can pay is found
    by its payment hash, which its invoice tells and nobody guesses. Reads the store:
    only for edges.
    """
    if _HASH.fullmatch(address):
        return gateway.payment_at(lightning_key(address.lower()))
    if ":" in address:  # in the place of an address where there is none: ours alone
        return None
    if not address or len(address) > MAX_ADDRESS_LENGTH or not address.isascii():
        return None
    found = gateway.payment_at(address)
    if found is None and address.isupper():
        found = gateway.payment_at(address.lower())
    return found
