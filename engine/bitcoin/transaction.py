"""Raw Bitcoin transactions and blocks: bytes to the vocabulary of `engine.chain.feed`.

Sources that hand us whole blocks (Bitcoin Core, an explorer's /raw, the dev chain) are
read through here. It reads what being paid needs: outputs, what is spent, the hashes.
It verifies the merkle root, so that a block's transactions are those its header names,
but neither scripts nor signatures nor proof of work: that is the source's job.

Hostile bytes: every count and length is checked against the bytes that are there
before anything is allocated or looped over, so the work is linear in the input.
Everything malformed is `InvalidTransaction` or `InvalidBlock`.

Pure; a block of 4,000 transactions takes 30 ms, so a caller on the hub uses
`iter_packed_txs` and yields between chunks. Libraries in C and Rust were tried on the
same block (November 2026): they parse faster, but hand out each output as an object of
theirs, and that costs more than all of it here: docs/architecture.md, Decisions.
Formats: Bitcoin Core's primitives/transaction.h and block.h, BIP 144 (witness).
"""

import struct
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TypeVar

from engine.bitcoin.merkle import MerkleTree
from engine.chain.feed import ChainTx, Header, TxOut
from engine.chain.packed_tx import MAX_SCRIPT, PackedTx
from engine.errors import InvalidBlock, InvalidTransaction
from engine.money.amount import MAX_SAT

__all__ = [
    "COINBASE_TXID",
    "HEADER_SIZE",
    "block_header",
    "compact_size",
    "double_sha256",
    "header_hash",
    "iter_block_txs",
    "iter_packed_txs",
    "pack_tx",
    "parse_header",
    "parse_tx",
    "push_number",
]

HEADER_SIZE = 80

#: What a coinbase "spends": no transaction at all.
COINBASE_TXID = "00" * 32

_MIN_INPUT = 41  # outpoint 36, empty script 1, sequence 4
_MIN_OUTPUT = 9  # amount 8, empty script 1
_MIN_TX = 10 + _MIN_INPUT + _MIN_OUTPUT

_Tx = TypeVar("_Tx", ChainTx, PackedTx)

_u16 = struct.Struct("<H").unpack_from
_u32 = struct.Struct("<I").unpack_from
_u64 = struct.Struct("<Q").unpack_from
_HEADER = struct.Struct("<i32s32sIII")


def parse_tx(raw: bytes) -> ChainTx:
    """The one transaction that `raw` is, with nothing before or after it."""
    tx, end = _read_tx(raw, 0)
    if end != len(raw):
        raise InvalidTransaction(f"{len(raw) - end} bytes follow the transaction")
    return tx


def pack_tx(raw: bytes) -> PackedTx:
    """As `parse_tx`, packed."""
    tx, end = _pack_tx(raw, 0)
    if end != len(raw):
        raise InvalidTransaction(f"{len(raw) - end} bytes follow the transaction")
    return tx


def parse_header(raw: bytes, height: int, in_best_chain: bool = True) -> Header:
    """The header in the first 80 bytes. Raises `InvalidBlock`."""
    if len(raw) < HEADER_SIZE:
        raise InvalidBlock(f"a block header has {HEADER_SIZE} bytes, not {len(raw)}")
    _version, prev, _root, time_s, _bits, _nonce = _HEADER.unpack_from(raw)
    return Header(
        hash=header_hash(raw[:HEADER_SIZE]),
        prev_hash=prev[::-1].hex(),
        height=height,
        time_s=time_s,
        in_best_chain=in_best_chain,
    )


def iter_block_txs(raw: bytes) -> Iterator[ChainTx]:
    """The block's transactions in order; the merkle root is checked after the last.

    So what was taken is only to be believed once the iterator has ended without
    `InvalidBlock`.
    """
    return _iter_block(raw, _read_tx)


def iter_packed_txs(raw: bytes) -> Iterator[PackedTx]:
    """As `iter_block_txs`, without an object for each input and output."""
    return _iter_block(raw, _pack_tx)


