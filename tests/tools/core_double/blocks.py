"""Blocks and transactions as bytes, for the double: whole in form, proved by nobody."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from engine.bitcoin.merkle import merkle_root
from engine.bitcoin.transaction import (
    block_header,
    compact_size,
    double_sha256,
    header_hash,
    push_number,
)

__all__ = ["CoreBlock", "make_block", "payment_tx", "spent_by", "txid_of"]

NOBODY = b"\x00\x14" + b"n" * 20
BITS = 0x207FFFFF  # regtest's: two hashes a block
SUBSIDY_SAT = 50_0000_0000

_numbers = itertools.count(1)


@dataclass(frozen=True)
class CoreBlock:
    """A block, and what of it a node reads from its header."""

    hash: str
    prev: str
    height: int
    time_s: int
    raw: bytes
    txs: tuple[bytes, ...]  # the coinbase first


def payment_tx(
    pays: Sequence[tuple[bytes, int]],
    spends: Sequence[tuple[str, int]] = (),
    *,
    pad: int = 0,
) -> bytes:
    """A transaction with these outputs. Without `spends` it spends what nobody else
    does; `pad` bytes of OP_RETURN make it large."""
    inputs = list(spends) or [(next(_numbers).to_bytes(32, "big").hex(), 0)]
    outputs = [*pays] + ([(b"\x6a" + b"p" * pad, 0)] if pad else [])
    return b"".join(
        [
            (2).to_bytes(4, "little"),
            compact_size(len(inputs)),
            *(_input(txid, vout) for txid, vout in inputs),
            _outputs(outputs),
            bytes(4),
        ]
    )


def txid_of(raw: bytes) -> str:
    return double_sha256(raw)[::-1].hex()


def spent_by(raw: bytes) -> list[tuple[str, int]]:
    """Outpoints that a transaction of `payment_tx` spends."""
    assert raw[4] < 0xFD
    starts = [5 + 41 * number for number in range(raw[4])]
    return [
        (
            raw[at : at + 32][::-1].hex(),
            int.from_bytes(raw[at + 32 : at + 36], "little"),
        )
        for at in starts
    ]


def make_block(
    prev: CoreBlock | None,
    txs: Sequence[bytes] = (),
    *,
    time_s: int,
    reward: tuple[bytes, int] = (NOBODY, SUBSIDY_SAT),
) -> CoreBlock:
    """The next block; another one each time, as its coinbase has a number."""
    height = 0 if prev is None else prev.height + 1
    before = "00" * 32 if prev is None else prev.hash
    whole = (_coinbase(height, reward), *txs)
    root = merkle_root([double_sha256(raw) for raw in whole])
    head = block_header(before, root, time_s, BITS, 0, 4)
    raw = head + compact_size(len(whole)) + b"".join(whole)
    return CoreBlock(header_hash(head), before, height, time_s, raw, whole)


def _coinbase(height: int, reward: tuple[bytes, int]) -> bytes:
    """BIP 34: the height comes first in its script."""
    script = push_number(height) + b"\x08" + next(_numbers).to_bytes(8, "little")
    return b"".join(
        [
            (1).to_bytes(4, "little"),
            b"\x01" + bytes(32) + b"\xff" * 4,
            compact_size(len(script)) + script + b"\xff" * 4,
            _outputs([reward]),
            bytes(4),
        ]
    )


def _input(txid: str, vout: int) -> bytes:
    spent = bytes.fromhex(txid)[::-1] + vout.to_bytes(4, "little")
    return spent + b"\x00" + b"\xfd\xff\xff\xff"


def _outputs(outputs: Sequence[tuple[bytes, int]]) -> bytes:
    parts = (
        amount.to_bytes(8, "little") + compact_size(len(script)) + script
        for script, amount in outputs
    )
    return compact_size(len(outputs)) + b"".join(parts)
