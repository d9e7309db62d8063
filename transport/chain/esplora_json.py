"""The shapes of Esplora's answers, as far as they are read; and what a block proves.

Fields and their types are those of Blockstream's API.md and of `BlockValue`,
`TransactionValue` and `BlockStatus` in electrs (src/rest.rs, src/util/block.rs).
Whatever is of another type, negative or too large is refused while it is decoded.
"""

import hashlib
from typing import Annotated

import msgspec

from engine.money.amount import MAX_SAT

__all__ = [
    "Address",
    "BareTx",
    "Block",
    "BlockStatus",
    "Hash",
    "Tx",
    "hashes_to_its_id",
]

_MAX_HEIGHT = 2**31 - 1

Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Height = Annotated[int, msgspec.Meta(ge=0, le=_MAX_HEIGHT)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_HeaderWord = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**32)]  # of a block's header


class Status(msgspec.Struct):
    """Where a transaction is. Servers leave the last three out, or send null."""

    confirmed: bool
    block_height: _Height | None = None
    block_hash: Hash | None = None
    block_time: _Count | None = None


class Vin(msgspec.Struct):
    is_coinbase: bool = False


class Vout(msgspec.Struct):
    scriptpubkey: str
    value: Annotated[int, msgspec.Meta(ge=0, le=MAX_SAT)]


class Tx(msgspec.Struct):
    """A transaction of an address's history."""

    txid: Hash
    vout: list[Vout]
    status: Status
    vin: list[Vin] = []


class BareVout(msgspec.Struct):
    scriptpubkey: str


class BareTx(msgspec.Struct):
    """A transaction of a block: whom it pays is what is of interest."""

    vout: list[BareVout]


class Block(msgspec.Struct):
    """A block. All but the height stands in its header, which its id is the hash of."""

    id: Hash
    height: _Height
    version: _HeaderWord | None = None
    previousblockhash: Hash | None = None
    merkle_root: Hash | None = None
    timestamp: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] | None = None
    bits: _HeaderWord | None = None
    nonce: _HeaderWord | None = None


class BlockStatus(msgspec.Struct):
    in_best_chain: bool


class Stats(msgspec.Struct):
    tx_count: _Count


class Address(msgspec.Struct):
    chain_stats: Stats
    mempool_stats: Stats


def hashes_to_its_id(block: Block) -> bool | None:
    """Whether previous block, time and the rest are truly those of the block `id`.

    None: a server that does not tell the whole header. The header is version, previous
    block, merkle root, time, bits, nonce, little-endian (BIP 34 and before).
    """
    words = block.version, block.timestamp, block.bits, block.nonce
    if block.merkle_root is None or None in words:
        return None
    version, time_s, bits, nonce = (
        (word or 0).to_bytes(4, "little", signed=(word or 0) < 0) for word in words
    )
    before = bytes.fromhex(block.previousblockhash or "00" * 32)[::-1]
    root = bytes.fromhex(block.merkle_root)[::-1]
    header = version + before + root + time_s + bits + nonce
    digest = hashlib.sha256(hashlib.sha256(header).digest()).digest()
    return digest[::-1].hex() == block.id
