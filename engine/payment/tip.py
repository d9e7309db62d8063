"""What of a payment's price is a tip, as its till has said it. Pure.

A till puts it into the payment's metadata: `tip`, decimal text, and `tip_currency`,
that of the price, or `SAT` where the price is in satoshi (docs/point-of-sale.md).
Metadata is the shop's own and may hold anything: what cannot be a part of the price is
no tip.
"""

from typing import Final

import msgspec

from engine.errors import InvalidAmount
from engine.money.currency import minor_of
from engine.payment.model import Terms

__all__ = ["Gratuity", "tip_of"]

SAT: Final = "SAT"


class Gratuity(msgspec.Struct, frozen=True):
    """`minor` of the smallest unit of `currency`; empty: satoshi."""

    currency: str
    minor: int
    decimals: int


def tip_of(terms: Terms) -> Gratuity | None:
    """None: there is none."""
    if terms.price is not None:
        price = terms.price
        currency, decimals, total = price.currency, price.decimals, price.minor
    elif terms.amount_sat is not None:
        currency, decimals, total = SAT, 0, terms.amount_sat
    else:
        return None
    if terms.metadata.get("tip_currency") != currency:
        return None
    try:
        minor = minor_of(terms.metadata.get("tip"), decimals)
    except InvalidAmount:
        return None
    if not 0 < minor < total:
        return None
    return Gratuity("" if currency == SAT else currency, minor, decimals)
