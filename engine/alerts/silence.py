"""Silence: orders usually come at this hour, and now none does. Pure.

A shop whose checkout broke tells nobody: there is just nothing. What is usual is the
mean of the same hours of the days before. The longer no order came, the more were
usually made in that time; beyond `expected` of them chance is no explanation (of orders
that come independently of one another, none in a time in which ten are usual is one
case in 22,000).
"""

from collections.abc import Mapping
from typing import Final

from engine.policy.periods import HOUR_MS

__all__ = ["DAYS", "MIN_DAYS", "missing", "usual"]

DAYS: Final = 7
"""So many days before are looked at: as many weekends as there are in a week."""

MIN_DAYS: Final = 3
"""With fewer days of history nothing is usual yet."""

MAX_HOURS: Final = 24
"""A silence is measured over a day at most: a shop that closed for good is no alarm
for ever, and a new day has hours of its own."""


def usual(orders: Mapping[int, int], hour: int) -> float:
    """Orders that usually come in this hour (number since 1970, UTC).

    `orders`: how many came in each hour that is kept; an hour without any may be left
    out. The days before the first order are no history.
    """
    first = min(orders, default=hour)
    days = min((hour - first) // 24, DAYS)
    if days < MIN_DAYS:
        return 0.0
    return sum(orders.get(hour - 24 * day, 0) for day in range(1, days + 1)) / days


def missing(orders: Mapping[int, int], last_order: int, now: int) -> float:
    """How many orders usually come in the time from the last one until now (ms)."""
    start = max(last_order, now - MAX_HOURS * HOUR_MS)
    expected = 0.0
    for hour in range(start // HOUR_MS, now // HOUR_MS + 1):
        begins = max(start, hour * HOUR_MS)
        ends = min(now, (hour + 1) * HOUR_MS)
        expected += usual(orders, hour) * max(ends - begins, 0) / HOUR_MS
    return expected
