"""What a gateway has said of money, weighed against what was asked for. Pure.

Sums are whole numbers of minor units (cents) of the payment's own currency; nothing is
converted. `External` only grows, so that it is the same in whatever order a gateway's
words came.
"""

from enum import Enum, auto

from engine.payment.model import External, Flag, Payment, Terms

__all__ = ["ExternalStanding", "external_flags", "short_minor", "standing_of"]


class ExternalStanding(Enum):
    """What all of a gateway's words together come to."""

    NOTHING = auto()  # none of them spoke of money
    UNCLEAR = auto()  # some was taken back, and none is known to have come
    TOO_LITTLE = auto()  # or in another currency
    ENOUGH = auto()
    TAKEN_BACK = auto()


def standing_of(terms: Terms, said: External) -> ExternalStanding:
    """A sum that is given back in part stays paid: the shop is told by a flag."""
    if said.is_returned:
        return ExternalStanding.TAKEN_BACK
    if said.is_paid:
        if 0 < said.received_minor <= said.returned_minor:
            return ExternalStanding.TAKEN_BACK
        if said.received_minor >= _asked(terms):
            return ExternalStanding.ENOUGH
        return ExternalStanding.TOO_LITTLE
    if said.other_currency:
        return ExternalStanding.TOO_LITTLE
    return ExternalStanding.UNCLEAR if said.returned_minor else ExternalStanding.NOTHING


def short_minor(terms: Terms, said: External) -> int:
    """How much of what was asked for is not there, or not any more."""
    kept = max(said.received_minor - said.returned_minor, 0) if said.is_paid else 0
    if terms.amount_minor is None:  # any was right; what was taken back of it is not
        return min(said.returned_minor, said.received_minor) if said.is_paid else 0
    return max(terms.amount_minor - kept, 0)


def external_flags(payment: Payment) -> set[Flag]:
    """`underpaid` and `overpaid`, which follow the sums."""
    terms, said = payment.terms, payment.external
    standing, asked = standing_of(terms, said), terms.amount_minor
    is_short = standing is ExternalStanding.ENOUGH and short_minor(terms, said) > 0
    if standing is ExternalStanding.TOO_LITTLE or is_short:
        return {Flag.UNDERPAID}
    if standing is ExternalStanding.ENOUGH and asked and said.received_minor > asked:
        return {Flag.OVERPAID}
    return set()


def _asked(terms: Terms) -> int:
    return terms.amount_minor or 0
