"""What a payer's wallet is given to pay a payment: one URI. Pure.

Of the chain `bitcoin:<address>?amount=…` (BIP 321, which replaces BIP 21); of Lightning
alone `lightning:<invoice>`, with the invoice in capitals, in which a QR code takes less
room (BOLT 11 lets it be upper or lower case). Of both the chain's, with the invoice as
its parameter `lightning` where the merchant chose one code for both, and else without:
some wallets know only the older half of such a URI, or fail at it (docs/lightning.md
has a table). Without it, too, if the deadline was moved behind the invoice's own: who
shows the URI later shows no invoice that is over.

Of a payment that is short, once there is an invoice for what is missing, both ask for
that: an invoice for all of it would be paid twice over.
"""

from engine.money.amount import payment_uri
from engine.payment.lightning_terms import Invoice
from engine.payment.model import Terms
from engine.payment.rest_rules import DUST_SAT

__all__ = ["invoice_uri", "rest_uri", "unified_uri", "uri_of"]


def uri_of(terms: Terms) -> str | None:
    """The one of this payment; None: a gateway's page is paid on."""
    if terms.is_external:
        return None
    if not terms.has_chain:
        assert terms.lightning is not None, terms.id
        return invoice_uri(terms.lightning.bolt11)
    invoice = terms.lightning
    if (
        invoice is not None
        and invoice.is_unified
        and invoice.expires_at >= terms.expires_at
    ):
        return unified_uri(terms.address, terms.amount_sat, invoice.bolt11)
    return payment_uri(terms.address, terms.amount_sat, None)


def rest_uri(terms: Terms, rest: Invoice) -> str:
    """The same of the invoice for what is missing."""
    assert terms.lightning is not None, terms.id
    assert rest.amount_msat is not None, terms.id
    due_sat = rest.amount_msat // 1_000
    if due_sat < DUST_SAT:
        return invoice_uri(rest.bolt11)
    if terms.lightning.is_unified:
        return unified_uri(terms.address, due_sat, rest.bolt11)
    return payment_uri(terms.address, due_sat, None)


def invoice_uri(bolt11: str) -> str:
    """`lightning:LNBC…`."""
    return f"lightning:{bolt11.upper()}"


def unified_uri(address: str, amount_sat: int | None, bolt11: str) -> str:
    """`bitcoin:<address>?amount=…&lightning=LNBC…` (BIP 321)."""
    uri = payment_uri(address, amount_sat, None)
    return f"{uri}{'&' if '?' in uri else '?'}lightning={bolt11.upper()}"
