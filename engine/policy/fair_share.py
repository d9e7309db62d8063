"""How often each of many may call one node: a share that grows when others rest.

Each owner has a token bucket of its own, filled with an equal share of what the node
carries; whoever needs more borrows what the others leave. So one alone may have all of
it, and none gets less than its share because of another. While more than one calls, a
part of the node stays free (`shared`): a queue that is always full would make
everybody wait, however fairly it is shared.

No clock and no I/O: it is told the time, in seconds of any clock; a step backwards
counts as no time. It keeps books, in a few numbers for each owner; a call costs no more
than a look-up and some sums. Used by `transport/http/auth.py` in the caller's greenlet.
"""

from collections import OrderedDict

import msgspec

__all__ = ["FairShare", "TooSoon"]

PERIOD_S = 1.0
"""Whoever called in this or in the last one shares the node."""


class TooSoon(msgspec.Struct, frozen=True):
    """A call is refused; one would be taken after so many seconds.

    `is_ceiling`: by the owner's own limit, not because of others.
    """

    seconds: float
    is_ceiling: bool


class _Owner:
    """`tokens` of its share, and `under` its ceiling, as they were at `at`."""

    __slots__ = ("at", "period", "tokens", "under")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.under: float | None = None  # it had no ceiling yet
        self.at = at
        self.period = -1  # the last in which it called


class FairShare:
    """See the module docstring."""

    def __init__(
        self,
        rate_per_s: float,
        burst: float,
        shared: float = 1.0,
        max_owners: int = 10_000,
    ) -> None:
        """`rate_per_s`: what the node carries; `burst`: what may come at once, of each
        owner and of what is lent; `shared`: which part of the rate is given out while
        more than one calls."""
        if rate_per_s <= 0 or burst < 1 or not 0 < shared <= 1 or max_owners < 1:
            raise ValueError(
                "a fair share wants rate_per_s > 0, burst >= 1, 0 < shared <= 1 and"
                f" max_owners >= 1, got {rate_per_s}, {burst}, {shared}, {max_owners}"
            )
        self._rate, self._burst, self._shared = rate_per_s, burst, shared
        self._max_owners = max_owners
        self._owners: OrderedDict[str, _Owner] = OrderedDict()  # by last use
        self._spare = burst  # what nobody has used, and anybody may borrow
        self._at: float | None = None  # of `_spare`
        self._period = -1
        self._callers = self._callers_before = 0  # in this period and in the last

    def __len__(self) -> int:
        return len(self._owners)

    def take(
        self,
        name: str,
        now_s: float,
        cost: float = 1.0,
        ceiling_per_s: float | None = None,
    ) -> TooSoon | None:
        """Spend `cost` of the owner's, or of what is to spare; None: done.

        Who is refused spends nothing: one that keeps knocking does not wait longer.
        `ceiling_per_s`: its own limit, whatever is to spare.
        """
        owner = self._owner(name, now_s)
        number = max(self._callers, self._callers_before)
        rate = self._rate if number == 1 else self._rate * self._shared
        self._refill(owner, now_s, rate, rate / number, ceiling_per_s)
        cost = min(cost, self._burst)
        if ceiling_per_s is not None:
            assert owner.under is not None
            wanted = min(cost, max(ceiling_per_s, 1.0))
            if owner.under < wanted:
                return TooSoon((wanted - owner.under) / ceiling_per_s, is_ceiling=True)
        if owner.tokens < cost and self._spare < cost:
            own_s = (cost - owner.tokens) * number / rate
            spare_s = (cost - self._spare) / rate
            return TooSoon(min(own_s, spare_s), is_ceiling=False)
        self._spend(owner, cost)
        return None

    def charge(self, name: str, cost: float) -> None:
        """What a call that was taken turned out to cost beyond its `cost`: later ones
        wait for it."""
        owner = self._owners.get(name)
        if owner is not None:
            self._spend(owner, min(cost, self._burst))

    def _spend(self, owner: _Owner, cost: float) -> None:
        """Of its own as far as that goes. What one uses is not there to borrow."""
        owner.tokens = max(owner.tokens - cost, 0.0)
        self._spare = max(self._spare - cost, -self._burst)
        if owner.under is not None:
            owner.under -= cost

    def _owner(self, name: str, now_s: float) -> _Owner:
        period = int(now_s // PERIOD_S)
        if period != self._period:
            is_next = period == self._period + 1
            self._callers_before = self._callers if is_next else 0
            self._callers, self._period = 0, period
        owner = self._owners.get(name)
        if owner is None:
            owner = self._owners[name] = _Owner(self._burst, now_s)
            if len(self._owners) > self._max_owners:
                # The one not seen for longest: the likeliest to be full again.
                self._owners.popitem(last=False)
        else:
            self._owners.move_to_end(name)
        if owner.period != period:
            owner.period = period
            self._callers += 1
        return owner

    def _refill(
        self,
        owner: _Owner,
        now_s: float,
        rate: float,
        share: float,
        ceiling_per_s: float | None,
    ) -> None:
        passed_s = max(now_s - owner.at, 0.0)
        owner.tokens = min(owner.tokens + passed_s * share, self._burst)
        if ceiling_per_s is None:
            owner.under = None
        else:
            most = max(ceiling_per_s, 1.0)
            before = most if owner.under is None else owner.under
            owner.under = min(before + passed_s * ceiling_per_s, most)
        owner.at = now_s
        if self._at is not None:
            came_in = max(now_s - self._at, 0.0) * rate
            self._spare = min(self._spare + came_in, self._burst)
        self._at = now_s
