"""Unconfirmed transactions by script, as one source's mempool has them.

The pool holds no two transactions that spend the same output: the newer one takes the
other's place, with its descendants, as in a node. It knows no block and nobody who
watches; `engine.chain.script_index` owns it. Pure.

Scripts and outpoints are known by Python's own 64-bit hash of them, which is keyed anew
in each process: nobody can make two that meet, and an answer is read from the
transaction itself all the same.
"""

from collections.abc import Container, Iterable, Iterator, KeysView

from engine.chain.packed_tx import (
    PackedTx,
    outpoint,
    outpoints,
    output_count,
    paying,
    scripts,
)

__all__ = ["Pool"]


class Pool:
    """The mempool. Whatever changes it returns the scripts that it concerns."""

    def __init__(self) -> None:
        self._bodies: dict[str, bytes] = {}  # packed, by txid
        self._by_script: dict[int, str | set[str]] = {}  # hash of script -> txids
        self._spender: dict[int, str] = {}  # hash of outpoint -> who spends it

    def __contains__(self, txid: str) -> bool:
        return txid in self._bodies

    def __iter__(self) -> Iterator[str]:
        return iter(self._bodies)

    def __len__(self) -> int:
        return len(self._bodies)

    def txids(self) -> KeysView[str]:
        return self._bodies.keys()

    def paying(self, script: bytes) -> Iterator[tuple[str, int, int]]:
        """(txid, vout, satoshi) of the outputs that pay the script."""
        for txid in _each(self._by_script.get(hash(script), ())):
            for vout, amount in paying(self._bodies[txid], script):
                yield txid, vout, amount

    def pays(self, script: bytes) -> bool:
        return hash(script) in self._by_script

    def pays_any(self, txid: str, wanted: Container[bytes]) -> bool:
        """Whether this transaction is here, and pays one of these scripts."""
        body = self._bodies.get(txid)
        return body is not None and any(script in wanted for script in scripts(body))

    def with_parents(self, txids: Iterable[str], among: Container[str]) -> set[str]:
        """These, and of `among` those that they spend of, however far back."""
        found: set[str] = set()
        open_ = list(txids)
        while open_:
            txid = open_.pop()
            body = self._bodies.get(txid)
            if body is None or txid in found:
                continue
            found.add(txid)
            parents = (spent[:32][::-1].hex() for spent in outpoints(body))
            open_ += [parent for parent in parents if parent in among]
        return found

    def spends_same(self, tx: PackedTx) -> bool:
        return any(self._loser(key) is not None for key in outpoints(tx.body))

    def put(self, tx: PackedTx) -> set[bytes]:
        """Add a transaction that double-spends none in the pool."""
        txid = tx.txid
        self._bodies[txid] = tx.body
        for key in outpoints(tx.body):
            self._spender[hash(key)] = txid
        paid = set(scripts(tx.body))
        for script in paid:
            there = self._by_script.setdefault(hash(script), txid)
            if isinstance(there, set):
                there.add(txid)
            elif there != txid:
                self._by_script[hash(script)] = {there, txid}
        return paid

    def take(self, txid: str) -> set[bytes]:
        """Remove one transaction, if it is there. Its descendants stay."""
        body = self._bodies.pop(txid, None)
        if body is None:
            return set()
        for key in outpoints(body):
            if self._spender.get(hash(key)) == txid:
                del self._spender[hash(key)]
        paid = set(scripts(body))
        for script in paid:
            there = self._by_script.get(hash(script))
            if isinstance(there, set):
                there.discard(txid)
            if there == txid or not there:
                self._by_script.pop(hash(script), None)
        return paid

    def evict_conflicts(self, tx: PackedTx) -> dict[str, set[bytes]]:
        """Remove what `tx` double-spends and all that descends from it: which
        transactions these were, and the scripts that each paid."""
        gone: dict[str, set[bytes]] = {}
        for key in outpoints(tx.body):
            loser = self._loser(key)
            if loser is not None and loser != tx.txid:
                self._evict(loser, gone)
        return gone

    def _loser(self, spent: bytes) -> str | None:
        """The transaction that spends this outpoint."""
        txid = self._spender.get(hash(spent))
        if txid is None or spent not in outpoints(self._bodies[txid]):
            return None
        return txid

    def _evict(self, txid: str, gone: dict[str, set[bytes]]) -> None:
        doomed = [txid]
        while doomed:
            loser = doomed.pop()
            body = self._bodies.get(loser)
            if body is None:
                continue
            gone[loser] = self.take(loser)
            for vout in range(output_count(body)):
                child = self._loser(outpoint(loser, vout))
                if child is not None:
                    doomed.append(child)


def _each(txids: str | Iterable[str]) -> Iterable[str]:
    """One txid or several, as several: most scripts are paid once."""
    return (txids,) if isinstance(txids, str) else txids
