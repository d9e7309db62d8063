"""Facts that one actor writes and anybody reads: published as immutable values.

Who makes a `Published` hands it to the one writer, and to everybody else as `Readable`,
through which nothing can be written. A reader that needs two facts of one moment takes
the value once.
"""

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

import msgspec

from engine.chain.feed import ChainView
from engine.chain.witness import Best
from engine.ports import Freshness
from engine.runtime.ref import Ref
from engine.store.outgoing_port import Paused

__all__ = [
    "ForwardingReport",
    "Health",
    "JournalReport",
    "Published",
    "Readable",
    "SourceReport",
    "UnreadAddresses",
    "WantedCurrencies",
    "WatcherTrouble",
    "Watchers",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Readable(Protocol[T_co]):
    """The reading side of a published fact."""

    @property
    def now(self) -> T_co:
        """The newest value."""


class Published(Generic[T]):
    """A fact as its one writer holds it."""

    __slots__ = ("_now",)

    def __init__(self, first: T) -> None:
        self._now = first

    @property
    def now(self) -> T:
        return self._now

    def publish(self, value: T) -> None:
        self._now = value


class UnreadAddresses:
    """Payments whose addresses no source can read whole. Of each its watcher says so,
    and nobody else; the gateway asks."""

    __slots__ = ("_said",)

    def __init__(self) -> None:
        self._said: dict[str, Freshness] = {}

    def of(self, payment_id: str) -> Freshness | None:
        """None: it can be read."""
        return self._said.get(payment_id)

    def say(self, payment_id: str, said: Freshness) -> None:
        self._said[payment_id] = said

    def over(self, payment_id: str) -> None:
        """It can be read, or nobody waits for the payment any more."""
        self._said.pop(payment_id, None)


class WantedCurrencies:
    """In which currencies prices were asked for. The gateway says so; the rates actor
    reads it, and looks at those."""

    __slots__ = ("_wanted",)

    def __init__(self) -> None:
        self._wanted: tuple[str, ...] = ()

    @property
    def now(self) -> tuple[str, ...]:
        return self._wanted

    def want(self, currency: str) -> None:
        if currency not in self._wanted:
            self._wanted += (currency,)


class SourceReport(msgspec.Struct, frozen=True):
    """What the source actor knows of the sources as a whole; it alone writes it.

    `complete_as_of` (ms): when the source that is asked now, one that reads whole
    blocks, had last told all that changed: whoever was shown nothing has got nothing
    since. None: each address must be asked for. `best`: the best tip that any source
    has shown and that was believed. `look`: what that source has in memory of a script,
    watched or not: its mempool and the last blocks. None: nothing, of anybody.
    `is_made_anew`: the chain ends with this process; the next has another.
    """

    freshness: Freshness = Freshness(source="", live=False, since=None)
    complete_as_of: int | None = None
    best: Best | None = None
    look: Callable[[bytes], ChainView] | None = None
    is_made_anew: bool = False

    def with_best(self, best: Best | None) -> "SourceReport":
        """The same, but for the best tip."""
        return self if best is self.best else msgspec.structs.replace(self, best=best)


class ForwardingReport(msgspec.Struct, frozen=True):
    """How the forwarder fares; it alone writes it. `paused`: nothing new is sent on.
    `at_limit`: merchants whose money waits as the day's limit is reached."""

    paused: Paused | None = None
    at_limit: frozenset[str] = frozenset()


class JournalReport(msgspec.Struct, frozen=True):
    """How the journal fares; its actor alone writes it.

    `trouble`: why it cannot write now, or None. `fatal`: only a restart by hand can
    help. `last_offset`: of the newest event that is known to be on disk; 0 until the
    first commit after a start.
    """

    trouble: str | None = None
    fatal: bool = False
    last_offset: int = 0


class Health(msgspec.Struct, frozen=True):
    """What is wrong now, for the edges: new work is refused while it is."""

    journal: str | None  # why the journal cannot write, or None
    booted: bool  # all watched payments have their watcher
    fatal: bool  # only a restart by hand can help


class WatcherTrouble(msgspec.Struct, frozen=True):
    """A watcher that has crashed. `quarantined`: it is not started again by itself."""

    last_error: str
    quarantined: bool


class Watchers(Protocol):
    """Who watches what; the supervisor writes it (`actors/watching/watcher_book.py`).

    Goes through all of them in an order of its own; what changes meanwhile is met or
    is not.
    """

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[str]:
        """The ids of all watched payments."""

    def __getitem__(self, payment_id: str) -> Ref: ...

    def get(self, payment_id: str) -> Ref | None: ...

    def values(self) -> Iterator[Ref]: ...

    def at(self, address: str) -> Ref | None:
        """The watcher of this address."""

    def trouble_of(self, payment_id: str) -> WatcherTrouble | None: ...

    def deadline_of(self, payment_id: str) -> int | None:
        """When (ms) the payment is reviewed next."""

    @property
    def quarantined(self) -> int:
        """How many are."""
