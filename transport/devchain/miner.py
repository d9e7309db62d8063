"""Blocks for the dev chain: coinbase, witness commitment, header, proof of work.

The blocks follow Bitcoin's rules for regtest, from its real genesis block on, so a
node on regtest could take them. Pure: what time it is and which transactions go in
is said by the caller. Sources: BIP 34 (height), BIP 141 (commitment), Bitcoin Core's
chainparams (genesis, halving every 150 blocks, target).
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.bitcoin.merkle import merkle_root
from engine.bitcoin.signed_tx import Tx, TxIn, make_tx
from engine.bitcoin.transaction import (
    COINBASE_TXID,
    block_header,
    compact_size,
    double_sha256,
    header_hash,
    parse_header,
    push_number,
)
from engine.chain.feed import Header, TxOut

__all__ = [
    "BITS",
    "COINBASE_MATURITY",
    "MAX_BLOCK_WEIGHT",
    "MinedBlock",
    "genesis",
    "mine_block",
    "subsidy_sat",
]

#: Regtest's target: every second hash is good enough.
BITS: Final = 0x207FFFFF
_TARGET: Final = 0x7FFFFF << 8 * (0x20 - 3)

#: A coinbase can be spent in the block that is this much higher.
COINBASE_MATURITY: Final = 100

MAX_BLOCK_WEIGHT: Final = 4_000_000

_VERSION: Final = 0x20000000
_HALVING: Final = 150
_RESERVED: Final = bytes(32)


class MinedBlock(msgspec.Struct, frozen=True):
    """A block with everything that an explorer tells of it."""

    header: Header
    header_bytes: bytes
    txs: tuple[Tx, ...]
    median_time_s: int

    @property
    def raw(self) -> bytes:
        count = compact_size(len(self.txs))
        return b"".join([self.header_bytes, count, *(tx.raw for tx in self.txs)])

    @property
    def weight(self) -> int:
        frame = 80 + len(compact_size(len(self.txs)))
        return 4 * frame + sum(tx.weight for tx in self.txs)

    @property
    def size(self) -> int:
        frame = 80 + len(compact_size(len(self.txs)))
        return frame + sum(len(tx.raw) for tx in self.txs)


def subsidy_sat(height: int) -> int:
    return 5_000_000_000 >> min(height // _HALVING, 63)


def genesis() -> MinedBlock:
    """Regtest's own genesis block; its coin can never be spent."""
    message = b"The Times 03/Jan/2009 Chancellor on brink of second bailout for banks"
    script_sig = bytes.fromhex("04ffff001d0104") + bytes([len(message)]) + message
    public_key = bytes.fromhex(
        "04678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb6"
        "49f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5f"
    )
    output = TxOut(b"\x41" + public_key + b"\xac", subsidy_sat(0))
    coinbase = make_tx(
        [TxIn(COINBASE_TXID, 0xFFFFFFFF, script_sig)], [output], version=1
    )
    root = bytes.fromhex(coinbase.txid)[::-1]
    header = block_header(COINBASE_TXID, root, 1296688602, BITS, 2, 1)
    return MinedBlock(parse_header(header, 0), header, (coinbase,), 1296688602)


def mine_block(
    previous: Header,
    time_s: int,
    median_time_s: int,
    txs: Sequence[Tx],
    rewards: Sequence[TxOut],
    extra: bytes,
) -> MinedBlock:
    """The next block with `txs`; `rewards` is what its coinbase pays.

    `extra` goes into the coinbase and keeps two blocks of one height apart.
    """
    height = previous.height + 1
    coinbase = _coinbase(height, txs, rewards, extra)
    every = (coinbase, *txs)
    root = merkle_root([bytes.fromhex(tx.txid)[::-1] for tx in every])
    nonce = 0
    while True:
        header = block_header(previous.hash, root, time_s, BITS, nonce, _VERSION)
        if int.from_bytes(double_sha256(header), "little") <= _TARGET:
            break
        nonce += 1
    place = Header(header_hash(header), previous.hash, height, time_s, True)
    return MinedBlock(place, header, every, median_time_s)


def _coinbase(
    height: int, txs: Sequence[Tx], rewards: Sequence[TxOut], extra: bytes
) -> Tx:
    script_sig = push_number(height) + bytes([len(extra)]) + extra
    if not any(tx.has_witness for tx in txs):
        return make_tx([TxIn(COINBASE_TXID, 0xFFFFFFFF, script_sig)], rewards)
    hashes = [bytes(32), *(bytes.fromhex(tx.wtxid)[::-1] for tx in txs)]
    commitment = double_sha256(merkle_root(hashes) + _RESERVED)
    commits = TxOut(bytes.fromhex("6a24aa21a9ed") + commitment, 0)
    txin = TxIn(COINBASE_TXID, 0xFFFFFFFF, script_sig, witness=(_RESERVED,))
    return make_tx([txin], [*rewards, commits])