def _iter_block(
    raw: bytes, read: Callable[[bytes, int], tuple[_Tx, int]]
) -> Iterator[_Tx]:
    if len(raw) <= HEADER_SIZE:
        raise InvalidBlock(f"a block has more than {HEADER_SIZE} bytes, not {len(raw)}")
    try:
        count, at = _read_size(raw, HEADER_SIZE)
        if count < 1 or count > (len(raw) - at) // _MIN_TX:
            raise InvalidBlock(f"{count} transactions cannot be in {len(raw)} bytes")
        tree = MerkleTree()
        for _ in range(count):
            tx, at = read(raw, at)
            tree.add(bytes.fromhex(tx.txid)[::-1])
            yield tx
    except InvalidTransaction as error:
        raise InvalidBlock(f"in the block: {error}") from error
    if at != len(raw):
        raise InvalidBlock(f"{len(raw) - at} bytes follow the last transaction")
    root = tree.root()
    if tree.doubled:
        raise InvalidBlock("the block repeats transactions")
    if root != raw[36:68]:
        raise InvalidBlock("the merkle root does not fit the block's transactions")


def header_hash(header: bytes) -> str:
    """A block's hash, in the byte order that people read."""
    return double_sha256(header)[::-1].hex()


def block_header(
    prev_hash: str, root: bytes, time_s: int, bits: int, nonce: int, version: int
) -> bytes:
    """The 80 bytes of a header; `root` in wire order, `prev_hash` as people read it."""
    prev = bytes.fromhex(prev_hash)[::-1]
    return _HEADER.pack(version, prev, root, time_s, bits, nonce)


def compact_size(number: int) -> bytes:
    """A count or length as Bitcoin writes it."""
    if number < 0xFD:
        return bytes([number])
    if number <= 0xFFFF:
        return b"\xfd" + number.to_bytes(2, "little")
    if number <= 0xFFFFFFFF:
        return b"\xfe" + number.to_bytes(4, "little")
    return b"\xff" + number.to_bytes(8, "little")


