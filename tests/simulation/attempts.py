"""Several payments for one order: who belongs to which, and which end together.

A visitor lets one expire and begins anew, pays the old one all the same, or both; two
run side by side and end in the same minute. Only worlds of `run_orders` have it: in the
others each payment is an order of its own.
"""

from __future__ import annotations

from random import Random

from tests.simulation.shape import MINUTE_MS, Shape

__all__ = ["Attempts"]


class Attempts:
    """See the module docstring."""

    def __init__(self, shape: Shape, random: Random) -> None:
        self._random = random
        self._orders = shape.orders
        self._ends: dict[str, int] = {}  # by order: when its last attempt is over, ms

    def order_of(self, key: str) -> str:
        """The order that the payment asked for by this key is to pay. Two merchants may
        have one number: they know nothing of each other."""
        if not self._orders:
            return key
        return f"cart_{self._random.randrange(self._orders)}"

    def minutes(self, order: str, minutes: int, now: int) -> int:
        """How long this one is waited for: often as long as the one before it."""
        if not self._orders:
            return minutes
        left = round((self._ends.get(order, 0) - now) / MINUTE_MS)
        if left >= 2 and self._random.random() < 0.5:
            minutes = left
        self._ends[order] = now + minutes * MINUTE_MS
        return minutes
