"""What has left the mempool, of the transactions that paid watched scripts.

To leave is more than not to be listed: a source that had a transaction and has it no
more may say that it is gone; one whose mempool began after the transaction was seen may
have lost it with an earlier one (`ChainView.mempool_since`). Pure; the script index's.
"""

from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["MOST_LEFT", "Departures"]

MOST_LEFT = 1_000
"""Transactions that are remembered for one script. Of more, absence proves nothing
before they would have expired."""


_NONE: Final[Mapping[str, str]] = {}


class Departures:
    """Transactions by script. See the module docstring."""

    def __init__(self) -> None:
        self._left: dict[bytes, set[str]] = {}
        # Of those, by script: in whose place is another now.
        self._conflicted: dict[bytes, dict[str, str]] = {}

    def __contains__(self, script: bytes) -> bool:
        return script in self._left

    def of(self, script: bytes) -> frozenset[str]:
        return frozenset(self._left.get(script, ()))

    def conflicted(self, script: bytes) -> frozenset[tuple[str, str]]:
        """Of those, the ones whose inputs another transaction was seen to spend; each
        with that other."""
        return frozenset(self._conflicted.get(script, _NONE).items())

    def note(self, txid: str, scripts: Iterable[bytes], *, by: str = "") -> None:
        """It left the mempool; it paid these. `by`: as that one spends what it spent,
        or what one spent that it came from."""
        for script in scripts:
            left = self._left.setdefault(script, set())
            if len(left) < MOST_LEFT:
                left.add(txid)
                if by:
                    self._conflicted.setdefault(script, {})[txid] = by

    def undo(self, txid: str, scripts: Iterable[bytes]) -> None:
        """It is there, or there again."""
        for script in scripts if self._left else ():
            if script in self._left:
                self._left[script].discard(txid)
            if script in self._conflicted:
                self._conflicted[script].pop(txid, None)

    def forget(self, script: bytes) -> None:
        """Nobody watches it any more."""
        self._left.pop(script, None)
        self._conflicted.pop(script, None)
