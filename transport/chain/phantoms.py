"""Names of a mempool that there is nothing behind.

A node tells the names of its mempool, and then of some that it has no such transaction.
Most have left in between, mined or replaced, and are not named again. One that is named
again may have come back: it is asked for once more. If it is not there then either, it
is a phantom: it would be asked for in each round for ever, and thousands of them would
keep the real ones from being asked for at all. It counts as not there, and is asked for
anew now and then, as it may be there after all.
"""

from collections.abc import Callable

__all__ = ["AGAIN_S", "MAX_MISSED", "Phantoms"]

AGAIN_S = 10.0
"""How long a phantom is not asked for."""

MAX_MISSED = 100_000
"""Remembered between two lists, which may be far apart."""


class Phantoms:
    """Of one node. `now`: monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._missed: set[str] = set()  # since the names were read last
        self._suspects: set[str] = set()  # missed before, and named ever since
        self._until: dict[str, float] = {}  # phantoms, and when to ask again

    def missed(self, txid: str) -> None:
        """It was named, and when it was asked for it was not there."""
        if len(self._missed) < MAX_MISSED:
            self._missed.add(txid)

    def found(self, txid: str) -> None:
        """It is there after all: it came back, or came late."""
        self._missed.discard(txid)
        self._suspects.discard(txid)

    def taken_from(self, names: frozenset[str]) -> frozenset[str]:
        """The names without the phantoms; to be called with each list of names.

        What is remembered is never more than the list.
        """
        if not self._missed and not self._suspects and not self._until:
            return names
        now = self._now()
        missed, self._missed = self._missed & names, set()
        again = dict.fromkeys(missed & self._suspects, now + AGAIN_S)
        still = {name: at for name, at in self._until.items() if name in names}
        self._until = {name: at for name, at in still.items() if at > now} | again
        # One that is asked for anew needs to be missed but once.
        self._suspects = (self._suspects & names) | missed | still.keys()
        return names - self._until.keys()
