"""What chain sources tell us, as values, and the ports they are asked through.

This is the vocabulary between `transport/chain/*` (which speak to a node or an
explorer) and the source actor (which turns answers into observations). It knows no
wire and no payment rule.

Two kinds of source exist. A *block feed* (Bitcoin Core, the dev chain) lets us read
every block and the mempool by difference, so the number of requests does not depend
on how many addresses are watched. An *address feed* (Esplora) is asked address by
address.

Ports are called from a blocking actor's greenlet; they may block, must time out by
themselves, and raise `SourceError` for everything that is not an answer. An error is
never an empty answer.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

__all__ = [
    "BLOCK_TIME_SLACK_S",
    "AddressFeed",
    "Block",
    "BlockFeed",
    "ChainTx",
    "ChainView",
    "Header",
    "Output",
    "Tip",
    "TxOut",
    "places",
]


BLOCK_TIME_SLACK_S = 7_200
"""A block's time may be off by two hours (Bitcoin Core, MAX_FUTURE_BLOCK_TIME)."""


class Tip(msgspec.Struct, frozen=True, gc=False):
    """The last block of a source's best chain."""

    height: int
    hash: str


class Header(msgspec.Struct, frozen=True, gc=False):
    """A block's place. `in_best_chain` is the source's word at the time of asking."""

    hash: str
    prev_hash: str
    height: int
    time_s: int
    in_best_chain: bool


class TxOut(msgspec.Struct, frozen=True, gc=False):
    """One output: its scriptPubKey (raw bytes) and its amount in satoshi."""

    script: bytes
    amount_sat: int


class ChainTx(msgspec.Struct, frozen=True, gc=False):
    """A transaction as far as being paid goes. `spends` are (txid, vout) pairs."""

    txid: str
    outputs: tuple[TxOut, ...]
    spends: tuple[tuple[str, int], ...] = ()


class Block(msgspec.Struct, frozen=True, gc=False):
    header: Header
    txs: tuple[ChainTx, ...]


class Output(msgspec.Struct, frozen=True, gc=False):
    """An output that pays a watched script; block fields are None in the mempool."""

    txid: str
    vout: int
    amount_sat: int
    block_hash: str | None = None
    block_height: int | None = None
    block_time_s: int | None = None
    verified_by_source: bool = (
        True  # False: the journal says so; the source has not shown it yet
    )


class ChainView(msgspec.Struct, frozen=True, gc=False):
    """All that one source says of one address at one moment.

    `complete` means: an output that is not listed does not exist for this source,
    neither in its mempool nor in its best chain. `off_chain` are the blocks, of those
    we asked about, that the source positively knows not to be in its best chain; a
    block it merely does not know is not listed.
    """

    source: str
    tip: Tip
    outputs: tuple[Output, ...]
    off_chain: tuple[str, ...] = ()
    complete: bool = True


def places(outputs: Sequence[Output]) -> tuple[tuple[str, int | None], ...]:
    """The blocks that these outputs are in, each once, as (hash, height)."""
    found = {o.block_hash: o.block_height for o in outputs}
    return tuple((block, height) for block, height in found.items() if block)


class BlockFeed(Protocol):
    """A source that gives whole blocks and the mempool. See the module docstring."""

    name: str
    requests: int  # upstream requests so far, for /v1/sources and the bench
    lowest: int  # height of the first block that it still has, as of the last `tip`

    def tip(self) -> Tip: ...

    def header(self, block_hash: str) -> Header | None:
        """The header, or None if the source does not know the block at all."""

    def block_hash(self, height: int) -> str | None:
        """The best chain's block at this height, or None above the tip."""

    def block(self, block_hash: str) -> Block: ...

    def mempool(self) -> frozenset[str]: ...

    def transactions(self, txids: Sequence[str]) -> dict[str, ChainTx]:
        """Those of the mempool transactions asked for that still exist."""


class AddressFeed(Protocol):
    """A source that is asked address by address."""

    name: str
    requests: int

    def tip(self) -> Tip: ...

    def outputs(self, address: str, script: bytes) -> tuple[Output, ...]:
        """Every output paying the address, mempool and best chain: all or an error."""

    def in_best_chain(self, block_hash: str, height: int | None = None) -> bool | None:
        """False only on the source's positive word; None when it does not know.

        `height`, where known, is the block's: explorers say "not in the best chain" of
        blocks they never saw, too, and only another block at its height is proof.
        """
