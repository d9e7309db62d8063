"""Addresses of one identity that are derived and wait to be drawn.

The order of drawing is that of the index. What was drawn and not used after all (its
payment was refused) comes back and is drawn next, so that no gap is left. Pure: who
derives, and when, is up to the caller.
"""

from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Protocol

import msgspec

__all__ = ["AddressSource", "Ready", "Stock", "WalletSettings"]


class WalletSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How addresses are drawn: the options wallet_… of the same names."""

    stock: int = 2_000
    gap: int = 20
    reuse: bool = False
    restore_skip: int = 1_000


class AddressSource(Protocol):
    """Where addresses come from, by index: a descriptor, or a list of keys."""

    def addresses(self, first: int, count: int) -> list[str]:
        """Those of so many indexes; may take long, and runs in a native thread."""

    def path(self, index: int) -> str:
        """Of the index, as a person reads it; empty: it has none."""


class Ready(msgspec.Struct, frozen=True, order=True, gc=False):
    """An address that may be given out. `former`: not for the first time; the payment
    that had it."""

    index: int
    address: str
    former: str | None = None


class Stock:
    """See the module docstring. `next_index`: the first that was not derived yet."""

    __slots__ = (
        "_again",
        "_back",
        "_held",
        "_ready",
        "_waiting",
        "next_index",
        "source",
        "target",
    )

    def __init__(
        self,
        source: AddressSource,
        next_index: int,
        target: int,
        waiting: set[str] | None = None,
    ) -> None:
        """`target`: how many it should hold; grows with what is asked for. `waiting`:
        all addresses that wait in some stock. Who takes one out of it, because somebody
        brings it for a payment of his own, has it passed over here.
        """
        self.source = source
        self.next_index = next_index
        self.target = target
        self._ready: deque[Ready] = deque()
        self._back: list[Ready] = []  # a heap: the lowest index is drawn first
        self._again: deque[Ready] = deque()  # to be drawn once more, before new ones
        self._held: dict[int, Ready] = {}  # drawn, and not committed yet
        self._waiting = set() if waiting is None else waiting

    def __len__(self) -> int:
        return len(self._ready) + len(self._back) + len(self._again)

    @property
    def missing(self) -> int:
        """How many to derive to fill it up."""
        return max(self.target - len(self), 0)

    def take(self) -> Ready | None:
        """The next one; None: there is none, derive more."""
        while len(self):
            if self._back:
                one = heappop(self._back)
            elif self._again:
                one = self._again.popleft()
            else:
                one = self._ready.popleft()
            if one.address not in self._waiting:
                continue
            self._waiting.discard(one.address)
            assert one.index not in self._held, "drawn twice"
            self._held[one.index] = one
            return one
        return None

    def used(self, index: int) -> None:
        """It is committed, or may be: it never comes back."""
        self._held.pop(index, None)

    def give_back(self, index: int) -> None:
        """It was surely not committed, and nobody saw it."""
        one = self._held.pop(index, None)
        if one is not None:
            heappush(self._back, one)
            self._waiting.add(one.address)

    def add(self, first: int, addresses: Sequence[str], known: set[str]) -> None:
        """Derived from `next_index` on; of the `known` ones each has a payment."""
        assert first == self.next_index, "derived out of order"
        self.next_index += len(addresses)
        fresh = [
            Ready(first + number, address)
            for number, address in enumerate(addresses)
            if address not in known
        ]
        self._ready.extend(fresh)
        self._waiting.update(one.address for one in fresh)

    def add_again(self, free: Sequence[Ready]) -> None:
        """Addresses whose payments are over and never saw money."""
        there = {one.index for one in (*self._again, *self._back)} | self._held.keys()
        fresh = [one for one in free if one.index not in there]
        self._again.extend(fresh)
        self._waiting.update(one.address for one in fresh)
