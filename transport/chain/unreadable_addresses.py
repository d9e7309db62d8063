"""Which addresses a source could not be asked for whole, and until when that holds.

So that they cost no more requests than any other. A memory, bounded; it asks nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["MAX_ADDRESSES", "AddressTrouble", "UnreadableAddresses"]

MAX_ADDRESSES = 10_000
"""More are forgotten, the oldest first: they are asked once too often then."""


@dataclass(frozen=True)
class AddressTrouble:
    """Why an address cannot be read whole, for people."""

    reason: str
    shows_nothing: bool  # not even its newest page
    until: float  # monotonic s


class UnreadableAddresses:
    """See the module docstring. `now`: monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._troubles: dict[str, AddressTrouble] = {}
        self._failed: dict[str, int] = {}

    def trouble(self, address: str) -> AddressTrouble | None:
        """What holds of it now."""
        found = self._troubles.get(address)
        if found is not None and found.until <= self._now():
            del self._troubles[address]
            return None
        return found

    def note(
        self, address: str, reason: str, for_s: float, *, shows_nothing: bool = False
    ) -> None:
        """It is not to be tried whole for so long."""
        _make_room(self._troubles)
        self._troubles.pop(address, None)
        until = self._now() + for_s
        self._troubles[address] = AddressTrouble(reason, shows_nothing, until)

    def failed(self, address: str) -> int:
        """It failed; how often now, one after another."""
        _make_room(self._failed)
        times = self._failed.pop(address, 0) + 1
        self._failed[address] = times
        return times

    def answered(self, address: str) -> None:
        self._failed.pop(address, None)


def _make_room(memory: dict[str, AddressTrouble] | dict[str, int]) -> None:
    while len(memory) >= MAX_ADDRESSES:
        del memory[next(iter(memory))]
