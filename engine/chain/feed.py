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

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from engine.chain.packed_tx import ChainTx, PackedTx, TxOut

__all__ = [
    "BLOCK_TIME_SLACK_S",
    "MEMPOOL_EXPIRY_MS",
    "AddressFeed",
    "Block",
    "BlockFeed",
    "ChainTx",
    "ChainView",
    "Header",
    "Output",
    "SourceStatus",
    "Tip",
    "TxOut",
    "mempool_since",
    "places",
]


MEMPOOL_EXPIRY_MS = 14 * 86_400_000
"""A transaction that is not mined is dropped after two weeks (-mempoolexpiry)."""

BLOCK_TIME_SLACK_S = 7_200
"""A block's time may be off by two hours (Bitcoin Core, MAX_FUTURE_BLOCK_TIME)."""


class Tip(msgspec.Struct, frozen=True, gc=False):
    """The last block of a source's best chain."""

    height: int
    hash: str


class SourceStatus(msgspec.Struct, frozen=True, gc=False):
    """What a source says of itself and of its chain at one moment.

    What it does not tell is None, or as if it were well: a source that is silent about
    itself is judged by its tip alone (`engine.chain.witness`).
    """

    tip: Tip
    tip_time_s: int | None = None  # the tip's own time (Unix)
    headers: int | None = None  # height of the best header that it knows
    initial_download: bool = False
    mempool_loaded: bool = True  # False: it is being read back after a start
    mempool_size: int | None = None  # transactions in its mempool
    chainwork: int | None = None  # hashes that the chain up to the tip took
    doubt: str | None = None  # what its adapter found to be behind, for people


class Header(msgspec.Struct, frozen=True, gc=False):
    """A block's place. `in_best_chain` is the source's word at the time of asking.

    None: it cannot tell, as of a block above its own tip. That is never False.
    """

    hash: str
    prev_hash: str
    height: int
    time_s: int
    in_best_chain: bool | None


class Block(msgspec.Struct, frozen=True, gc=False):
    header: Header
    txs: Sequence[ChainTx]  # those of large blocks are `engine.chain.packed_tx`'s


class Output(msgspec.Struct, frozen=True, gc=False):
    """An output that pays a watched script; block fields are None in the mempool."""

    txid: str
    vout: int
    amount_sat: int
    block_hash: str | None = None
    block_height: int | None = None
    block_time_s: int | None = None
    is_coinbase: bool = False  # a miner's reward: nobody can spend it before depth 100
    # False: the journal says so, and the source has not shown it yet; or it has lost it
    # with its mempool (`engine/chain/disappearance.py`).
    verified_by_source: bool = True


class ChainView(msgspec.Struct, frozen=True, gc=False):
    """All that one source says of one address at one moment.

    `complete` means: an output that is not listed does not exist for this source,
    neither in its mempool nor in its best chain. `off_chain` are the blocks, of those
    we asked about, that the source positively knows not to be in its best chain; a
    block it merely does not know is not listed.

    `gap`: why it is not complete, one line for people, if that lasts.

    `seconded`: outputs that another, independent source has shown as deep, as (txid,
    vout, block); see `engine/payment/quorum.py`. It is added by the watcher.

    `mempool_since` (ms): as long as that the source has kept its mempool, as far as one
    knows. What was seen before, and is not listed, may have been lost with another
    mempool, unless it is one of `left`: txids that this one had and has no more.

    `conflicted`: of `left`, those that cannot be there beside what the source showed in
    their place, as it spends the same; each with that one. That is its word, also if it
    is not `complete`.

    `remembered`: of what is listed and in no block, the txids that the source had once
    and did not show when it was asked for this view: its mempool was not compared.

    `is_current`: the source is a current witness. One that is not can show money, and
    nothing else: its view takes nothing away, counts no depth and judges no deadline.
    """

    source: str
    tip: Tip
    outputs: tuple[Output, ...]
    off_chain: tuple[str, ...] = ()
    complete: bool = True
    is_current: bool = True
    gap: str | None = None
    seconded: frozenset[tuple[str, int, str]] = frozenset()
    unread_below: int = 0  # a height; see `engine.chain.unread`. 0: all was read
    mempool_since: int = 0
    left: frozenset[str] = frozenset()
    conflicted: frozenset[tuple[str, str]] = frozenset()
    remembered: frozenset[str] = frozenset()


def places(outputs: Sequence[Output]) -> tuple[tuple[str, int | None], ...]:
    """The blocks that these outputs are in, each once, as (hash, height)."""
    found = {o.block_hash: o.block_height for o in outputs}
    return tuple((block, height) for block, height in found.items() if block)


class BlockFeed(Protocol):
    """A source that gives whole blocks and the mempool. See the module docstring."""

    name: str
    requests: int  # upstream requests so far, for /v1/sources and the bench
    lowest: int  # height of the first block it still has, as of the last `status`

    def status(self) -> SourceStatus: ...

    def header(self, block_hash: str) -> Header | None:
        """The header, or None if the source does not know the block at all."""

    def block_hash(self, height: int) -> str | None:
        """The best chain's block at this height, or None above the tip."""

    def block(self, block_hash: str) -> Block: ...

    def mempool(self) -> frozenset[str]: ...

    def transactions(self, txids: Sequence[str]) -> Mapping[str, ChainTx | PackedTx]:
        """Those of the mempool transactions asked for that still exist."""


def mempool_since(feed: object, now: int) -> int:
    """As `ChainView.mempool_since` (ms), of a feed that is read from `now` (ms) on.

    Some can tell when their node started (`started_at_s`, Unix, or None); one that has
    kept its mempool ever since can say of what came later whether it is gone. Of one
    that cannot tell now only that is known which is read from now on. Raises
    `SourceError`.
    """
    ask: Callable[[], int | None] | None = getattr(feed, "started_at_s", None)
    if ask is None:
        return 0
    started_s = ask()
    return now if started_s is None else min(started_s * 1000, now)


class AddressFeed(Protocol):
    """A source that is asked address by address."""

    name: str
    requests: int

    def status(self) -> SourceStatus: ...

    def outputs(self, address: str, script: bytes) -> tuple[Output, ...]:
        """Every output paying the address, mempool and best chain: all or an error."""

    def in_best_chain(self, block_hash: str, height: int | None = None) -> bool | None:
        """False only on the source's positive word; None when it does not know.

        `height`, where known, is the block's: explorers say "not in the best chain" of
        blocks they never saw, too, and only another block at its height is proof.
        """
