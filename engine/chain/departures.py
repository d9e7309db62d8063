"""What has left the mempool, of the transactions that paid watched scripts.

To leave is more than not to be listed: a source that had a transaction and has it no
more may say that it is gone; one whose mempool began after the transaction was seen may
have lost it with an earlier one (`ChainView.mempool_since`). Pure; the script index's.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from engine.chain.packed_tx import PackedTx, outpoints

__all__ = ["MOST_COINS", "MOST_LEFT", "Departures"]

MOST_LEFT = 1_000
"""Transactions that are remembered for one script. Of more, absence proves nothing
before they would have expired."""

MOST_COINS = 10_000
"""Of all scripts together: what was spent by those that left before anybody was seen to
take their place. Beyond, the oldest is forgotten: a replacement comes a moment after
what it replaces, and so nobody who makes many can hide another's."""

_NONE: Final[Mapping[str, str]] = {}


class Departures:
    """Transactions by script. See the module docstring."""

    def __init__(self) -> None:
        self._left: dict[bytes, set[str]] = {}
        # Of those, by script: in whose place is another now.
        self._conflicted: dict[bytes, dict[str, str]] = {}
        # What those spent that left with nobody in their place: who, and whom it paid.
        self._coins: dict[bytes, tuple[str, frozenset[bytes]]] = {}
        self._coins_of: dict[bytes, set[bytes]] = {}  # the same, by script

    def __contains__(self, script: bytes) -> bool:
        return script in self._left

    def of(self, script: bytes) -> frozenset[str]:
        return frozenset(self._left.get(script, ()))

    def conflicted(self, script: bytes) -> frozenset[tuple[str, str]]:
        """Of those, the ones whose inputs another transaction was seen to spend; each
        with that other."""
        return frozenset(self._conflicted.get(script, _NONE).items())

    def note(
        self,
        txid: str,
        scripts: Iterable[bytes],
        *,
        by: str = "",
        spent: Iterable[bytes] = (),
    ) -> None:
        """It left the mempool; it paid these. `by`: as that one spends what it spent,
        or what one spent that it came from. Else `spent` is what it spent: a node that
        replaces tells that one has left before it tells of the other, and a round may
        end between the two."""
        scripts = frozenset(scripts)
        for coin in spent if scripts and not by else ():
            self._forget_coin(coin)
            if len(self._coins) >= MOST_COINS:
                self._forget_coin(next(iter(self._coins)))
            self._coins[coin] = txid, scripts
            for script in scripts:
                self._coins_of.setdefault(script, set()).add(coin)
        for script in scripts:
            left = self._left.setdefault(script, set())
            if len(left) < MOST_LEFT:
                left.add(txid)
                if by:
                    self._conflicted.setdefault(script, {})[txid] = by

    def _forget_coin(self, coin: bytes) -> None:
        _, scripts = self._coins.pop(coin, ("", frozenset()))
        for script in scripts:
            coins = self._coins_of.get(script)
            if coins is not None:
                coins.discard(coin)

    def replaced_by(self, tx: PackedTx) -> set[bytes]:
        """This one is there: in the place of what left before, if that spent the same.
        Which scripts that one had paid."""
        touched: set[bytes] = set()
        for coin in outpoints(tx.body) if self._coins else ():
            txid, scripts = self._coins.get(coin, ("", frozenset()))
            for script in scripts:
                if txid != tx.txid and txid in self._left.get(script, ()):
                    self._conflicted.setdefault(script, {})[txid] = tx.txid
                    touched.add(script)
        return touched

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
        for coin in self._coins_of.pop(script, ()):
            if coin in self._coins and self._left.keys().isdisjoint(
                self._coins[coin][1]
            ):
                del self._coins[coin]