def push_number(number: int) -> bytes:
    """A non-negative number as a script pushes it (BIP 34 wants heights so)."""
    if number == 0:
        return b"\x00"
    if number <= 16:
        return bytes([0x50 + number])
    body = number.to_bytes(number.bit_length() // 8 + 1, "little")
    return bytes([len(body)]) + body


def double_sha256(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def _read_tx(raw: bytes, start: int) -> tuple[ChainTx, int]:
    """The transaction at `start` and where it ends.

    The txid leaves the witness out (BIP 141), so it is hashed over the version, the
    part between marker and witness, and the lock time.
    """
    try:
        body = start + 4
        segwit = raw[body] == 0 and raw[body + 1] == 1
        if segwit:
            body += 2
        spends, at = _read_inputs(raw, body)
        outputs, body_end = _read_outputs(raw, at)
        at = _skip_witnesses(raw, body_end, len(spends)) if segwit else body_end
    except (IndexError, OverflowError, struct.error) as error:
        raise InvalidTransaction(
            f"the transaction at byte {start} is cut off"
        ) from error
    end = at + 4
    if end > len(raw):
        raise InvalidTransaction(f"the transaction at byte {start} is cut off")
    stripped = (
        raw[start : start + 4] + raw[body:body_end] + raw[at:end]
        if segwit
        else raw[start:end]
    )
    txid = sha256(sha256(stripped).digest()).digest()[::-1].hex()
    return ChainTx(txid, outputs, spends), end


def _pack_tx(raw: bytes, start: int) -> tuple[PackedTx, int]:
    """As `_read_tx`. It is written out in one piece: a block has 4,000 of them."""
    try:
        body = start + 4
        segwit = raw[body] == 0 and raw[body + 1] == 1
        if segwit:
            body += 2
        inputs, at = _read_size(raw, body)
        if not inputs:
            raise InvalidTransaction("a transaction without inputs")
        if inputs > (len(raw) - at) // _MIN_INPUT:
            raise InvalidTransaction(
                f"{inputs} inputs cannot be in the bytes that follow"
            )
        parts = [inputs.to_bytes(4, "little")]
        for _ in range(inputs):
            after = at + 36
            parts.append(raw[at:after])
            length = raw[after]
            if length > 0xFC:
                length, after = _read_size(raw, after)
                at = after + length + 4
            else:
                at = after + length + 5
        if at > len(raw):
            raise InvalidTransaction("an input script is longer than what follows")
        at = _pack_outputs(raw, at, parts)
        body_end = at
        if segwit:
            at = _skip_witnesses(raw, at, inputs)
    except (IndexError, OverflowError, struct.error) as error:
        raise InvalidTransaction(
            f"the transaction at byte {start} is cut off"
        ) from error
    end = at + 4
    if end > len(raw):
        raise InvalidTransaction(f"the transaction at byte {start} is cut off")
    stripped = (
        raw[start : start + 4] + raw[body:body_end] + raw[at:end]
        if segwit
        else raw[start:end]
    )
    txid = sha256(sha256(stripped).digest()).digest()[::-1].hex()
    return PackedTx(txid, b"".join(parts)), end


def _pack_outputs(raw: bytes, at: int, parts: list[bytes]) -> int:
    """Outputs are packed as on the wire but for scripts that are too long."""
    count, at = _read_size(raw, at)
    if not count:
        raise InvalidTransaction("a transaction without outputs")
    if count > (len(raw) - at) // _MIN_OUTPUT:
        raise InvalidTransaction(f"{count} outputs cannot be in the bytes that follow")
    as_it_is, u64, most = at, _u64, MAX_SAT
    for _ in range(count):
        (amount,) = u64(raw, at)
        if amount > most:
            raise InvalidTransaction(f"an output of {amount} satoshi cannot exist")
        length = raw[at + 8]
        at += 9
        if length > MAX_SCRIPT:
            parts += (raw[as_it_is : at - 1], b"\0")
            if length > 0xFC:
                length, at = _read_size(raw, at - 1)
            as_it_is = at + length
        at += length
    if at > len(raw):
        raise InvalidTransaction("an output script is longer than what follows")
    parts.append(raw[as_it_is:at])
    return at


def _read_inputs(raw: bytes, at: int) -> tuple[tuple[tuple[str, int], ...], int]:
    count, at = _read_size(raw, at)
    if not count:
        raise InvalidTransaction("a transaction without inputs")
    if count > (len(raw) - at) // _MIN_INPUT:
        raise InvalidTransaction(f"{count} inputs cannot be in the bytes that follow")
    spends = []
    for _ in range(count):
        spends.append((raw[at : at + 32][::-1].hex(), _u32(raw, at + 32)[0]))
        length = raw[at + 36]
        at += 37
        if length > 0xFC:
            length, at = _read_size(raw, at - 1)
        at += length + 4
    if at > len(raw):
        raise InvalidTransaction("an input script is longer than what follows")
    return tuple(spends), at


def _read_outputs(raw: bytes, at: int) -> tuple[tuple[TxOut, ...], int]:
    count, at = _read_size(raw, at)
    if not count:
        raise InvalidTransaction("a transaction without outputs")
    if count > (len(raw) - at) // _MIN_OUTPUT:
        raise InvalidTransaction(f"{count} outputs cannot be in the bytes that follow")
    outputs = []
    for _ in range(count):
        amount = _u64(raw, at)[0]
        if amount > MAX_SAT:
            raise InvalidTransaction(f"an output of {amount} satoshi cannot exist")
        length = raw[at + 8]
        at += 9
        if length > 0xFC:
            length, at = _read_size(raw, at - 1)
        outputs.append(TxOut(raw[at : at + length], amount))
        at += length
    if at > len(raw):
        raise InvalidTransaction("an output script is longer than what follows")
    return tuple(outputs), at


def _skip_witnesses(raw: bytes, at: int, inputs: int) -> int:
    for _ in range(inputs):
        items = raw[at]
        at += 1
        if items > 0xFC:
            items, at = _read_size(raw, at - 1)
        if items > len(raw) - at:
            raise InvalidTransaction(f"{items} witness items cannot be in what follows")
        for _ in range(items):
            length = raw[at]
            if length > 0xFC:
                length, at = _read_size(raw, at)
                at += length
            else:
                at += length + 1
    return at


def _read_size(raw: bytes, at: int) -> tuple[int, int]:
    """A compact size and where it ends; IndexError or struct.error if cut off."""
    first = raw[at]
    if first < 0xFD:
        return first, at + 1
    if first == 0xFD:
        size, end, least = _u16(raw, at + 1)[0], at + 3, 0xFD
    elif first == 0xFE:
        size, end, least = _u32(raw, at + 1)[0], at + 5, 0x10000
    else:
        size, end, least = _u64(raw, at + 1)[0], at + 9, 0x100000000
    if size < least:
        raise InvalidTransaction("a length is written longer than needed")
    return size, end
