"""What a merchant's Lightning Address offers now, or why it offers nothing.

Wallets want absolute URLs, so the node must know where it is reached (`--public-url`);
they hold the invoice against the hash of what they were shown, so the account must make
such invoices. Reads through the gateway, from memory alone.
"""

from urllib.parse import urlsplit

import msgspec

from engine.gateway import Gateway
from engine.lightning.lnurl import (
    LocalPart,
    PayRequest,
    description_hash,
    encode_lnurl,
    metadata_of,
)
from engine.merchants.lightning_address import LightningAddress
from engine.merchants.record import Merchant

__all__ = ["CALLBACK", "VERIFY", "WELL_KNOWN", "LnurlPlaces", "Offer", "offer_of"]

WELL_KNOWN = "/.well-known/lnurlp/"
CALLBACK = "/lnurl/pay/"
VERIFY = "/lnurl/verify/"

_HASH = 16
"""Digits of the hash of the terms that stand in the callback's path."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What wallets are told. `version`: of these terms; a callback names it, so that
    nobody pays on others than he was shown."""

    merchant: str
    local: LocalPart
    terms: LightningAddress
    identifier: str  # as one writes the address
    metadata: str
    max_sat: int

    @property
    def hash(self) -> str:
        """Of the metadata: what the invoice is to have."""
        return description_hash(self.metadata)

    @property
    def version(self) -> str:
        return self.hash[:_HASH]


class LnurlPlaces:
    """The URLs that are told, all below `--public-url`."""

    def __init__(self, public_url: str) -> None:
        self.public_url = public_url
        self.domain = urlsplit(public_url).netloc

    def identifier(self, local: LocalPart) -> str:
        return f"{local}@{self.domain}"

    def address(self, local: LocalPart) -> str:
        return f"{self.public_url}{WELL_KNOWN}{local}"

    def lnurl(self, local: LocalPart) -> str:
        return encode_lnurl(self.address(local))

    def pay_request(self, offer: Offer) -> PayRequest:
        callback = f"{self.public_url}{CALLBACK}{offer.local}/{offer.version}"
        return PayRequest(
            callback=callback,
            min_sendable=offer.terms.min_sat * 1_000,
            max_sendable=offer.max_sat * 1_000,
            metadata=offer.metadata,
            comment_allowed=offer.terms.comment_length,
        )

    def verify(self, payment_hash: str) -> str:
        return f"{self.public_url}{VERIFY}{payment_hash}"

    def checkout(self, payment_id: str) -> str:
        return f"{self.public_url}/pay/{payment_id}"


def offer_of(
    merchant: Merchant, gateway: Gateway, places: LnurlPlaces, tag: str = ""
) -> Offer | str:
    """The offer; or why there is none, in a sentence for the merchant."""
    terms = merchant.lightning_address
    if terms is None:
        return "The merchant's record has no lightning_address."
    if not places.public_url:
        return "This node does not know where wallets reach it: set --public-url."
    holder = gateway.at_lightning_address(terms.name)
    if holder is None or holder.name != merchant.name:
        return "Another merchant has a Lightning Address of this name."
    account = gateway.lightning_account(merchant.name)
    if account is None:
        return "The merchant has no Lightning account ([lightning.<name>])."
    if not gateway.lightning_can(account.name).description_hash:
        return (
            f"The Lightning account {account.name} ({account.kind}) makes no invoices"
            " with the hash of a description, which wallets check."
        )
    most = merchant.lightning_max_sat
    max_sat = terms.max_sat if most is None else min(terms.max_sat, most)
    if max_sat < terms.min_sat:
        return "lightning_max_sat is less than the address's min_sat."
    local = LocalPart(terms.name, tag)
    identifier = places.identifier(local)
    described = terms.description or f"Payment to {merchant.display_name or identifier}"
    return Offer(
        merchant=merchant.name,
        local=local,
        terms=terms,
        identifier=identifier,
        metadata=metadata_of(described, identifier, tag),
        max_sat=max_sat,
    )
