"""A block of the script index's window: its transactions, packed, and who is paid.

Where a script is paid is one sorted array of numbers, not an object for each output: a
block of 4,000 transactions takes a megabyte. Pure.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Container, Iterator

import msgspec

from engine.chain.feed import Block, Header, Output
from engine.chain.packed_tx import PackedTx, packed, paying, scripts

__all__ = ["CHUNK", "Placed", "place"]

CHUNK = 250
"""Transactions between two pauses, about a millisecond."""

# A place in a block is a script's hash, cut to 47 bits, and the transaction's number.
_NUMBER_BITS = 17
_HASH_MASK = (1 << 47) - 1


class Placed(msgspec.Struct):
    """One block of the window: its transactions, packed, and where each script is."""

    header: Header
    txids: tuple[str, ...]
    bodies: tuple[bytes, ...]
    places: "array[int]"  # sorted; array itself takes no [int] before 3.12

    def outputs(self, script: bytes) -> dict[tuple[str, int], Output]:
        header = self.header
        return {
            (txid, vout): Output(
                txid, vout, amount, header.hash, header.height, header.time_s,
                is_coinbase=number == 0,
            )
            for number in self._numbers(script)
            for txid in (self.txids[number],)
            for vout, amount in paying(self.bodies[number], script)
        }  # fmt: skip

    def _numbers(self, script: bytes) -> Iterator[int]:
        """Of the transactions that may pay the script, in their order, each once."""
        wanted = (hash(script) & _HASH_MASK) << _NUMBER_BITS
        for at in range(bisect_left(self.places, wanted), len(self.places)):
            place = self.places[at]
            if place >> _NUMBER_BITS != wanted >> _NUMBER_BITS:
                return
            if at == 0 or self.places[at - 1] != place:
                yield place & ((1 << _NUMBER_BITS) - 1)

    def txs(self) -> Iterator[PackedTx]:
        return map(PackedTx, self.txids, self.bodies)

    def paid(self, watched: Container[bytes]) -> set[bytes]:
        """Those of the watched scripts that it pays."""
        return {s for body in self.bodies for s in scripts(body) if s in watched}


def place(
    block: Block, watched: Container[bytes], pause: Callable[[], None] | None
) -> tuple[Placed, set[bytes]]:
    """The block, ready to be looked into, and the watched scripts that it pays."""
    txids, bodies, paid = [], [], set()
    places = array("Q")
    for number, tx in enumerate(packed(block.txs)):
        if pause is not None and number % CHUNK == 0:
            pause()
        txids.append(tx.txid)
        bodies.append(tx.body)
        for script in scripts(tx.body):
            places.append((hash(script) & _HASH_MASK) << _NUMBER_BITS | number)
            if script in watched:
                paid.add(script)
    assert len(txids) < 1 << _NUMBER_BITS
    ordered = array("Q", sorted(places))
    return Placed(block.header, tuple(txids), tuple(bodies), ordered), paid
