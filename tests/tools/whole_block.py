"""A whole block read into memory; the sources read theirs piece by piece."""

from engine.bitcoin.transaction import iter_block_txs, parse_header
from engine.chain.feed import Block

__all__ = ["parse_block"]


def parse_block(raw: bytes, height: int) -> Block:
    """Its merkle root is checked. Raises `InvalidBlock`."""
    return Block(header=parse_header(raw, height), txs=tuple(iter_block_txs(raw)))
