"""Transactions and blocks of mainnet's size, as bytes: what `bench.big_node` serves.

Shapes are mainnet's on the whole: two or three inputs and outputs, a witness for each
input, 375 bytes a transaction and so 4,000 of them in a block of 1.5 MB. Nobody checks
signatures here, so witnesses are random.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from engine.bitcoin.merkle import merkle_root
from engine.bitcoin.transaction import (
    block_header,
    compact_size,
    double_sha256,
    header_hash,
    push_number,
)

__all__ = ["BLOCK_TXS", "Tx", "make_block", "make_tx"]

BLOCK_TXS = 4_000

_INPUTS = (1, 1, 1, 2, 2, 3, 4)
_OUTPUTS = (1, 2, 2, 2, 2, 3, 6)
_BITS = 0x207FFFFF

Tx = tuple[bytes, bytes]  # txid in wire order, all bytes


def make_tx(rand: Random, pays: Sequence[tuple[bytes, int]] = ()) -> Tx:
    """A segwit transaction; it pays these (script, satoshi) and some others."""
    inputs = rand.choice(_INPUTS)
    outputs = [(b"\0\x14" + rand.randbytes(20), 5_000)] * (not pays)
    outputs += [
        (b"\0\x14" + rand.randbytes(20), rand.randrange(10**8))
        for _ in range(rand.choice(_OUTPUTS) - 1)
    ]
    outputs[0:0] = pays
    body = b"".join(
        [
            compact_size(inputs),
            *(
                rand.randbytes(32) + b"\1\0\0\0" + b"\0" + b"\xfd\xff\xff\xff"
                for _ in range(inputs)
            ),
            compact_size(len(outputs)),
            *(
                amount.to_bytes(8, "little") + compact_size(len(script)) + script
                for script, amount in outputs
            ),
        ]
    )
    witness = rand.randbytes(105)
    one = b"\2\x47" + witness[:71] + b"\x21" + witness[71:104]
    raw = b"\2\0\0\0" + b"\0\1" + body + one * inputs + bytes(4)
    return double_sha256(b"\2\0\0\0" + body + bytes(4)), raw


def make_block(
    height: int, prev_hash: str, time_s: int, txs: Sequence[Tx]
) -> tuple[str, bytes]:
    """(hash, bytes) of a block with a coinbase and these."""
    script = push_number(height) + b"\4size"
    coinbase = b"".join(
        [
            b"\1\0\0\0",
            b"\1" + bytes(32) + b"\xff" * 4 + compact_size(len(script)) + script,
            b"\xff" * 4,
            b"\1" + (312_500_000).to_bytes(8, "little") + b"\1\x51",
            bytes(4),
        ]
    )
    ids = [double_sha256(coinbase), *(txid for txid, _ in txs)]
    head = block_header(prev_hash, merkle_root(ids), time_s, _BITS, height, 4)
    raw = b"".join([head, compact_size(len(ids)), coinbase, *(raw for _, raw in txs)])
    return header_hash(head), raw
