"""Which postings an event causes. Pure: of the event and its payment's terms alone.

Called in one place, where a store writes the event, so that no hand that writes an
event can forget them. What an event changes in the books it says itself, as differences
(`engine/payment/booked.py`); one that says nothing causes none.

    booked_sat     sales  -> onchain          sold; back: it was reversed
    held_sat       held   -> onchain          nobody's yet; back: it is sold
    of both, what came by Lightning           -> lightning:<node>, gross
    lightning_fee_sat  lightning:<node> -> fees    what the node kept of it
    booked_minor   sales  -> gateway:<name>   of an external payment, in its currency
    credits        issued -> user:<account>   credited; back: it was reversed
    swept_sat      onchain -> own, fees       sent on to its owner; by a till: from
                   lightning:<node>
    refund         onchain -> refunds, fees   given back; not from here: own -> refunds;
                                              paid otherwise: what is different

What becomes of money on its way out is in `engine/payment/booking_out.py`.
"""

from collections.abc import Iterator

import msgspec

from engine.money.currency import decimals_of
from engine.money.ledger import (
    CREDIT,
    FEES,
    HELD,
    ISSUED,
    ONCHAIN,
    SALES,
    SAT,
    Posting,
    moved,
    user_account,
)
from engine.money.worth import Worth, at_rate
from engine.payment.booked import Booked
from engine.payment.booking_out import refunded, swept
from engine.payment.events import Event
from engine.payment.model import Payment, Terms

__all__ = [
    "gateway_account",
    "lightning_account",
    "opening_of",
    "postings_of",
    "unit_of",
]


def postings_of(event: Event, terms: Terms) -> tuple[Posting, ...]:
    """Of most events: none."""
    data = event.data
    if (
        data.booked_sat is None
        and data.held_sat is None
        and data.booked_minor is None
        and data.credits is None
        and data.swept_sat is None
        and data.swept_fee_sat is None
        and data.refund is None
    ):
        return ()  # without further ado: it is asked of every event that is written
    found: list[Posting] = []
    quote = data.quoted
    if data.booked_sat:
        by_node = data.booked_lightning_sat or 0
        found += _came(terms, SALES, data.booked_sat, by_node, data.worth)
    if data.held_sat:
        by_node = data.held_lightning_sat or 0
        worth = data.held_worth or at_rate(data.held_sat, quote)
        found += _came(terms, HELD, data.held_sat, by_node, worth)
    if data.lightning_fee_sat:
        fee_sat, node = data.lightning_fee_sat, lightning_account(terms)
        found.append(moved(SAT, node, FEES, fee_sat, at_rate(fee_sat, quote)))
    if data.booked_minor:
        there = gateway_account(terms)
        found.append(moved(unit_of(terms), SALES, there, data.booked_minor))
    if data.credits:
        assert terms.credit is not None, terms.id
        user = user_account(terms.credit.account)
        found.append(moved(CREDIT, ISSUED, user, data.credits, data.credits_worth))
    if data.swept_sat is not None or data.swept_fee_sat is not None:
        is_by_till = data.forward is not None and data.forward.till
        source = lightning_account(terms) if is_by_till else ONCHAIN
        found += swept(data.swept_sat or 0, data.swept_fee_sat or 0, quote, source)
    back = data.refund
    if back is not None and not terms.is_external:
        found += refunded(
            back.amount_sat, back.fee_sat, back.worth, is_ours=back.is_ours
        )
    return tuple(found)


def opening_of(payment: Payment, booked: Booked) -> tuple[Posting, ...]:
    """What stands for a payment from before there was a ledger, as it is then."""
    found: list[Posting] = []
    terms = payment.terms
    if booked.sold_sat:
        by_node = booked.sold_lightning_sat
        found += _came(terms, SALES, booked.sold_sat, by_node, None)
    if booked.held_sat:
        by_node = booked.held_lightning_sat
        found += _came(terms, HELD, booked.held_sat, by_node, None)
    if booked.lightning_fee_sat:
        node = lightning_account(terms)
        found.append(moved(SAT, node, FEES, booked.lightning_fee_sat))
    if booked.sold_minor:
        there = gateway_account(terms)
        found.append(moved(unit_of(terms), SALES, there, booked.sold_minor))
    return tuple(found)


def _came(
    terms: Terms, source: str, sat: int, by_node: int, worth: Worth | None
) -> Iterator[Posting]:
    """So much came in, and of that `by_node` by Lightning. Both differences; each gets
    its part of what the whole is worth."""
    by_chain, rest = sat - by_node, worth
    if by_node:
        if worth is not None and by_chain:
            minor = worth.minor * by_node // sat
            rest = msgspec.structs.replace(worth, minor=worth.minor - minor)
            worth = msgspec.structs.replace(worth, minor=minor)
        yield moved(SAT, source, lightning_account(terms), by_node, worth)
    if by_chain:
        yield moved(SAT, source, ONCHAIN, by_chain, rest)


def unit_of(terms: Terms) -> str:
    """Of an external payment: its currency, with the decimals where a gateway counts
    otherwise than the standard. Sums of two units are never added."""
    assert terms.is_external, terms.id
    if terms.decimals == decimals_of(terms.asset):
        return terms.asset
    return f"{terms.asset}:{terms.decimals}"


def lightning_account(terms: Terms) -> str:
    """What the node has that made the payment's invoice."""
    assert terms.lightning is not None, terms.id
    return f"lightning:{terms.lightning.node}"


def gateway_account(terms: Terms) -> str:
    return f"gateway:{terms.gateway}"
