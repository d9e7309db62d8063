"""Unconfirmed transactions by script, as one source's mempool has them.

The pool holds no two transactions that spend the same output: the newer one takes the
other's place, with its descendants, as in a node. It knows no block and nobody who
watches; `engine.chain.script_index` owns it. Pure.

A full mempool is 100,000 transactions and more. Each is one run of bytes, and all that
refers to it does so by the number of its place (`engine.chain.slot_table`): 360 bytes
with all indexes where dicts take 790, and nothing for the garbage collector to visit.

Names, scripts and outpoints are known by Python's own 64-bit hash of them, which is
keyed anew in each process: nobody can make two that meet, and an answer is read from
the transaction itself all the same.
"""

from array import array
from collections.abc import Container, Iterable, Iterator
from itertools import chain
from typing import Final

from engine.chain.packed_tx import (
    PackedTx,
    outpoint,
    outpoints,
    output_count,
    paying,
    scripts,
)
from engine.chain.slot_table import SlotTable

__all__ = ["NAMES_PER_STEP", "Pool"]

NAMES_PER_STEP: Final = 2_500
"""So many are made at a time, and looked up by who asks for them: 2 ms."""

_NAME: Final = 32  # bytes of a txid, as people read it; the packed transaction follows


class Pool:
    """The mempool. Whatever changes it returns the scripts that it concerns."""

    def __init__(self) -> None:
        self._records: list[bytes] = []  # b"" where there is none; a slot is a place
        self._free = array("I")  # such slots
        self._by_txid = SlotTable()  # by hash of the name as text
        self._by_script = SlotTable()
        self._by_outpoint = SlotTable()  # who spends it

    def __contains__(self, txid: str) -> bool:
        return self._slot(txid) is not None

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self.names())

    def __len__(self) -> int:
        return len(self._records) - len(self._free)

    def names(self) -> Iterator[list[str]]:
        """Of all, some at a time."""
        for first in range(0, len(self._records), NAMES_PER_STEP):
            some = self._records[first : first + NAMES_PER_STEP]
            yield [record[:_NAME].hex() for record in some if record]

    def paying(self, script: bytes) -> Iterator[tuple[str, int, int]]:
        """(txid, vout, satoshi) of the outputs that pay the script."""
        for slot in self._by_script.of(hash(script)):
            txid = self._name(slot)
            for vout, amount in paying(self._body(slot), script):
                yield txid, vout, amount

    def pays(self, script: bytes) -> bool:
        return hash(script) in self._by_script

    def pays_any(self, txid: str, wanted: Container[bytes]) -> bool:
        """Whether this transaction is here, and pays one of these scripts."""
        slot = self._slot(txid)
        if slot is None:
            return False
        return any(script in wanted for script in scripts(self._body(slot)))

    def with_parents(self, txids: Iterable[str], among: Container[str]) -> set[str]:
        """These, and of `among` those that they spend of, however far back."""
        found: set[str] = set()
        open_ = list(txids)
        while open_:
            txid = open_.pop()
            slot = self._slot(txid)
            if slot is None or txid in found:
                continue
            found.add(txid)
            spent = outpoints(self._body(slot))
            parents = (coin[:_NAME][::-1].hex() for coin in spent)
            open_ += [parent for parent in parents if parent in among]
        return found

    def spends_same(self, tx: PackedTx) -> bool:
        return any(self._spender(coin) is not None for coin in outpoints(tx.body))

    def put(self, tx: PackedTx) -> set[bytes]:
        """Add a transaction that double-spends none in the pool."""
        paid = set(scripts(tx.body))
        if tx.txid in self:
            return paid
        record = bytes.fromhex(tx.txid) + tx.body
        assert len(record) == _NAME + len(tx.body), tx.txid
        slot = self._keep(record)
        self._by_txid.add(hash(tx.txid), slot)
        for coin in {hash(coin) for coin in outpoints(tx.body)}:
            self._by_outpoint.add(coin, slot)
        for script in {hash(script) for script in paid}:
            self._by_script.add(script, slot)
        return paid

    def spent_by(self, txid: str) -> list[bytes]:
        """The outpoints that a transaction of the pool spends."""
        slot = self._slot(txid)
        return [] if slot is None else outpoints(self._body(slot))

    def take(self, txid: str) -> set[bytes]:
        """Remove one transaction, if it is there. Its descendants stay."""
        slot = self._slot(txid)
        if slot is None:
            return set()
        body = self._body(slot)
        self._records[slot] = b""
        self._free.append(slot)
        self._by_txid.discard(hash(txid), slot)
        for coin in {hash(coin) for coin in outpoints(body)}:
            self._by_outpoint.discard(coin, slot)
        paid = set(scripts(body))
        for script in {hash(script) for script in paid}:
            self._by_script.discard(script, slot)
        return paid

    def evict_conflicts(self, tx: PackedTx) -> dict[str, set[bytes]]:
        """Remove what `tx` double-spends and all that descends from it: which
        transactions these were, and the scripts that each paid."""
        gone: dict[str, set[bytes]] = {}
        for coin in outpoints(tx.body):
            loser = self._spender(coin)
            if loser is not None and self._name(loser) != tx.txid:
                self._evict(loser, gone)
        return gone

    def _evict(self, slot: int, gone: dict[str, set[bytes]]) -> None:
        doomed = [self._name(slot)]
        while doomed:
            loser = doomed.pop()
            there = self._slot(loser)
            if there is None:
                continue
            count = output_count(self._body(there))
            gone[loser] = self.take(loser)
            for vout in range(count):
                child = self._spender(outpoint(loser, vout))
                if child is not None:
                    doomed.append(self._name(child))

    def _slot(self, txid: str) -> int | None:
        slots = self._by_txid.of(hash(txid))
        if not slots:
            return None
        name = bytes.fromhex(txid)
        for slot in slots:
            if self._records[slot][:_NAME] == name:
                return slot
        return None

    def _spender(self, coin: bytes) -> int | None:
        """Of the transaction that spends this outpoint."""
        for slot in self._by_outpoint.of(hash(coin)):
            if coin in outpoints(self._body(slot)):
                return slot
        return None

    def _keep(self, record: bytes) -> int:
        """Where it is from now on."""
        if not self._free:
            self._records.append(record)
            return len(self._records) - 1
        slot = self._free.pop()
        assert not self._records[slot]
        self._records[slot] = record
        return slot

    def _name(self, slot: int) -> str:
        return self._records[slot][:_NAME].hex()

    def _body(self, slot: int) -> bytes:
        return self._records[slot][_NAME:]
