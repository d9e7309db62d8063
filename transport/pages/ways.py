"""The ways by which a payer may pay now, and the texts of their QR codes. Pure.

A payment that Lightning can pay beside the chain has two, each on a tab of its own, or
one for both where the merchant chose that (BIP 321). What is left of a payment that was
paid in part goes over the chain, as an invoice asks for all of it; or by the invoice
for what is left, where the payer asked for one: by that alone if it is too little for
an output. One whose deadline was moved behind its invoice's own is paid over the chain
once that has come.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from engine.merchants.payment_methods import LIGHTNING, ONCHAIN
from engine.money.amount import payment_uri
from engine.payment.lightning_terms import Invoice
from engine.payment.model import Terms
from engine.payment.rest_rules import DUST_SAT
from engine.payment.uri import invoice_uri, unified_uri
from transport.pages.language import Words

__all__ = ["UNIFIED", "Way", "qr_segments", "ways_of"]

UNIFIED: Final = "unified"

_BECH32 = ("bc1", "tb1", "bcrt1")

#: A Lightning invoice in capitals, as `engine/payment/uri.py` writes it.
_INVOICE = re.compile(r"(?:^lightning:|lightning=)(LN[A-Z0-9]+)$", re.ASCII)


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One tab, or all of the page where there is one way only."""

    name: str  # onchain, lightning, or unified
    label: str
    uri: str
    address: str | None = None
    invoice: str | None = None

    @property
    def link(self) -> str:
        """The URI for a button: its invoice is as the page shows it, in small letters,
        so that a slow line carries it once (capitals are for the code)."""
        return _INVOICE.sub(lambda found: found[0].lower(), self.uri)


def ways_of(
    terms: Terms,
    due_sat: int | None,
    words: Words,
    *,
    is_in_part: bool,
    now: int,
    rest: Invoice | None = None,
) -> tuple[Way, ...]:
    """The first is shown first. `due_sat`: what is to be paid, None: any sum;
    `is_in_part`: something was paid already; `now`: ms; `rest`: the invoice for what is
    left, which may be paid now."""
    first, invoice = terms.lightning, rest
    if not is_in_part and first is not None and not _outlives(terms, first, now):
        invoice = first
    if first is None or invoice is None:
        return (_chain(terms, due_sat, words),) if terms.has_chain else ()
    lightning = Way(
        name=LIGHTNING,
        label=words.say("way_lightning"),
        uri=invoice_uri(invoice.bolt11),
        invoice=invoice.bolt11,
    )
    if not terms.has_chain or (due_sat is not None and rest and due_sat < DUST_SAT):
        return (lightning,)
    if first.is_unified:
        uri = unified_uri(terms.address, due_sat, invoice.bolt11)
        both = Way(
            name=UNIFIED,
            label=words.say("way_unified"),
            uri=uri,
            address=terms.address,
            invoice=invoice.bolt11,
        )
        return (both,)
    return lightning, _chain(terms, due_sat, words)


def _outlives(terms: Terms, invoice: Invoice, now: int) -> bool:
    """Whether no node takes the invoice any more, and the chain yet pays. Both over at
    one moment, as they are made, are waited for as they are shown."""
    is_longer = terms.has_chain and terms.expires_at > invoice.expires_at
    return is_longer and now >= invoice.expires_at


def _chain(terms: Terms, due_sat: int | None, words: Words) -> Way:
    uri = payment_uri(terms.address, due_sat, None)
    label = words.say("way_onchain")
    return Way(name=ONCHAIN, label=label, uri=uri, address=terms.address)


def qr_segments(uri: str) -> tuple[str, ...]:
    """The URI in the pieces that make the smallest QR code.

    A QR code writes capitals in 5.5 bits and anything else in 8. Bech32 addresses may
    be upper case (BIP 173), and so may invoices (BOLT 11). So might the scheme (BIP
    321), but phones match it letter by letter to find an app; the query stays lower
    case, for wallets that look for `amount` in the same way (BIP 21), and "?" and "="
    have no short form anyway.
    """
    return tuple(_pieces(uri))


def _pieces(uri: str) -> Iterator[str]:
    invoice = _INVOICE.search(uri)
    rest = uri if invoice is None else uri[: invoice.start(1)]
    scheme, _, body = rest.partition(":")
    address, mark, query = body.partition("?")
    if address.lower().startswith(_BECH32):
        yield f"{scheme.lower()}:"
        yield address.upper()
        if mark:
            yield mark + query
    else:
        yield rest
    if invoice is not None:
        yield invoice[1]
