"""How many invoices wallets may have made: who reads an address on a poster may ask.

Each callback costs an invoice at the node and a payment that is kept. So one client
has so many a minute, one address so many a second, and of those that nobody has paid
yet an address has at most so many open, one client a tenth of them: a flood from one
place leaves room for payers. What is paid or has expired counts no longer. Counted in
memory: after a restart from zero. No I/O of its own; runs in the request's greenlet.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from transport.server.limits import RateLimiter

__all__ = ["Admission", "LnurlLimits", "TooMany"]

AT_ONCE = 4
"""Callbacks under way of one merchant: a node that hangs takes no more of the places
that its calls with a key have (`actors/edge/lightning.py`)."""

PER_S, BURST = 5.0, 50
"""Of one address, from all clients together."""

SHARE = 10
"""One client has this part of the open ones."""

SWEEP_S = 5.0
"""So often at most is looked which of the open ones are paid."""


class LnurlLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The settings lnurl_per_minute and lnurl_open."""

    per_minute: int = 30
    open: int = 200


class TooMany(Exception):
    """Not now. `str()` is a sentence for the wallet's user."""

    def __init__(self, reason: str, wait_s: float) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class _Open(msgspec.Struct, frozen=True):
    payment_id: str
    expires_at: int  # ms
    client: str


class Admission:
    """One for each node."""

    def __init__(
        self,
        limits: LnurlLimits,
        is_open: Callable[[str], bool],
        now: Callable[[], int],
    ) -> None:
        """`is_open(payment_id)`: whether nothing came of it yet; it may read the store.
        `now`: in ms."""
        self._limits = limits
        self._is_open = is_open
        self._now = now
        self._clients = RateLimiter(limits.per_minute / 60, limits.per_minute)
        self._addresses = RateLimiter(PER_S, BURST)
        self._making: Counter[str] = Counter()
        self._open: dict[str, list[_Open]] = {}  # by merchant; none is empty
        self._swept: dict[str, float] = {}  # when it was full last

    @contextmanager
    def place(self, merchant: str, client: str) -> Iterator[Callable[[str, int], None]]:
        """For one callback, while it is under way; what it yields notes the payment
        that was made and when it expires (ms). Raises `TooMany`."""
        now_s = time.monotonic()
        wait_s = self._clients.allow(client, now_s)
        if wait_s > 0:
            raise TooMany("Too many requests from your network.", wait_s)
        wait_s = self._addresses.allow(merchant, now_s)
        if wait_s > 0 or self._making[merchant] >= AT_ONCE:
            raise TooMany("This address is busy.", max(wait_s, 1))
        self._must_have_room(merchant, client, now_s)

        def made(payment_id: str, expires_at: int) -> None:
            opened = _Open(payment_id, expires_at, client)
            self._open.setdefault(merchant, []).append(opened)

        self._making[merchant] += 1
        try:
            yield made
        finally:
            self._making[merchant] -= 1
            if not self._making[merchant]:
                del self._making[merchant]

    def _must_have_room(self, merchant: str, client: str, now_s: float) -> None:
        if self._is_full(merchant, client):
            self._keep(merchant, lambda one: one.expires_at > self._now())
        swept = self._swept.get(merchant, now_s - SWEEP_S)
        if self._is_full(merchant, client) and now_s - swept >= SWEEP_S:
            self._swept[merchant] = now_s
            self._keep(merchant, lambda one: self._is_open(one.payment_id))
        if self._is_full(merchant, client):
            raise TooMany("Too many payments to this address are open.", 60)

    def _is_full(self, merchant: str, client: str) -> bool:
        """With those under way: of each one may come yet."""
        opened = self._open.get(merchant, ())
        own = sum(1 for one in opened if one.client == client)
        most, under_way = self._limits.open, self._making[merchant]
        return len(opened) + under_way >= most or own >= max(most // SHARE, 1)

    def _keep(self, merchant: str, is_kept: Callable[[_Open], bool]) -> None:
        """Others may come while the store is read: what they add stays."""
        opened = tuple(self._open.get(merchant, ()))
        gone = {one.payment_id for one in opened if not is_kept(one)}
        left = self._open.get(merchant, ())
        kept = [one for one in left if one.payment_id not in gone]
        if kept:
            self._open[merchant] = kept
        else:
            self._open.pop(merchant, None)
