"""When an account's balance is asked for, and what it was: a part of `UpstreamActor`.

Beside a reading now and then; and soon after money came, as a till shows it: by then
what is passed on has left. In its actor's turns.
"""

from typing import Final

from actors.facts.published import Published
from actors.lightning.messages import BalanceDue
from actors.lightning.timers import Timers
from engine.lightning.node import Balance
from engine.runtime.clock import Clock

__all__ = ["BalanceLook"]

EVERY_S: Final = 60.0
MOVED_S: Final = 2.0
"""After money came."""

LEAST_S: Final = 10.0
"""Between two looks, however much comes."""


class BalanceLook:
    """See the module docstring. `balance`: where it alone publishes."""

    __slots__ = ("_asked_s", "_balance", "_clock", "_timers")

    def __init__(
        self, clock: Clock, timers: Timers, balance: Published[Balance | None]
    ) -> None:
        self._clock = clock
        self._timers = timers
        self._balance = balance
        self._asked_s = float("-inf")

    def is_old(self) -> bool:
        return self._clock.monotonic() - self._asked_s >= EVERY_S

    def asked(self) -> None:
        self._asked_s = self._clock.monotonic()

    def told(self, balance: Balance | None) -> None:
        """None: the key may be without that right, and the rest is well."""
        self._balance.publish(balance)

    def renew(self) -> None:
        """It is asked for beside the next reading."""
        self._asked_s = float("-inf")

    def lost(self) -> None:
        """The account does not answer; when it does again, it is asked."""
        self.renew()
        self._balance.publish(None)

    def money_came(self) -> None:
        if BalanceDue not in self._timers:
            left_s = self._asked_s + LEAST_S - self._clock.monotonic()
            self._timers.set(BalanceDue(), max(MOVED_S, left_s))
