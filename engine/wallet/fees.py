"""Which fee rate a transaction of ours pays: an estimate within bounds, or none.

A source's estimate is a claim: one that is a thousand times off must cost nobody his
money, and a source that has none must not stop what can be sent at the floor. Rates
are whole satoshi per 1,000 virtual bytes. Pure.
"""

from typing import Final

import msgspec

from engine.errors import CannotSpend

__all__ = ["INCREMENTAL_RATE", "FeeRules", "fee_rate"]

INCREMENTAL_RATE: Final = 1_000
"""1 sat/vB: what a replacement pays for its own relay on top (BIP 125, rule 4). Newer
nodes ask for a tenth; all take this."""


class FeeRules(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one merchant, or of the node."""

    floor_sat_kvb: int = 1_000
    """The least that nodes relay by default; below it nothing is sent."""

    cap_sat_kvb: int = 200_000
    """200 sat/vB: more than that was asked for on few days ever. What does not confirm
    at it waits; money that is ours already is in no hurry."""

    absent_sat_kvb: int | None = None
    """What to pay when nobody has an estimate; None: wait for one."""

    max_percent: int = 10
    """Of what a sweep moves: while its fee would be more, coins are gathered."""

    def __post_init__(self) -> None:
        assert self.floor_sat_kvb >= INCREMENTAL_RATE, "below what nodes relay"
        assert self.floor_sat_kvb <= self.cap_sat_kvb, "a floor above the cap"
        assert 1 <= self.max_percent <= 100, "no part of a whole"


def fee_rate(estimate_sat_kvb: int | None, rules: FeeRules) -> int:
    """The estimate, not below the floor nor above the cap. Raises `CannotSpend`.

    An estimate that is no rate (zero, negative) is none.
    """
    if estimate_sat_kvb is None or estimate_sat_kvb <= 0:
        estimate_sat_kvb = rules.absent_sat_kvb
    if estimate_sat_kvb is None:
        raise CannotSpend(
            "rate", "no source has an estimate of the fee; waiting for one"
        )
    return min(max(estimate_sat_kvb, rules.floor_sat_kvb), rules.cap_sat_kvb)
