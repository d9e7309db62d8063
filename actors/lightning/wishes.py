"""How often a connection begins anew because somebody presses a button.

An account may be of several merchants, and each of them may press it. What does not
work is tried at once, a second apart. What works, or is about to, is broken off a few
times and then seldom: nobody takes a neighbour's payments away by pressing for ever.
"""

from typing import Final

from engine.lightning.upstream import UpstreamState
from engine.policy.token_bucket import TokenBucket

__all__ = ["Wishes"]

APART_S: Final = 1.0

BURST: Final = 10
SELDOM_S: Final = 30.0
"""Times that it may be broken off while it does not fail: so many at once, then one in
so many seconds."""


class Wishes:
    """Of one account."""

    __slots__ = ("_granted_s", "_while_it_works")

    def __init__(self) -> None:
        self._granted_s = float("-inf")
        self._while_it_works = TokenBucket.full(1 / SELDOM_S, BURST)

    def wait_s(self, now_s: float, state: UpstreamState) -> float:
        """0.0: it may, now; that is noted. Else so many seconds later."""
        early_s = self._granted_s + APART_S - now_s
        if early_s > 0:
            return early_s
        if state is not UpstreamState.FAILING:
            self._while_it_works, wait_s = self._while_it_works.take(now_s)
            if wait_s > 0:
                return wait_s
        self._granted_s = now_s
        return 0.0
