"""What a block source showed in the place of what it had shown: its own word on both.

Of a transaction that it listed up to now, and of another that spends the same coin and
came with the very next listing, or in a block, whoever reads it knows that they cannot
both be. So it is of one whose leaving the source pushed, however long ago: what takes
its place is told after it. Of others that had left before, or that were never read, he
need not know: he has forgotten them, or never saw what they spend.
"""

from collections.abc import Iterable, Sequence

from tests.simulation.chain import SimChain

__all__ = ["Rivals"]


class Rivals:
    """Of one source, since it is read. The record writes, the judges ask."""

    def __init__(self, chain: SimChain) -> None:
        self._chain = chain
        self._had: set[str] = set()  # that were read, and are listed ever since
        self._just_left: set[str] = set()  # with the last listing
        self._told_to_leave: set[str] = set()  # in words of their own
        self._put_out: dict[str, set[str]] = {}  # by what took their place

    def on_listed(self, names: Iterable[str]) -> None:
        """The names of the mempool; what is new of it is asked for next."""
        listed = set(names)
        self._just_left = self._had - listed
        self._had &= listed

    def on_left(self, txid: str) -> None:
        """It was pushed that this is in the mempool no more."""
        if txid in self._had:
            self._had.discard(txid)
            self._told_to_leave.add(txid)

    def on_read(self, txids: Iterable[str]) -> None:
        """Of the mempool."""
        for txid in txids:
            self._told_to_leave.discard(txid)
            self._comes(txid, self._just_left)
            self._comes(txid, self._told_to_leave)
            self._had.add(txid)

    def on_block(self, txids: Sequence[str]) -> None:
        """It is read before the mempool is listed."""
        for txid in txids:
            if txid not in self._had:
                self._comes(txid, self._had)
        self._had.difference_update(txids)

    def _comes(self, txid: str, among: set[str]) -> None:
        for others in self._put_out.values():
            others.discard(txid)  # it is there again
        coins = set(self._chain.txs[txid].spends)
        out = {old for old in among if not coins.isdisjoint(self._spends(old))}
        if out - {txid}:
            self._put_out.setdefault(txid, set()).update(out - {txid})
            among -= out

    def _spends(self, txid: str) -> Sequence[tuple[str, int]]:
        return self._chain.txs[txid].spends

    def put_out_by(self, txid: str) -> frozenset[str]:
        """Whose place it took, and nothing has given back."""
        return frozenset(self._put_out.get(txid, ()))
