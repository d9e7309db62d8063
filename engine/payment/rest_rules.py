"""The rest of a short payment by the other method: which invoice is due, and which is
shown. Pure.

A payment that Lightning and the chain can pay, and of which too little came, may be
paid in full by an invoice of its own for exactly what is missing. Somebody asks for it;
nothing is asked of a node by itself. While the same is missing the same invoice is
given; another sum, or the end of its time, makes it due anew, a few times in all. That
is the way out where what is missing is too little for an output of the chain, or for
whoever sends it.

What was told of an invoice stays: each of them counts as money when it is paid, in
whatever order, and is told as too much if nothing was missing any more
(`lightning_rules.py`). `rules.py` decides with `take_rest`; edges ask the others.
"""

from typing import Final, NamedTuple

from engine.errors import Refused
from engine.payment.changed import Changed, InvoiceMoved
from engine.payment.fold import EventBuilder
from engine.payment.lightning_rules import was_paid
from engine.payment.lightning_terms import Invoice
from engine.payment.model import EventType, Payment, Status
from engine.payment.observations import AgreeRest

__all__ = [
    "DUST_SAT",
    "MOST_RESTS",
    "RestDue",
    "rest_due",
    "rest_shown",
    "short_sat",
    "take_rest",
]

DUST_SAT: Final = 546
"""Below this a node relays no output to an address of the oldest kind, at its usual
rate (Bitcoin Core, policy/policy.cpp), and many wallets know that bound alone."""

MOST_RESTS: Final = 5
"""Invoices for what is missing of one payment, in all its life."""

MARGIN_S: Final = 5
"""The invoice is over so long before the payment is: its node answers after we asked,
and by its own clock."""

LONGEST_S: Final = 86_400
"""The longest that every kind of node makes an invoice for: Blink, a day."""

_MSAT: Final = 1_000


class RestDue(NamedTuple):
    """The invoice that a node is to be asked for."""

    amount_sat: int
    expires_in_s: int


def short_sat(payment: Payment) -> int:
    """What is missing of a payment of which too little came, and that both methods can
    pay yet; 0: nothing is, or it is none of these."""
    asked = payment.terms.amount_sat
    if asked is None or payment.terms.lightning is None or not payment.terms.has_chain:
        return 0
    if payment.status is not Status.CONFIRMING or payment.is_paid:
        return 0
    return asked - payment.received_sat


def rest_shown(payment: Payment, now: int) -> Invoice | None:
    """The invoice for exactly what is missing now, of those that were agreed."""
    short_msat = short_sat(payment) * _MSAT
    if not short_msat:
        return None
    for invoice in reversed(payment.terms.rests):
        is_open = now < invoice.expires_at and not was_paid(
            payment, invoice.payment_hash
        )
        if is_open and invoice.amount_msat == short_msat:
            return invoice
    return None


def rest_due(payment: Payment, now: int) -> RestDue | None:
    """What a node may be asked for at `now` (ms); None: nothing, or `rest_shown`. In
    whole minutes, as the coarsest node counts."""
    short = short_sat(payment)
    if not short or len(payment.terms.rests) >= MOST_RESTS:
        return None
    if rest_shown(payment, now) is not None:
        return None
    left_s = (payment.terms.expires_at - now) // 1_000 - MARGIN_S
    expires_in_s = min(left_s, LONGEST_S) // 60 * 60
    return RestDue(short, expires_in_s) if expires_in_s > 0 else None


def take_rest(builder: EventBuilder, agreed: AgreeRest) -> None:
    """See the module docstring. Asked for twice, the first one counts: nobody was shown
    the other. Raises `Refused`: what is missing is not what the invoice asks for."""
    payment, invoice = builder.payment, agreed.invoice
    if rest_shown(payment, builder.now) is not None:
        return
    terms, short = payment.terms, short_sat(payment)
    known = {one.payment_hash for one in terms.invoices}
    if (
        not short
        or invoice.amount_msat != short * _MSAT
        or invoice.payment_hash in known
        or terms.lightning is None
        or invoice.node != terms.lightning.node
        or len(terms.rests) >= MOST_RESTS
        or builder.now >= min(invoice.expires_at, terms.expires_at)
    ):
        raise Refused(
            f"{invoice.amount_msat} msat are not what can be paid by Lightning now:"
            f" {short} sat are missing"
        )
    last = terms.rests[-1] if terms.rests else None
    if last is not None and was_paid(payment, last.payment_hash):
        last = None
    moved = InvoiceMoved(old=last, new=invoice)
    builder.emit(EventType.UPDATED, changed=Changed(lightning_rest=moved), by=agreed.by)
