"""What a merchant's till (`/pos`) offers: the currency of its keypad, and tips.

It is at once what comes in (a call, a table of paybell.toml), what is kept, and what is
shown: nothing of it is secret. Values only.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from engine.money.currency import CURRENCY

__all__ = ["MAX_TIPS", "OwnTill", "TillSettings"]

MAX_TIPS: Final = 4
"""As many stand in one row of a phone, beside a sum of the payer's own."""


class TillSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """`currency` empty: the merchant's `accounting_currency`. `tips`: in percent; none:
    the till asks for no tip."""

    currency: Annotated[str, Meta(pattern=f"^$|{CURRENCY}" + r"(?!\n)")] = ""
    tips: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=100)], ...], Meta(max_length=MAX_TIPS)
    ] = (5, 10, 15)


OwnTill = Annotated[
    TillSettings,
    Meta(
        description="an object with what the page /pos offers: currency (three capital"
        " letters, as ISO 4217 has them; empty: accounting_currency) and tips (up to"
        f" {MAX_TIPS} whole percentages from 1 to 100; an empty list: no tips)"
    ),
]
