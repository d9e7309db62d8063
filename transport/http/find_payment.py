"""Which payment an address in a URL stands for, or the payment hash of an invoice."""

import re

from engine.bitcoin.address import MAX_ADDRESS_LENGTH
from engine.gateway import Gateway
from engine.payment.model import Payment, lightning_key

__all__ = ["find_followed", "find_payment"]

_HASH = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)


def find_followed(gateway: Gateway, name: str) -> Payment | None:
    """For who follows: by an address, or, of a payment that Lightning alone can pay, by
    the payment hash, which its invoice tells and nobody guesses."""
    if _HASH.fullmatch(name):
        return gateway.payment_at(lightning_key(name.lower()))
    return find_payment(gateway, name)


def find_payment(gateway: Gateway, address: str) -> Payment | None:
    """The payment that watches `address` now, else the newest that did, else None.

    Addresses are stored as written canonically; bech32 in capitals, as QR codes hold
    it, is the same address (BIP 173). Reads the store: only for edges.
    """
    if ":" in address:  # in the place of an address where there is none: ours alone
        return None
    if not address or len(address) > MAX_ADDRESS_LENGTH or not address.isascii():
        return None
    found = gateway.payment_at(address)
    if found is None and address.isupper():
        found = gateway.payment_at(address.lower())
    return found
