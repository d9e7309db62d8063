"""A block of the script index's window: its transactions, packed, and who is paid.

Its transactions are one run of bytes, and where a script is paid is one sorted array of
numbers, not an object for each: 4,000 transactions with 8,000 inputs and 10,000 outputs
take 0.8 MB. Pure.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Final

import msgspec

from engine.chain.feed import Block, Header, Output
from engine.chain.packed_tx import PackedTx, outputs, packed, paying, scripts
from engine.chain.pausing import pausing

__all__ = ["CHUNK", "Paid", "Placed", "place"]

CHUNK = 250
"""Steps of work between two pauses, about a millisecond: a transaction is one."""

PAID_STEPS = 4
"""What an output costs that pays a watched script: an object is made of it."""

Paid = dict[bytes, dict[tuple[str, int], Output]]
"""Outputs that pay watched scripts, by script and outpoint."""

_NAME: Final = 32  # bytes of a txid

# A place in a block is a script's hash, cut to 47 bits, and the transaction's number.
_NUMBER_BITS = 17
_HASH_MASK = (1 << 47) - 1


class Placed(msgspec.Struct):
    """One block of the window: its transactions, packed, and where each script is."""

    header: Header
    names: bytes  # txids as people read them, one after the other
    bodies: bytes  # the packed transactions, likewise
    ends: "array[int]"  # of each body in `bodies`, and 0 before them
    places: "array[int]"  # sorted; array itself takes no [int] before 3.12

    def __len__(self) -> int:
        return len(self.ends) - 1

    def outputs(self, script: bytes) -> dict[tuple[str, int], Output]:
        header = self.header
        return {
            (txid, vout): _output(header, number, txid, vout, amount)
            for number in self._numbers(script)
            for txid in (self.txid(number),)
            for vout, amount in paying(self.body(number), script)
        }

    def _numbers(self, script: bytes) -> Iterator[int]:
        """Of the transactions that may pay the script, in their order, each once."""
        wanted = (hash(script) & _HASH_MASK) << _NUMBER_BITS
        for at in range(bisect_left(self.places, wanted), len(self.places)):
            place = self.places[at]
            if place >> _NUMBER_BITS != wanted >> _NUMBER_BITS:
                return
            if at == 0 or self.places[at - 1] != place:
                yield place & ((1 << _NUMBER_BITS) - 1)

    def txid(self, number: int) -> str:
        return self.names[_NAME * number : _NAME * (number + 1)].hex()

    def body(self, number: int) -> bytes:
        return self.bodies[self.ends[number] : self.ends[number + 1]]

    def txids(self) -> Iterator[str]:
        return map(self.txid, range(len(self)))

    def keys(self, pause: Callable[[], None] | None) -> Iterable[int]:
        """The hashes of the txids, each once."""
        return pausing({hash(txid) for txid in self.txids()}, pause, CHUNK)

    def txs(self) -> Iterator[PackedTx]:
        return (PackedTx(self.txid(n), self.body(n)) for n in range(len(self)))

    def paid(
        self, watched: Container[bytes], pause: Callable[[], None] | None = None
    ) -> set[bytes]:
        """Those of the watched scripts that it pays."""
        bodies = map(self.body, pausing(range(len(self)), pause, CHUNK))
        return {s for body in bodies for s in scripts(body) if s in watched}


def place(
    block: Block, watched: Container[bytes], pause: Callable[[], None] | None
) -> tuple[Placed, Paid]:
    """The block, ready to be looked into, and what it pays to watched scripts."""
    names, bodies = bytearray(), bytearray()
    paid: Paid = {}
    ends, places = array("I", (0,)), array("Q")
    steps = CHUNK  # the block was read just now
    for number, tx in enumerate(packed(block.txs)):
        if pause is not None and steps >= CHUNK:
            steps = 0
            pause()
        steps += 1
        names += bytes.fromhex(tx.txid)
        bodies += tx.body
        ends.append(len(bodies))
        is_watched = False
        for script in scripts(tx.body):
            places.append((hash(script) & _HASH_MASK) << _NUMBER_BITS | number)
            is_watched = is_watched or script in watched
        if is_watched:
            steps += PAID_STEPS * _note_paid(block.header, number, tx, watched, paid)
    assert len(names) == _NAME * (len(ends) - 1) < _NAME << _NUMBER_BITS
    if pause is not None:
        pause()
    ordered = array("Q", sorted(places))
    if pause is not None:
        pause()
    return Placed(block.header, bytes(names), bytes(bodies), ends, ordered), paid


def _note_paid(
    header: Header, number: int, tx: PackedTx, watched: Container[bytes], paid: Paid
) -> int:
    """How many of its outputs pay watched scripts."""
    found = 0
    for vout, (script, amount) in enumerate(outputs(tx.body)):
        if script in watched:
            output = _output(header, number, tx.txid, vout, amount)
            paid.setdefault(script, {})[tx.txid, vout] = output
            found += 1
    return found


def _output(header: Header, number: int, txid: str, vout: int, amount: int) -> Output:
    """`number`: its transaction's, in the block."""
    return Output(
        txid, vout, amount, header.hash, header.height, header.time_s,
        is_coinbase=number == 0,
    )  # fmt: skip
