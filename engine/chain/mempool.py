"""Unconfirmed transactions by script, as one source's mempool has them.

The pool holds no two transactions that spend the same output: the newer one takes the
other's place, with its descendants, as in a node. It knows no block and nobody who
watches; `engine.chain.script_index` owns it. Pure.

A full mempool is 100,000 transactions and more, so they are packed (`PackedTx`): about
1 KB each with all indexes, and no object that the garbage collector must visit.
"""

from collections.abc import Iterable, Iterator

import msgspec

from engine.chain.feed import ChainTx

__all__ = ["MAX_SCRIPT", "OP_RETURN", "PackedTx", "Pool", "each", "pack"]

MAX_SCRIPT = 100
"""Bytes. No address has more than 42; what is longer is not worth the memory."""

OP_RETURN = 0x6A
"""The first byte of a script that nobody can spend, nor be paid by."""


class PackedTx(msgspec.Struct, frozen=True, gc=False):
    """A transaction. `scripts` has b"" where no address can be; its order is vout's.

    `spends` are 36 bytes each: txid and vout.
    """

    txid: str
    scripts: tuple[bytes, ...]
    amounts: tuple[int, ...]
    spends: tuple[bytes, ...]

    def paying(self, script: bytes) -> Iterator[tuple[int, int]]:
        """(vout, satoshi) of the outputs that pay the script."""
        for vout, paid in enumerate(self.scripts):
            if paid == script:
                yield vout, self.amounts[vout]


class Pool:
    """The mempool. Whatever changes it returns the scripts that it concerns."""

    def __init__(self) -> None:
        self._txs: dict[str, PackedTx] = {}  # by txid
        self._by_script: dict[bytes, str | set[str]] = {}  # script -> txids
        self._spender: dict[bytes, str] = {}  # outpoint -> the txid that spends it

    def __contains__(self, txid: str) -> bool:
        return txid in self._txs

    def __iter__(self) -> Iterator[str]:
        return iter(self._txs)

    def paying(self, script: bytes) -> Iterator[tuple[str, int, int]]:
        """(txid, vout, satoshi) of the outputs that pay the script."""
        for txid in each(self._by_script.get(script, ())):
            for vout, amount in self._txs[txid].paying(script):
                yield txid, vout, amount

    def pays(self, script: bytes) -> bool:
        return script in self._by_script

    def spends_same(self, tx: PackedTx) -> bool:
        return any(key in self._spender for key in tx.spends)

    def put(self, tx: PackedTx) -> set[bytes]:
        """Add a transaction that double-spends none in the pool."""
        self._txs[tx.txid] = tx
        for key in tx.spends:
            self._spender[key] = tx.txid
        scripts = _addresses(tx)
        for script in scripts:
            there = self._by_script.setdefault(script, tx.txid)
            if isinstance(there, set):
                there.add(tx.txid)
            elif there != tx.txid:
                self._by_script[script] = {there, tx.txid}
        return scripts

    def take(self, txid: str) -> set[bytes]:
        """Remove one transaction, if it is there. Its descendants stay."""
        tx = self._txs.pop(txid, None)
        if tx is None:
            return set()
        for key in tx.spends:
            self._spender.pop(key, None)
        scripts = _addresses(tx)
        for script in scripts:
            there = self._by_script[script]
            if isinstance(there, set):
                there.discard(txid)
            if isinstance(there, str) or not there:
                del self._by_script[script]
        return scripts

    def evict_conflicts(self, tx: PackedTx) -> set[bytes]:
        """Remove what `tx` double-spends and all that descends from it."""
        scripts: set[bytes] = set()
        for key in tx.spends:
            loser = self._spender.get(key)
            if loser is not None and loser != tx.txid:
                scripts |= self._evict(loser)
        return scripts

    def _evict(self, txid: str) -> set[bytes]:
        scripts: set[bytes] = set()
        doomed = [txid]
        while doomed:
            tx = self._txs.get(doomed.pop())
            if tx is None:
                continue
            scripts |= self.take(tx.txid)
            for vout in range(len(tx.scripts)):
                child = self._spender.get(_outpoint(tx.txid, vout))
                if child is not None:
                    doomed.append(child)
        return scripts


def pack(tx: ChainTx) -> PackedTx:
    return PackedTx(
        tx.txid,
        tuple([_indexed(output.script) for output in tx.outputs]),
        tuple([output.amount_sat for output in tx.outputs]),
        tuple([_outpoint(txid, vout) for txid, vout in tx.spends]),
    )


def each(txids: str | Iterable[str]) -> Iterable[str]:
    """One txid or several, as several: most scripts are paid once."""
    return (txids,) if isinstance(txids, str) else txids


def _indexed(script: bytes) -> bytes:
    """The script, or b"" if it cannot be an address's."""
    if len(script) > MAX_SCRIPT or (script and script[0] == OP_RETURN):
        return b""
    return script


def _addresses(tx: PackedTx) -> set[bytes]:
    scripts = set(tx.scripts)
    scripts.discard(b"")
    return scripts


def _outpoint(txid: str, vout: int) -> bytes:
    return bytes.fromhex(txid) + vout.to_bytes(4, "little")
