"""What a payment has that does not say otherwise: its merchant's own defaults. Pure.

Each is null where the node's default applies.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from engine.money.amount import MAX_SAT

__all__ = [
    "CONFIRMATIONS",
    "EXPIRES_IN_S",
    "MAX_BANDS",
    "MAX_CONFIRMATIONS",
    "MAX_EXPIRES_IN_S",
    "POLL_INTERVAL_S",
    "Band",
    "PaymentDefaults",
    "bands_mistake",
]

MAX_BANDS: Final = 10
MAX_CONFIRMATIONS: Final = 100
MAX_EXPIRES_IN_S: Final = 30 * 86_400

CONFIRMATIONS: Final = 3
EXPIRES_IN_S: Final = 3_600
POLL_INTERVAL_S: Final = 60
"""Of a payment when neither it nor its merchant says otherwise."""


class Band(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Payments of less than `below_sat` need so many confirmations."""

    below_sat: Annotated[int, Meta(ge=1, le=MAX_SAT)]
    confirmations: Annotated[int, Meta(ge=0, le=MAX_CONFIRMATIONS)]


class PaymentDefaults(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Of one merchant. `bands` rise, in both fields; from the last one's sum on, and
    for a payment of any amount, `confirmations` applies."""

    # No defaults are left out: a client reads which there are.
    confirmations: Annotated[int, Meta(ge=0, le=MAX_CONFIRMATIONS)] | None = None
    bands: Annotated[tuple[Band, ...], Meta(max_length=MAX_BANDS)] = ()
    expires_in_s: Annotated[int, Meta(ge=1, le=MAX_EXPIRES_IN_S)] | None = None
    tolerance_sat: Annotated[int, Meta(ge=0, le=MAX_SAT)] | None = None
    poll_interval_s: Annotated[int, Meta(ge=5, le=3_600)] | None = None

    def confirmations_of(
        self, amount_sat: int | None, default: int = CONFIRMATIONS
    ) -> int:
        """How many a payment of this sum needs; None: of any sum. `default`: where the
        merchant has none."""
        if amount_sat is not None:
            for band in self.bands:
                if amount_sat < band.below_sat:
                    return band.confirmations
        return default if self.confirmations is None else self.confirmations


def bands_mistake(defaults: PaymentDefaults, node: int = CONFIRMATIONS) -> str | None:
    """What is wrong with the bands, if anything is: more money never needs less.

    `node`: the confirmations beyond the bands where the merchant names none.
    """
    if wrong := _falls(defaults.bands):
        return wrong
    beyond = defaults.confirmations_of(None, node)
    if defaults.bands and defaults.bands[-1].confirmations > beyond:
        return (
            "ask for more confirmations than sums beyond them"
            f" (confirmations: {beyond}) need"
        )
    return None


def _falls(bands: Sequence[Band]) -> str | None:
    for less, more in pairwise(bands):
        if more.below_sat <= less.below_sat:
            return "must be in the order of below_sat, each of them once"
        if more.confirmations < less.confirmations:
            return "must not ask for fewer confirmations of a greater sum"
    return None
