"""What was agreed of a payment beyond the sum: its price, its address's place in a
wallet, whom it credits. Values without behaviour; parts of `model.Terms`.
"""

import msgspec

from engine.money.worth import Quoted, Worth

__all__ = ["TO_DRAW", "Credit", "Derived", "Price", "Quoted", "Worth"]

TO_DRAW = -1
"""In place of an index: the address is yet to be drawn, by whoever creates."""


class Price(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the shop asked in its own currency, and the rate that made it satoshi."""

    currency: str  # ISO 4217
    minor: int  # in units of 10^-decimals
    decimals: int
    rate: str  # of one BTC in the currency, plain decimal text
    rate_at: int  # ms
    providers: tuple[str, ...] = ()  # whose rates the median is of, sorted
    is_lone: bool = False  # one provider only, held against the last median


class Derived(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where an address that we gave out stands in its wallet."""

    wallet: str  # id
    index: int
    path: str = ""  # as a person reads it: m/84'/0'/0'/0/7; of keys without one, empty


class Credit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Whose account a confirmation credits, and with what."""

    account: str  # of the merchant's own users
    package: str = ""
    credits: int = 0  # whole credits; 0: the sum alone is booked
