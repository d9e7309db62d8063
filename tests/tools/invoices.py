"""Lightning invoices for tests, made by the library `bolt11`, not by our own code."""

from hashlib import sha256

from bolt11 import Bolt11, MilliSatoshi, Tags, encode

__all__ = ["KEY", "PAYEE", "make_invoice"]

KEY = "e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734"
PAYEE = "03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad"

_CURRENCIES = {
    "mainnet": "bc",
    "testnet": "tb",
    "signet": "tbs",
    "regtest": "bcrt",
}


def make_invoice(
    payment_hash: str,
    *,
    amount_msat: int | None,
    at_s: int,
    expires_in_s: int | None = None,
    network: str = "regtest",
    description: str | None = "",
    description_hash: str | None = None,
    has_secret: bool = True,
    key: str = KEY,
) -> str:
    """A signed invoice. Without a description there is a hash, or neither."""
    tags: dict[str, object] = {"payment_hash": payment_hash}
    if has_secret:
        tags["payment_secret"] = sha256(payment_hash.encode()).hexdigest()
    if description_hash is not None:
        tags["description_hash"] = description_hash
    elif description is not None:
        tags["description"] = description
    if expires_in_s is not None:
        tags["expire_time"] = expires_in_s
    invoice = Bolt11(
        currency=_CURRENCIES[network],
        date=at_s,
        tags=Tags.from_dict(tags),
        amount_msat=None if amount_msat is None else MilliSatoshi(amount_msat),
    )
    return encode(invoice, key, ignore_exceptions=True)
