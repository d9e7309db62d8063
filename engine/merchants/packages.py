"""Packages: what a merchant sells by name, each for a price and so many credits.

A payment names one in place of a sum. `Package` is at once what comes in (a call, a
table of paybell.toml), what is kept, and what is shown: nothing of it is secret. Pure.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from engine.errors import InvalidAmount
from engine.money.amount import MAX_SAT
from engine.money.currency import CURRENCY, decimals_of, minor_of, priced_in

__all__ = [
    "MAX_CREDITS",
    "MAX_PACKAGES",
    "NAMES",
    "Package",
    "PackageName",
    "Packages",
    "package_mistake",
]

MAX_PACKAGES: Final = 100

MAX_CREDITS: Final = 10**12
"""Millions of the largest fit into a balance of 64 bits."""

NAMES: Final = "1 to 32 small letters, digits, '-' or '_', beginning with no '-' or '_'"

PackageName = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$(?!\n)", description=NAMES),
]


class Package(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price, in satoshi or in a currency of states, and what it buys."""

    credits: Annotated[int, Meta(ge=0, le=MAX_CREDITS)] = 0  # 0: the sum alone counts
    amount_sat: Annotated[int, Meta(ge=1, le=MAX_SAT)] | None = None
    amount: Annotated[str, Meta(min_length=1, max_length=30)] | None = None
    currency: Annotated[str, Meta(pattern=CURRENCY + r"(?!\n)")] | None = None

    @property
    def minor(self) -> int:
        """`amount` in units of 10^-decimals of its currency.

        Only of one that has them (`package_mistake` is None, `amount_sat` is None).
        """
        assert self.amount is not None, self
        assert self.currency is not None, self
        return minor_of(self.amount, decimals_of(self.currency))


Packages = Annotated[
    dict[PackageName, Package],
    Meta(
        max_length=MAX_PACKAGES,
        description=f"an object of at most {MAX_PACKAGES} packages by name ({NAMES}):"
        " what each costs (amount_sat, or amount as text with currency) and the whole"
        " credits that it buys",
    ),
]


def package_mistake(package: Package) -> tuple[str, str] | None:
    """What the types cannot say: the field, and what is wrong with it."""
    if package.amount_sat is not None:
        for name in ("amount", "currency"):
            if getattr(package, name) is not None:
                return name, "must be left out beside amount_sat"
        return None
    if package.amount is None:
        return "amount_sat", "is missing; amount with currency may take its place"
    if package.currency is None:
        return "currency", "is required with amount"
    try:
        priced_in(package.currency)
    except InvalidAmount as error:
        return "currency", str(error)
    try:
        minor = package.minor
    except InvalidAmount as error:
        return "amount", str(error)
    return None if minor > 0 else ("amount", "must be more than nothing")
