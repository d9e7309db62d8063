"""A transaction in two Python objects: its name, and one run of bytes.

A full mempool is 100,000 transactions and a block has 4,000, nearly all of which pay
nobody who is watched. So they are kept as bytes and looked into when that is asked for,
and the garbage collector has nothing to visit.

The body: the number of inputs (4 bytes, little-endian), for each input the outpoint
that it spends (36 bytes, as on the wire: txid, vout), and for each output its amount
(8 bytes, little-endian), the length of its script (1 byte) and the script. A script
that is longer than any address's is left out, with the length 0, as vouts must count.
Pure; not hostile bytes: `engine.bitcoin.transaction` and `pack` made them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import msgspec

__all__ = [
    "MAX_SCRIPT",
    "ChainTx",
    "OP_RETURN",
    "PackedTx",
    "PackedTxs",
    "TxOut",
    "outpoint",
    "output_count",
    "outpoints",
    "pack",
    "packed",
    "paying",
    "scripts",
]

MAX_SCRIPT = 100
"""Bytes. No address has more than 42; what is longer is not worth the memory."""

OP_RETURN = 0x6A
"""The first byte of a script that nobody can spend, nor be paid by."""

_INPUTS = 4  # bytes of the number of inputs
_OUTPOINT = 36


class TxOut(msgspec.Struct, frozen=True, gc=False):
    """One output: its scriptPubKey (raw bytes) and its amount in satoshi."""

    script: bytes
    amount_sat: int


class ChainTx(msgspec.Struct, frozen=True, gc=False):
    """A transaction as far as being paid goes. `spends` are (txid, vout) pairs."""

    txid: str
    outputs: tuple[TxOut, ...]
    spends: tuple[tuple[str, int], ...] = ()


class PackedTx(msgspec.Struct, frozen=True, gc=False):
    """See the module docstring. `txid` as people read it."""

    txid: str
    body: bytes

    @property
    def scripts(self) -> tuple[bytes, ...]:
        """One for each output; b"" where it was left out."""
        return tuple(script for script, _ in outputs(self.body))

    @property
    def outputs(self) -> tuple[TxOut, ...]:
        """As `ChainTx.outputs`; scripts that were left out are empty."""
        return tuple(TxOut(script, amount) for script, amount in outputs(self.body))

    @property
    def spends(self) -> tuple[tuple[str, int], ...]:
        """As `ChainTx.spends`."""
        return tuple(
            (spent[:32][::-1].hex(), int.from_bytes(spent[32:], "little"))
            for spent in outpoints(self.body)
        )

    def unpack(self) -> ChainTx:
        """As the vocabulary of feeds has it."""
        return ChainTx(self.txid, self.outputs, self.spends)


class PackedTxs(Sequence[ChainTx]):
    """A block's transactions, packed; each is unpacked when somebody looks at it."""

    __slots__ = ("packed",)

    def __init__(self, packed: tuple[PackedTx, ...]) -> None:
        self.packed = packed

    def __len__(self) -> int:
        return len(self.packed)

    @overload
    def __getitem__(self, at: int) -> ChainTx: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[ChainTx, ...]: ...
    def __getitem__(self, at: int | slice) -> ChainTx | tuple[ChainTx, ...]:
        if isinstance(at, slice):
            return tuple(tx.unpack() for tx in self.packed[at])
        return self.packed[at].unpack()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]


def pack(tx: ChainTx) -> PackedTx:
    parts = [len(tx.spends).to_bytes(_INPUTS, "little")]
    parts += [outpoint(txid, vout) for txid, vout in tx.spends]
    for output in tx.outputs:
        script = output.script if len(output.script) <= MAX_SCRIPT else b""
        parts.append(output.amount_sat.to_bytes(8, "little"))
        parts.append(bytes((len(script),)) + script)
    return PackedTx(tx.txid, b"".join(parts))


def packed(txs: Iterable[ChainTx | PackedTx] | PackedTxs) -> Iterable[PackedTx]:
    """These, packed, whatever they were."""
    if isinstance(txs, PackedTxs):
        return txs.packed
    return (tx if isinstance(tx, PackedTx) else pack(tx) for tx in txs)


def outpoint(txid: str, vout: int) -> bytes:
    return bytes.fromhex(txid)[::-1] + vout.to_bytes(4, "little")


def outpoints(body: bytes) -> list[bytes]:
    """What it spends."""
    end = _INPUTS + _OUTPOINT * int.from_bytes(body[:_INPUTS], "little")
    return [body[at : at + _OUTPOINT] for at in range(_INPUTS, end, _OUTPOINT)]


def output_count(body: bytes) -> int:
    return sum(1 for _ in outputs(body))


def scripts(body: bytes) -> list[bytes]:
    """Those that an address may have, in the order of the outputs."""
    found = []
    at = _INPUTS + 8 + _OUTPOINT * int.from_bytes(body[:_INPUTS], "little")
    end = len(body)
    while at < end:
        length = body[at]
        at += 1
        if length and body[at] != OP_RETURN:
            found.append(body[at : at + length])
        at += length + 8
    return found


def paying(body: bytes, script: bytes) -> Iterator[tuple[int, int]]:
    """(vout, satoshi) of the outputs that pay the script."""
    if script not in body:  # most often; it may stand across two fields, seldom
        return
    for vout, (paid, amount) in enumerate(outputs(body)):
        if paid == script:
            yield vout, amount


def outputs(body: bytes) -> Iterator[tuple[bytes, int]]:
    """(script, satoshi) of each; b"" for a script that no address has."""
    at = _INPUTS + _OUTPOINT * int.from_bytes(body[:_INPUTS], "little")
    while at < len(body):
        amount = int.from_bytes(body[at : at + 8], "little")
        length = body[at + 8]
        at += 9 + length
        yield body[at - length : at], amount
